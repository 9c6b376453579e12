-- Where StemBridge is, for Ardour's scripts, which read this file at every use. nil takes what the daemon's own settings say.
return {
	host     = "127.0.0.1", -- the daemon's address
	port     = nil,         -- its UDP port; nil: [osc] port of config.toml, else 9123
	results  = nil,         -- its output folder; nil: [output] folder of config.toml, else StemBridge in the music folder
	reply_to = nil,         -- "host:port" of a program or control surface that shall hear how the jobs fare
}

-- The daemon as Ardour's scripts see it: where it listens, how it is spoken to, where it puts what it makes.
-- Lua in Ardour can send OSC but hears no answers, so results are found by their files.
local daemon = {}

local function read (path)
	local file = path and io.open (path, "rb")
	if not file then return nil end
	local text = file:read ("a")
	file:close ()
	return text
end

local is_windows = package and package.config:sub (1, 1) == "\\" or os.getenv ("WINDIR") ~= nil
local home = os.getenv ("HOME") or os.getenv ("USERPROFILE") or ""

-- The daemon's own settings file, where it looks for it when it is started without --config.
local function config_text ()
	local places
	if is_windows then
		places = { (os.getenv ("LOCALAPPDATA") or "") .. "/stembridge/stembridge/config.toml" }
	else
		local xdg = os.getenv ("XDG_CONFIG_HOME")
		places = {
			(xdg and xdg ~= "" and xdg or home .. "/.config") .. "/stembridge/config.toml",
			home .. "/Library/Application Support/stembridge/config.toml",
		}
	end
	for _, path in ipairs (places) do
		local text = read (path)
		if text then return text end
	end
	return ""
end

-- One value of a TOML file as simple as that one: a word, a number or a quoted text in a [section].
local function configured (section, key)
	local current = ""
	for line in (config_text () .. "\n"):gmatch ("(.-)\r?\n") do
		current = line:match ("^%s*%[([%w_]+)%]") or current
		if current == section then
			local value = line:match ("^%s*" .. key .. "%s*=%s*(.-)%s*$")
			if value then
				local text = value:match ('^"([^"]*)"') or value:match ("^'([^']*)'") or value:match ("^[^%s#]+")
				return text ~= "" and text or nil
			end
		end
	end
	return nil
end

-- XDG says where music is kept, in a file of shell assignments.
local function music_folder ()
	local own = not is_windows and read ((os.getenv ("XDG_CONFIG_HOME") or home .. "/.config") .. "/user-dirs.dirs")
	local said = own and ("\n" .. own):match ('\nXDG_MUSIC_DIR="([^"]*)"')
	return said and said ~= "" and said:gsub ("^%$HOME", function () return home end) or home .. "/Music"
end

-- CRC-32 as zlib computes it.
local function crc32 (text)
	local crc = 0xFFFFFFFF
	for index = 1, #text do
		crc = crc ~ text:byte (index)
		for _ = 1, 8 do
			crc = (crc >> 1) ~ ((crc & 1) * 0xEDB88320)
		end
	end
	return crc ~ 0xFFFFFFFF
end

local function names_in (folder)
	-- Lua has no listing of its own. The folder is the user's own setting, quoted for the shell all the same.
	local command = is_windows and 'dir /b "' .. folder:gsub ("/", "\\") .. '" 2>nul'
		or "ls -1 '" .. folder:gsub ("'", "'\\''") .. "' 2>/dev/null"
	local listing, names = io.popen (command), {}
	for name in listing:lines () do names[#names + 1] = name end
	listing:close ()
	return names
end

function daemon.results_folder (settings)
	local folder = settings.results or configured ("output", "folder") or music_folder () .. "/StemBridge"
	return (folder:gsub ("^~", home))
end

-- The folder of a job, or nil while there is none. The daemon names it by the audio file and the request's id; characters that a
-- file system might not take are replaced, and long names are cut, but then a checksum of the whole name ends it.
function daemon.job_folder (settings, id, path)
	local file_stem = path:match ("([^/\\]+)$"):gsub ("(.)%.[^.]*$", "%1")
	local said = file_stem .. " " .. id
	local ends = { " " .. id, string.format ("-%08x", crc32 (said)) }
	local folder = daemon.results_folder (settings)
	for _, name in ipairs (names_in (folder)) do
		for _, ending in ipairs (ends) do
			if name:sub (-#ending) == ending then return folder .. "/" .. name end
		end
	end
	return nil
end

-- Whether nothing listens at the daemon's port, where the system says so; unknown counts as listening.
function daemon.is_absent (settings)
	local sockets = settings.host == "127.0.0.1" and read ("/proc/net/udp")
	if not sockets then return false end
	-- A line a socket: its number, then its own address and port.
	local own = string.format ("\n%%s*%%d+: %%x+:%04X ", daemon.port (settings))
	return not ("\n" .. sockets .. "\n" .. (read ("/proc/net/udp6") or "")):find (own)
end

function daemon.port (settings)
	return math.tointeger (tonumber (settings.port or configured ("osc", "port") or 9123))
end

-- Send one message. Numbers go as doubles: a float of 32 bits is a quarter of a millisecond off after an hour.
function daemon.send (settings, address, ...)
	local types = {}
	local values = { ... }
	for index, value in ipairs (values) do
		types[index] = type (value) == "number" and "d" or "s"
	end
	local target = ARDOUR.LuaOSC.Address ("osc.udp://" .. settings.host .. ":" .. daemon.port (settings))
	return target:send (address, table.concat (types), table.unpack (values))
end

return daemon

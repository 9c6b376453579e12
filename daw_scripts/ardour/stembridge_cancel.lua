ardour {
	["type"]    = "EditorAction",
	name        = "StemBridge: cancel",
	license     = "MIT",
	author      = "StemBridge",
	description = [[Ends what StemBridge does for the selected regions; with none selected, for the whole session.]]
}

-- Ardour keeps a copy of this file in its own settings; what it does is read anew each time, so that an update reaches it.
function factory () return function ()
	local path = ARDOUR.user_config_directory (-1) .. "/scripts/stembridge/actions.lua"
	local file = io.open (path)
	if not file then
		LuaDialog.Message ("StemBridge", "The folder of StemBridge's scripts is missing: " .. path,
			LuaDialog.MessageType.Error, LuaDialog.ButtonType.Close):run ()
		return
	end
	local source = file:read ("a")
	file:close ()
	load (source, "@" .. path) ().cancel ()
end end

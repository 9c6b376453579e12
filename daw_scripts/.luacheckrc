-- REAPER 6 embeds Lua 5.3, REAPER 7 embeds 5.4; `reaper` is what it adds.
std = "lua53"
read_globals = { "reaper" }
max_line_length = 150
files["**/stub_main.lua"] = { globals = { "reaper" } }
-- What Ardour gives a script; `ardour` and `factory` are what it asks of one.
files["**/ardour/**"] = {
    globals = { "ardour", "factory", "signals" },
    read_globals = { "ARDOUR", "ArdourUI", "C", "Editing", "Editor", "LuaDialog", "LuaSignal", "PBD", "Session", "Temporal" },
}

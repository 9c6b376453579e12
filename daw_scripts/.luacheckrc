-- REAPER 6 embeds Lua 5.3, REAPER 7 embeds 5.4; `reaper` is what it adds.
std = "lua53"
read_globals = { "reaper" }
max_line_length = 150
files["**/stub_main.lua"] = { globals = { "reaper" } }

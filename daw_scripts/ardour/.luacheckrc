-- What Ardour gives a script; `ardour` and `factory` are what it asks of one.
std = "lua53"
max_line_length = 132
globals = { "ardour", "factory", "signals" }
read_globals = { "ARDOUR", "ArdourUI", "C", "Editing", "Editor", "LuaDialog", "LuaSignal", "PBD", "Session", "Temporal" }

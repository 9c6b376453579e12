-- Ends what the selected clips play and what is analysed for them; with nothing selected, or nothing of it playing, all of it.
local here = debug.getinfo(1, "S").source:match("^@(.*[/\\])")
package.path = here .. "?.lua;" .. package.path
require("stembridge.actions").cancel()

-- Puts the notes and stems that were found in the selected clips on new tracks, exactly where the clips play them.
local here = debug.getinfo(1, "S").source:match("^@(.*[/\\])")
package.path = here .. "?.lua;" .. package.path
require("stembridge.actions").import()

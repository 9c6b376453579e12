-- Separates the selected audio and plays its vocals as MIDI, in time with the project.
local here = debug.getinfo(1, "S").source:match("^@(.*[/\\])")
package.path = here .. "?.lua;" .. package.path
require("stembridge.actions").play(here, "vocals")

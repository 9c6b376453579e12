-- Runs in the background: tells StemBridge where the project is, and carries what the other actions ask for and what is answered.
-- They start it when they need it; started by hand it does the same. Run it again to end it.
local here = debug.getinfo(1, "S").source:match("^@(.*[/\\])")
package.path = here .. "?.lua;" .. package.path
require("stembridge.background").run(here)

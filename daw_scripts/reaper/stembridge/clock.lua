-- Where the project is, thirty times a second: `/bridge/clock/observe`.

local settings = require("stembridge.settings")
local tempo = require("stembridge.tempo")
local text = require("stembridge.text")

local clock = {}

local PLAYING, PAUSED, RECORDING = 1, 2, 4

-- The project's second, and whether it rolls.
function clock.position()
  local state = reaper.GetPlayState()
  if state & PAUSED ~= 0 then
    return reaper.GetPlayPosition(), false
  elseif state & (PLAYING | RECORDING) ~= 0 then
    return settings.get("position") == "heard" and reaper.GetPlayPosition() or reaper.GetPlayPosition2(), true
  end
  return reaper.GetCursorPosition(), false
end

-- The arguments of one observation.
function clock.observation()
  local seconds, rolls = clock.position()
  local speed = tempo.speed()
  local loop_from, loop_to = reaper.GetSet_LoopTimeRange(false, true, 0, 0, false)
  local loops = reaper.GetSetRepeat(-1) == 1 and loop_to > loop_from
  return {
    -- StemBridge's seconds are those of the wall's clock; where REAPER plays faster or slower, beats alone say where it is.
    speed == 1 and seconds + 0.0 or text.NIL,
    tempo.quarters(seconds) + 0.0,
    tempo.bpm(seconds) * speed,
    rolls,
    loops and tempo.quarters(loop_from) + 0.0 or 0.0,
    loops and tempo.quarters(loop_to) + 0.0 or 0.0,
    loops,
  }
end

return clock

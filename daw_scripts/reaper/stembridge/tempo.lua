-- The project's time as StemBridge counts it: quarter notes, and quarter notes a minute.

local tempo = {}

-- Seconds over which a tempo is taken: REAPER's own tempo call counts eighths where the signature does, and time to quarter notes
-- is right under every signature and on every ramp.
local STEP = 1e-3

function tempo.quarters(seconds)
  return reaper.TimeMap2_timeToQN(0, seconds)
end

-- From this moment on: where a tempo changes, the one that it changes to.
function tempo.bpm(seconds)
  return (tempo.quarters(seconds + STEP) - tempo.quarters(seconds)) / STEP * 60
end

-- Project seconds that pass in one second of the clock on the wall: the transport's play rate.
function tempo.speed()
  return reaper.Master_GetPlayRate(0)
end

-- Whether the tempo is another one somewhere between two places.
function tempo.changes(from, to)
  local first = tempo.bpm(from)
  local at = from
  while true do
    local following = reaper.TimeMap2_GetNextChangeTime(0, at)
    if following < 0 or following >= to or following <= at then
      break
    end
    if math.abs(tempo.bpm(following) - first) > 1e-3 then
      return true
    end
    at = following
  end
  return math.abs(tempo.bpm(to - 2 * STEP) - first) > 1e-3
end

return tempo

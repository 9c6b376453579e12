-- The project's tempo changes as a MIDI file for `/bridge/clock/map`: StemBridge then knows also those that were not heard yet, so
-- that a clip lies right wherever playback starts.

local tempo = require("stembridge.tempo")

local tempo_map = {}
tempo_map.__index = tempo_map

local TICKS = 960
-- Seconds of a ramp, or of whatever REAPER does between two markers, that one steady tempo stands for.
local RAMP_STEP = 0.25
local MOST_STEPS = 4096

-- Places where the tempo is to be looked at: every marker, and every bit of what begins as a ramp there.
local function places()
  local markers = {}
  for index = 0, reaper.CountTempoTimeSigMarkers(0) - 1 do
    local _, seconds, _, _, _, _, _, ramps = reaper.GetTempoTimeSigMarker(0, index)
    markers[#markers + 1] = { seconds = seconds, ramps = ramps }
  end
  local found = { 0.0 }
  for index, marker in ipairs(markers) do
    if marker.seconds > found[#found] then
      found[#found + 1] = marker.seconds
    end
    local following = markers[index + 1]
    if marker.ramps and following then
      local steps = math.ceil((following.seconds - marker.seconds) / RAMP_STEP)
      for step = 1, math.min(steps, MOST_STEPS) - 1 do
        found[#found + 1] = marker.seconds + (following.seconds - marker.seconds) * step / steps
      end
    end
  end
  return found
end

-- The signature that holds from a place on, as MIDI files write it: the denominator as a power of two.
local function signature(seconds)
  local numerator, denominator = reaper.TimeMap_GetTimeSigAtTime(0, seconds)
  local power = 0
  while 2 ^ power < denominator do
    power = power + 1
  end
  return string.char(numerator, power, 24, 8)
end

-- Ticks, microseconds a quarter and signature, from one place to the next as long as the project takes for it.
local function steps()
  local speed = tempo.speed()
  local seconds = places()
  local found = {}
  for index, from in ipairs(seconds) do
    local to = seconds[index + 1]
    local quarter = 60 / tempo.bpm(from)
    if to then
      quarter = (to - from) / (tempo.quarters(to) - tempo.quarters(from))
    end
    found[index] = {
      tick = math.floor(tempo.quarters(from) * TICKS + 0.5),
      micros = math.floor(quarter / speed * 1e6 + 0.5),
      signature = signature(from),
    }
  end
  return found
end

-- A number as MIDI files keep lengths: seven bits a byte, all but the last marked.
local function variable(number)
  local bytes = string.char(number & 0x7F)
  while number > 0x7F do
    number = number >> 7
    bytes = string.char(number & 0x7F | 0x80) .. bytes
  end
  return bytes
end

-- The whole file.
function tempo_map.bytes()
  local events, last, written = {}, 0, nil
  for _, step in ipairs(steps()) do
    events[#events + 1] = variable(step.tick - last) .. "\xFF\x51\x03" .. string.pack(">I3", math.min(step.micros, 0xFFFFFF))
    if step.signature ~= written then
      events[#events + 1] = "\0\xFF\x58\x04" .. step.signature
      written = step.signature
    end
    last = step.tick
  end
  local track = table.concat(events) .. "\0\xFF\x2F\0"
  return string.pack(">c4I4I2I2I2", "MThd", 6, 0, 1, TICKS) .. string.pack(">c4s4", "MTrk", track)
end

function tempo_map.new(send, path)
  return setmetatable({ send = send, path = path, written = nil, state = nil }, tempo_map)
end

-- Sends the map where it has changed; cheap where the project has not.
function tempo_map:refresh()
  local state = string.format("%d %g %s", reaper.GetProjectStateChangeCount(0), tempo.speed(), tostring(reaper.EnumProjects(-1, "")))
  if state == self.state then
    return
  end
  self.state = state
  local bytes = tempo_map.bytes()
  if bytes == self.written then
    return
  end
  local file = io.open(self.path, "wb")
  if not file then
    return -- A folder that cannot be written to: tempi are learnt as they are heard.
  end
  file:write(bytes)
  file:close()
  self.written = bytes
  self.send("/bridge/clock/map", self.path)
end

-- Has it sent once more: StemBridge may have been started anew since.
function tempo_map:again()
  self.state, self.written = nil, nil
end

-- Takes back what only this project is right for.
function tempo_map:close()
  if self.written then
    self.send("/bridge/clock/map")
    os.remove(self.path)
  end
end

return tempo_map

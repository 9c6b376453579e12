-- The notes of a MIDI file in seconds. InsertMedia would bring the file's tempo into the project instead of its notes to their place.

local midi_file = {}

local NOTE_OFF, NOTE_ON, PROGRAM, PRESSURE = 0x80, 0x90, 0xC0, 0xD0
local META, TEMPO = 0xFF, 0x51
local UNSAID = 500000 -- Microseconds a quarter before the file says anything.

local function variable(data, at)
  local number = 0
  while true do
    local byte = data:byte(at)
    at = at + 1
    number = number << 7 | byte & 0x7F
    if byte < 0x80 then
      return number, at
    end
  end
end

-- All tempi and notes of one track at their ticks, added to what there is.
local function read_track(data, tempi, events)
  local at, tick, status = 1, 0, 0
  while at <= #data do
    local delta
    delta, at = variable(data, at)
    tick = tick + delta
    if data:byte(at) >= 0x80 then
      status = data:byte(at)
      at = at + 1
    end
    if status >= 0xF0 then
      local kind
      if status == META then
        kind = data:byte(at)
        at = at + 1
      end
      local length
      length, at = variable(data, at)
      if kind == TEMPO then
        tempi[#tempi + 1] = { tick = tick, micros = (string.unpack(">I3", data, at)) }
      end
      at = at + length
    else
      local kind = status & 0xF0
      if kind == NOTE_ON or kind == NOTE_OFF then
        local pitch, velocity = data:byte(at, at + 1)
        local on = kind == NOTE_ON and velocity > 0
        events[#events + 1] = { tick = tick, on = on, pitch = pitch, velocity = velocity, channel = status & 0x0F }
      end
      at = at + ((kind == PROGRAM or kind == PRESSURE) and 1 or 2)
    end
  end
end

-- A function from ticks to seconds.
local function timeline(tempi, ticks_per_quarter)
  table.sort(tempi, function(a, b) return a.tick < b.tick end)
  return function(tick)
    local seconds, last, micros = 0.0, 0, UNSAID
    for _, change in ipairs(tempi) do
      if change.tick >= tick then
        break
      end
      seconds = seconds + (change.tick - last) * micros / ticks_per_quarter / 1e6
      last, micros = change.tick, change.micros
    end
    return seconds + (tick - last) * micros / ticks_per_quarter / 1e6
  end
end

-- Notes in order of onset, each with `onset`, `stop`, `pitch`, `velocity` and `channel` (0 to 15); nil and why where there is no such file.
function midi_file.notes(path)
  local file, reason = io.open(path, "rb")
  if not file then
    return nil, "the MIDI file cannot be read: " .. tostring(reason)
  end
  local data = file:read("a")
  file:close()
  if data:sub(1, 4) ~= "MThd" or #data < 14 then
    return nil, path .. " is not a MIDI file"
  end
  local tempi, notes = {}, {}
  local tracks = {}
  local header, division = string.unpack(">I4", data, 5), string.unpack(">I2", data, 13)
  local at = 9 + header
  while at + 8 <= #data do
    local length = string.unpack(">I4", data, at + 4)
    local events = {}
    if data:sub(at, at + 3) == "MTrk" then
      read_track(data:sub(at + 8, at + 7 + length), tempi, events)
    end
    tracks[#tracks + 1] = events
    at = at + 8 + length
  end
  local seconds = timeline(tempi, division)
  for _, events in ipairs(tracks) do
    local open = {}
    for _, event in ipairs(events) do
      local key = event.channel * 128 + event.pitch
      if open[key] then
        open[key].stop = seconds(event.tick)
        open[key] = nil
      end
      if event.on then
        local note = { onset = seconds(event.tick), pitch = event.pitch, velocity = event.velocity, channel = event.channel }
        notes[#notes + 1], open[key] = note, note
      end
    end
  end
  for index = #notes, 1, -1 do
    if not notes[index].stop then
      table.remove(notes, index)
    end
  end
  table.sort(notes, function(a, b) return a.onset < b.onset or (a.onset == b.onset and a.pitch < b.pitch) end)
  return notes
end

return midi_file

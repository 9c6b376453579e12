-- What is selected, as pieces that one job each can play: a file, a start and an end in it, a place in the project, a rate.

local source = require("stembridge.source")
local tempo = require("stembridge.tempo")

local clips = {}

-- Seconds; shorter bits of a clip hold no note that anybody hears.
local SHORTEST = 0.01
-- Passes of a looped clip. Each is a job, as each lies at its own place.
local MOST_PASSES = 64
-- What StemBridge takes.
local SLOWEST, FASTEST = 0.05, 20.0
local LOWEST_BPM, HIGHEST_BPM = 20, 999
-- Channel modes of a take from here on play some channels of the file only.
local FIRST_OF_SOME_CHANNELS = 3

function clips.guid(item)
  local _, guid = reaper.GetSetMediaItemInfo_String(item, "GUID", "", false)
  return guid
end

local function name_of(item, take)
  local name = take and reaper.GetTakeName(take) or ""
  name = name == "" and "The item" or '"' .. name .. '"'
  return name .. " at " .. reaper.format_timestr_pos(reaper.GetMediaItemInfo_Value(item, "D_POSITION"), "", -1)
end

-- Semitones by which the clip sounds above its file.
local function transposition(take, rate)
  local semitones = reaper.GetMediaItemTakeInfo_Value(take, "D_PITCH")
  if reaper.GetMediaItemTakeInfo_Value(take, "B_PPITCH") == 0 then
    semitones = semitones + 12 * math.log(rate, 2)
  end
  return math.floor(semitones + 0.5)
end

-- Why the take cannot be told as a file at one rate, or nil.
local function inexpressible(item, take, from, channels, rate)
  if reaper.GetTakeNumStretchMarkers(take) > 0 then
    return "has stretch markers, so that it plays at more than one rate; glue it first"
  end
  if rate < SLOWEST or rate > FASTEST then
    return string.format("plays at rate %g; StemBridge takes %g to %g", rate, SLOWEST, FASTEST)
  end
  local stretches = reaper.GetMediaItemInfo_Value(item, "C_BEATATTACHMODE") == 1
    and reaper.GetMediaItemInfo_Value(item, "C_AUTOSTRETCH") == 1
  if stretches and tempo.changes(from, from + reaper.GetMediaItemInfo_Value(item, "D_LENGTH")) then
    return "stretches with the tempo, which changes inside it, so that it plays at more than one rate; glue it first"
  end
  if channels > 1 and reaper.GetMediaItemTakeInfo_Value(take, "I_CHANMODE") >= FIRST_OF_SOME_CHANNELS then
    return string.format(
      "plays only some of the %d channels of its file, and StemBridge hears them all; glue it first, or set its channel mode to normal",
      channels
    )
  end
  return nil
end

-- The stretches of the take's own seconds between `first` and `last` that hold sound, each with the second at which its pass begins.
local function passes(file, first, last, looped)
  if not looped then
    return { { from = math.max(first, 0.0), to = math.min(last, file.audible), origin = 0.0 } }
  end
  local found = {}
  for pass = math.floor(first / file.cycle), math.ceil(last / file.cycle) - 1 do
    local origin = pass * file.cycle
    found[#found + 1] = { from = math.max(first, origin), to = math.min(last, origin + file.audible), origin = origin }
  end
  return found
end

-- Where a second of the take lies in the project; the other way round it is `offset + (seconds - position) * rate`.
function clips.placement(item, take)
  local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
  local offset = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
  local rate = reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
  return {
    position = position,
    stop = position + reaper.GetMediaItemInfo_Value(item, "D_LENGTH"),
    rate = rate,
    project_of = function(second) return position + (second - offset) / rate end,
    take_of = function(seconds) return offset + (seconds - position) * rate end,
  }
end

-- The pieces of an item between two places of the project, or nil and why there are none.
function clips.pieces(item, from, to)
  local take = reaper.GetActiveTake(item)
  if not take then
    return nil, "is an empty item; select audio"
  end
  if reaper.TakeIsMIDI(take) then
    return nil, "is MIDI already; select audio"
  end
  local file, reason = source.of(take)
  if not file then
    return nil, reason
  end
  local place = clips.placement(item, take)
  reason = inexpressible(item, take, place.position, file.channels, place.rate)
  if reason then
    return nil, reason
  end
  local looped = reaper.GetMediaItemInfo_Value(item, "B_LOOPSRC") == 1
  local first = place.take_of(math.max(place.position, from))
  local last = place.take_of(math.min(place.stop, to))
  if looped and (last - first) / file.cycle > MOST_PASSES then
    return nil, string.format("repeats its source more than %d times; select less of it, or glue it first", MOST_PASSES)
  end
  local guid = clips.guid(item)
  local pieces = {}
  for _, pass in ipairs(passes(file, first, last, looped)) do
    if pass.to - pass.from >= SHORTEST then
      local begin = place.project_of(pass.from)
      -- The clip's own tempo, if it is in time here: a clip at double rate was played at half the project's tempo.
      local bpm = tempo.bpm(begin) / place.rate
      pieces[#pieces + 1] = {
        guid = guid,
        path = file.path,
        start = file.offset + pass.from - pass.origin,
        stop = file.offset + pass.to - pass.origin,
        at = tempo.quarters(begin),
        -- StemBridge counts seconds of the wall's clock, in which the transport may hurry.
        rate = place.rate * tempo.speed(),
        bpm = math.min(math.max(bpm, LOWEST_BPM), HIGHEST_BPM),
        transpose = transposition(take, place.rate),
        second = pass.from,
      }
    end
  end
  if #pieces == 0 then
    return nil, "plays no sound there: its file has ended, or not begun"
  end
  return pieces
end

-- The selected items; without one, those of the selected tracks that the time selection touches.
function clips.selected()
  local items = {}
  for index = 0, reaper.CountSelectedMediaItems(0) - 1 do
    items[#items + 1] = reaper.GetSelectedMediaItem(0, index)
  end
  local from, to = reaper.GetSet_LoopTimeRange(false, false, 0, 0, false)
  if #items > 0 or to <= from then
    return items, from, to
  end
  for index = 0, reaper.CountSelectedTracks(0) - 1 do
    local track = reaper.GetSelectedTrack(0, index)
    for number = 0, reaper.CountTrackMediaItems(track) - 1 do
      items[#items + 1] = reaper.GetTrackMediaItem(track, number)
    end
  end
  return items, from, to
end

-- The pieces of all that is selected and, in words, what cannot be played. A time selection that touches any of it cuts it; one
-- that lies elsewhere was made for something else.
function clips.gather()
  local items, from, to = clips.selected()
  local touched = {}
  for _, item in ipairs(items) do
    local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
    if position < to and position + reaper.GetMediaItemInfo_Value(item, "D_LENGTH") > from then
      touched[#touched + 1] = item
    end
  end
  if to <= from or #touched == 0 then
    from, to, touched = -math.huge, math.huge, items
  end
  local pieces, refusals = {}, {}
  for _, item in ipairs(touched) do
    local found, reason = clips.pieces(item, from, to)
    for _, piece in ipairs(found or {}) do
      pieces[#pieces + 1] = piece
    end
    if reason then
      refusals[#refusals + 1] = name_of(item, reaper.GetActiveTake(item)) .. " " .. reason .. "."
    end
  end
  if #items == 0 then
    refusals[1] = "Nothing is selected. Select an audio item, or a track and a time selection."
  end
  return pieces, refusals
end

return clips

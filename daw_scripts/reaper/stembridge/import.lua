-- Notes and stems of the selected items on new tracks, where the items play them now: moved, trimmed and stretched as they may be.

local clips = require("stembridge.clips")
local mailbox = require("stembridge.mailbox")
local midi_file = require("stembridge.midi_file")

local import = {}

-- What a stem's item has from the item that it was found in.
local FROM_ITEM = { "D_VOL", "C_BEATATTACHMODE" }
local FROM_TAKE = { "D_VOL", "D_PITCH", "B_PPITCH", "I_PITCHMODE", "I_CHANMODE" }

-- Order of the tracks, and their names.
local STEMS = { "vocals", "bass", "drums", "other" }

-- Where a result lies in the project, cut by its item's borders; nil where the item no longer plays any of it.
local function extent(place, result)
  local begin = place.project_of(result.second)
  local from = math.max(begin, place.position)
  local to = math.min(place.project_of(result.second + result.seconds), place.stop)
  if to <= from then
    return nil
  end
  return { begin = begin, from = from, to = to, rate = place.rate }
end

local function insert_notes(track, where, result, name)
  local notes, reason = midi_file.notes(result.midi_path)
  if not notes then
    return reason
  end
  local item = reaper.CreateNewMIDIItemInProj(track, where.from, where.to, false)
  local take = reaper.GetActiveTake(item)
  reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", name, true)
  for _, note in ipairs(notes) do
    local onset, stop = where.begin + note.onset / where.rate, where.begin + note.stop / where.rate
    local pitch = note.pitch + (result.stem == "drums" and 0 or result.transpose)
    if onset >= where.from - 1e-6 and onset < where.to and pitch >= 0 and pitch <= 127 then
      -- Ticks of the item run through the project's tempo changes; seconds say where each note lies.
      local first = reaper.MIDI_GetPPQPosFromProjTime(take, onset)
      local last = reaper.MIDI_GetPPQPosFromProjTime(take, math.min(stop, where.to))
      reaper.MIDI_InsertNote(take, false, false, first, last, note.channel, pitch, note.velocity, true)
    end
  end
  reaper.MIDI_Sort(take)
  return nil
end

local function insert_stem(track, where, result, name, item, take)
  local audio = reaper.file_exists(result.stem_path) and reaper.PCM_Source_CreateFromFile(result.stem_path)
  if not audio then
    return "the stem cannot be read: " .. result.stem_path
  end
  local new_item = reaper.AddMediaItemToTrack(track)
  local new_take = reaper.AddTakeToMediaItem(new_item)
  reaper.SetMediaItemTake_Source(new_take, audio)
  reaper.GetSetMediaItemTakeInfo_String(new_take, "P_NAME", name, true)
  reaper.SetMediaItemInfo_Value(new_item, "D_POSITION", where.from)
  reaper.SetMediaItemInfo_Value(new_item, "D_LENGTH", where.to - where.from)
  reaper.SetMediaItemInfo_Value(new_item, "B_LOOPSRC", 0)
  for _, field in ipairs(FROM_ITEM) do
    reaper.SetMediaItemInfo_Value(new_item, field, reaper.GetMediaItemInfo_Value(item, field))
  end
  for _, field in ipairs(FROM_TAKE) do
    reaper.SetMediaItemTakeInfo_Value(new_take, field, reaper.GetMediaItemTakeInfo_Value(take, field))
  end
  reaper.SetMediaItemTakeInfo_Value(new_take, "D_PLAYRATE", where.rate)
  reaper.SetMediaItemTakeInfo_Value(new_take, "D_STARTOFFS", (where.from - where.begin) * where.rate)
  return nil
end

-- A new track below all of the selected items'.
local function add_track(below, name)
  reaper.InsertTrackAtIndex(below, true)
  local track = reaper.GetTrack(0, below)
  reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name, true)
  return track
end

-- What is to be imported, stem by stem, and the number of the track below which it goes; nil where there is nothing.
function import.collect(items)
  local found, below = {}, 0
  for _, item in ipairs(items) do
    local take = reaper.GetActiveTake(item)
    local track = reaper.GetMediaItem_Track(item)
    below = math.max(below, math.tointeger(reaper.GetMediaTrackInfo_Value(track, "IP_TRACKNUMBER")) or 0)
    if take and not reaper.TakeIsMIDI(take) then
      local place = clips.placement(item, take)
      for _, result in ipairs(mailbox.results(clips.guid(item))) do
        local where = extent(place, result)
        if where then
          found[result.stem] = found[result.stem] or {}
          table.insert(found[result.stem], { item = item, take = take, where = where, result = result })
        end
      end
    end
  end
  if next(found) == nil then
    return nil
  end
  return found, below
end

-- Imports what was collected; returns what could not be read.
function import.insert(found, below)
  local failures = {}
  for _, stem in ipairs(STEMS) do
    local results = found[stem]
    if results then
      local notes_track = add_track(below, stem .. " (notes)")
      local stem_track = add_track(below + 1, stem .. " (stem)")
      below = below + 2
      for _, each in ipairs(results) do
        local name = reaper.GetTakeName(each.take) .. " " .. stem
        failures[#failures + 1] = insert_notes(notes_track, each.where, each.result, name)
        failures[#failures + 1] = insert_stem(stem_track, each.where, each.result, name, each.item, each.take)
      end
    end
  end
  return failures
end

return import

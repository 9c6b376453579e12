-- The part of REAPER's API that exists for tests. What is not here does not exist: calling it is an error, as is an attribute that
-- REAPER does not know, or a handle of the wrong kind. Argument order and results are those of REAPER's own documentation.

local project = ...
local expect = project.expect

local api = {}
local stage = { now = 100.0, deferred = {}, exits = {}, boxes = {}, console = {}, ext = {}, commands = {}, toggles = {}, undo = {}, refresh = 0 }
stage.project = "userdata: 0x1"

local function value_of(handle, name)
  local value = handle.values[name]
  if value == nil then
    error("REAPER knows no attribute " .. tostring(name) .. " of a " .. handle.kind, 3)
  end
  return value
end

local function set_value(handle, name, value)
  value_of(handle, name)
  assert(type(value) == "number", name)
  handle.values[name] = value + 0.0
  project.changes = project.changes + 1
  return true
end

local function whole(number)
  assert(math.type(number) == "integer", "REAPER expects an integer here")
  return number
end

local function name_of(handle, name, value, set)
  assert(name == "P_NAME")
  if set then
    handle.name = value
  end
  return true, handle.name
end

-- Selection and structure
local function selected(item) return item.selected end
function api.CountSelectedMediaItems(_) return #project.items(selected) end
function api.GetSelectedMediaItem(_, index) return project.items(selected)[whole(index) + 1] end
local function selected_tracks()
  local found = {}
  for _, track in ipairs(project.tracks) do
    found[#found + 1] = track.selected and track or nil
  end
  return found
end
function api.CountSelectedTracks(_) return #selected_tracks() end
function api.GetSelectedTrack(_, index) return selected_tracks()[whole(index) + 1] end
function api.CountTrackMediaItems(track) return #expect(track, "track").items end
function api.GetTrackMediaItem(track, index) return expect(track, "track").items[whole(index) + 1] end
function api.GetTrack(_, index) return project.tracks[whole(index) + 1] end
function api.GetMediaItem_Track(item) return expect(item, "item").track end
function api.GetActiveTake(item) return expect(item, "item").take end
function api.TakeIsMIDI(take) return expect(take, "take").midi or false end
function api.GetTakeName(take) return expect(take, "take").name end
function api.GetTakeNumStretchMarkers(take) return expect(take, "take").markers end

-- Attributes
function api.GetMediaItemInfo_Value(item, name) return value_of(expect(item, "item"), name) end
function api.SetMediaItemInfo_Value(item, name, value) return set_value(expect(item, "item"), name, value) end
function api.GetMediaItemTakeInfo_Value(take, name) return value_of(expect(take, "take"), name) end
function api.SetMediaItemTakeInfo_Value(take, name, value) return set_value(expect(take, "take"), name, value) end
function api.GetMediaTrackInfo_Value(track, name) return value_of(expect(track, "track"), name) end
function api.GetSetMediaTrackInfo_String(track, name, value, set) return name_of(expect(track, "track"), name, value, set) end
function api.GetSetMediaItemTakeInfo_String(take, name, value, set) return name_of(expect(take, "take"), name, value, set) end
function api.GetSetMediaItemInfo_String(item, name, _, set)
  assert(name == "GUID" and not set)
  return true, expect(item, "item").guid
end

-- Sources
function api.GetMediaItemTake_Source(take) return expect(take, "take").source end
function api.SetMediaItemTake_Source(take, source)
  expect(take, "take").source = expect(source, "source")
  return true
end
function api.GetMediaSourceParent(source) return expect(source, "source").parent end
function api.GetMediaSourceType(source, _) return expect(source, "source").type end
function api.GetMediaSourceFileName(source, _) return expect(source, "source").path end
function api.GetMediaSourceNumChannels(source) return expect(source, "source").channels end
function api.GetMediaSourceLength(source) return expect(source, "source").length, source.quarters or false end
function api.PCM_Source_GetSectionInfo(source)
  if not expect(source, "source").parent then
    return false, 0.0, 0.0, false
  end
  return true, source.offset or 0.0, source.length, source.reversed or false
end
function api.PCM_Source_CreateFromFile(path)
  return project.new_source({ path = path, length = 1.0 })
end
function api.file_exists(path)
  local file = io.open(path, "rb")
  return file ~= nil and file:close() or false
end

-- What import makes
function api.InsertTrackAtIndex(index, defaults)
  assert(type(defaults) == "boolean")
  project.new_track(whole(index) + 1)
end
function api.AddMediaItemToTrack(track) return project.new_item(expect(track, "track")) end
function api.AddTakeToMediaItem(item) return project.new_take(expect(item, "item")) end
function api.CreateNewMIDIItemInProj(track, from, to, in_quarters)
  assert(in_quarters == false and to > from)
  local item = project.new_item(expect(track, "track"))
  item.values.D_POSITION, item.values.D_LENGTH = from, to - from
  project.new_take(item).midi = true
  return item
end
local TICKS = 960
function api.MIDI_GetPPQPosFromProjTime(take, seconds)
  local from = expect(take, "take").item.values.D_POSITION
  return (project.quarters(seconds) - project.quarters(from)) * TICKS
end
function api.MIDI_InsertNote(take, chosen, muted, from, to, channel, pitch, velocity, unsorted)
  assert(expect(take, "take").midi and chosen == false and muted == false and unsorted == true and to > from)
  assert(whole(channel) < 16 and whole(pitch) < 128 and whole(velocity) < 128)
  table.insert(take.notes, { from / TICKS, to / TICKS, channel, pitch, velocity })
  return true
end
function api.MIDI_Sort(take) expect(take, "take").sorted = true end
function api.Undo_BeginBlock() table.insert(stage.undo, "begin") end
function api.Undo_EndBlock(name, flags)
  assert(flags == -1)
  table.insert(stage.undo, name)
end
function api.PreventUIRefresh(by) stage.refresh = stage.refresh + by end
function api.TrackList_AdjustWindows(minor) assert(type(minor) == "boolean") end
function api.UpdateArrange() end

-- Time
function api.TimeMap2_timeToQN(_, seconds) return project.quarters(seconds) end
function api.TimeMap2_GetNextChangeTime(_, seconds)
  for _, marker in ipairs(project.markers) do
    if marker.seconds > seconds then
      return marker.seconds
    end
  end
  return -1.0
end
function api.CountTempoTimeSigMarkers(_) return #project.markers end
function api.GetTempoTimeSigMarker(_, index)
  local marker = project.markers[whole(index) + 1]
  return true, marker.seconds, 0, 0.0, marker.bpm * project.signature_denominator / 4, 0, 0, marker.ramps or false
end
function api.TimeMap_GetTimeSigAtTime(_, seconds)
  local numerator, denominator, bpm = 4, project.signature_denominator, project.bpm
  for _, marker in ipairs(project.markers) do
    if marker.seconds <= seconds then
      numerator, denominator, bpm = marker.numerator or numerator, marker.denominator or denominator, marker.bpm
    end
  end
  return numerator, denominator, bpm
end
function api.Master_GetPlayRate(_) return project.play_rate end
function api.GetPlayState() return project.state end
function api.GetPlayPosition() return project.position - 0.02 end
function api.GetPlayPosition2() return project.position end
function api.GetCursorPosition() return project.cursor end
function api.GetSetRepeat(set)
  assert(set == -1)
  return project.repeats
end
function api.GetSet_LoopTimeRange(set, loop, _, _, seek)
  assert(set == false and seek == false)
  return table.unpack(loop and project.loop or project.time_selection)
end
function api.format_timestr_pos(seconds, _, mode)
  assert(mode == -1)
  return string.format("%d:%06.3f", math.floor(seconds / 60), seconds % 60)
end
function api.GetProjectStateChangeCount(_) return project.changes end
function api.EnumProjects(index, _)
  assert(index == -1)
  return stage.project, "song.rpp"
end
function api.time_precise() return stage.now end

-- The program around
function api.ShowMessageBox(words, title, kind)
  assert(type(words) == "string" and type(title) == "string" and kind == 0)
  table.insert(stage.boxes, words)
  return 1
end
function api.ShowConsoleMsg(words) table.insert(stage.console, words) end
function api.GetExtState(section, key) return stage.ext[section .. "/" .. key] or "" end
function api.SetExtState(section, key, value, persist)
  assert(type(value) == "string" and persist == false)
  stage.ext[section .. "/" .. key] = value
end
function api.GetResourcePath() return stage.resources end
function api.get_action_context() return true, stage.script, 0, 40000 end
function api.SetToggleCommandState(_, command, state) stage.toggles[command] = state end
function api.RefreshToolbar2(_, _) end
function api.AddRemoveReaScript(add, section, path, commit)
  assert(add == true and section == 0 and commit == true)
  if not api.file_exists(path) then
    return 0
  end
  table.insert(stage.commands, path)
  return 50000 + #stage.commands
end
function api.Main_OnCommand(command, flag)
  assert(flag == 0)
  if command == 40047 then
    stage.peaks = true
    return
  end
  stage.run(assert(stage.commands[command - 50000], "there is no such command"))
end
function api.defer(deferred)
  assert(type(deferred) == "function")
  table.insert(stage.deferred, { call = deferred, script = stage.script })
end
function api.atexit(leave)
  stage.exits[stage.script] = leave
end

setmetatable(api, { __index = function(_, name) error("REAPER has no function " .. tostring(name), 2) end })
return api, stage

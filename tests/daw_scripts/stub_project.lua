-- A REAPER project that tests describe: tempo markers, tracks, items, takes, sources. It knows how time becomes quarter notes, and
-- nothing of the scripts.

local project = {}

local HANDLES = { track = true, item = true, take = true, source = true }

-- Fails where a script passes something else than REAPER would take.
function project.expect(handle, kind)
  assert(HANDLES[kind])
  if type(handle) ~= "table" or handle.kind ~= kind then
    error("REAPER expects a " .. kind .. " here, not " .. tostring(handle), 3)
  end
  return handle
end

-- Attributes that REAPER knows of each kind, and what they are at first.
project.ATTRIBUTES = {
  item = {
    D_POSITION = 0.0, D_LENGTH = 1.0, D_VOL = 1.0, B_LOOPSRC = 1.0, B_MUTE = 0.0, C_BEATATTACHMODE = -1.0, C_AUTOSTRETCH = 0.0,
  },
  take = { D_STARTOFFS = 0.0, D_PLAYRATE = 1.0, D_PITCH = 0.0, B_PPITCH = 1.0, D_VOL = 1.0, I_CHANMODE = 0.0, I_PITCHMODE = -1.0 },
  track = { IP_TRACKNUMBER = 1.0 },
}

local function with_attributes(handle)
  handle.values = {}
  for name, value in pairs(project.ATTRIBUTES[handle.kind]) do
    handle.values[name] = value
  end
  return handle
end

local guids = 0

local function guid()
  guids = guids + 1
  return string.format("{00000000-0000-4000-8000-%012X}", guids)
end

function project.new_track(at)
  local track = with_attributes({ kind = "track", name = "", items = {}, selected = false })
  table.insert(project.tracks, at or #project.tracks + 1, track)
  for index, each in ipairs(project.tracks) do
    each.values.IP_TRACKNUMBER = index + 0.0
  end
  return track
end

function project.new_item(track)
  local item = with_attributes({ kind = "item", guid = guid(), track = track, selected = false })
  item.values.B_LOOPSRC = 0.0
  table.insert(track.items, item)
  return item
end

function project.new_take(item)
  item.take = with_attributes({ kind = "take", name = "", item = item, notes = {}, markers = 0 })
  return item.take
end

-- A source: a file, or with `parent` a section of another one.
function project.new_source(fields)
  local source = { kind = "source", type = "WAVE", path = "", length = 0.0, channels = 2 }
  for name, value in pairs(fields) do
    source[name] = value
  end
  if source.parent then
    source.type = "SECTION"
    source.parent = project.new_source(source.parent)
  end
  return source
end

-- Quarter notes at a project second: the markers one after the other, the last one without end.
function project.quarters(seconds)
  local quarters, bpm, from, ramps_to = 0.0, project.bpm, 0.0, nil
  local function gone(until_)
    local length = until_ - from
    if ramps_to then
      local part = length / (ramps_to.seconds - from)
      return length / 60 * (bpm + (ramps_to.bpm - bpm) * part / 2)
    end
    return length * bpm / 60
  end
  for index, marker in ipairs(project.markers) do
    if marker.seconds >= seconds then
      break
    end
    quarters = quarters + gone(marker.seconds)
    from, bpm = marker.seconds, marker.bpm
    ramps_to = marker.ramps and project.markers[index + 1] or nil
  end
  return quarters + gone(seconds)
end

-- Builds a project from a description, as `reaper.py` writes it.
function project.load(description)
  project.bpm = description.bpm or 120
  project.markers = description.markers or {}
  project.signature_denominator = description.signature_denominator or 4
  project.play_rate = description.play_rate or 1.0
  project.time_selection = description.time_selection or { 0.0, 0.0 }
  project.loop = description.loop or { 0.0, 0.0 }
  project.repeats = description.repeats and 1 or 0
  project.state, project.position, project.cursor = 0, 0.0, description.cursor or 0.0
  project.changes = 1
  project.tracks = {}
  for _, track in ipairs(description.tracks) do
    local new = project.new_track()
    new.name, new.selected = track.name or "", track.selected or false
    for _, fields in ipairs(track.items or {}) do
      local item = project.new_item(new)
      item.selected = fields.selected ~= false
      for name, value in pairs(fields.values or {}) do
        assert(item.values[name], name)
        item.values[name] = value + 0.0
      end
      if fields.take then
        local take = project.new_take(item)
        take.name, take.midi, take.markers = fields.take.name or "", fields.take.midi or false, fields.take.markers or 0
        for name, value in pairs(fields.take.values or {}) do
          assert(take.values[name], name)
          take.values[name] = value + 0.0
        end
        take.source = fields.take.source and project.new_source(fields.take.source)
      end
    end
  end
end

function project.items(chosen)
  local found = {}
  for _, track in ipairs(project.tracks) do
    for _, item in ipairs(track.items) do
      if chosen(item) then
        found[#found + 1] = item
      end
    end
  end
  return found
end

return project

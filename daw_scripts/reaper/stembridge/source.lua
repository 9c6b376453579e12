-- Which part of which file a take plays from, or in words why that cannot be said with a file, a start and an end.

local source = {}

-- Source types that hold no audio file of their own.
local NO_AUDIO = {
  RPP_PROJECT = "is a project inside the project; glue or render it first",
  CLICK = "is a click source",
  LTC = "is time code",
}

-- Takes that play a section of a section are walked down to the file: REAPER makes them by "reverse", by "section" in the item's
-- properties, and by gluing in place.
function source.of(take)
  local current = reaper.GetMediaItemTake_Source(take)
  if not current then
    return nil, "has no source"
  end
  local offset, cycle, audible = 0.0, nil, math.huge
  local parent = reaper.GetMediaSourceParent(current)
  while parent do
    local is_section, from, length, reversed = reaper.PCM_Source_GetSectionInfo(current)
    if reversed then
      return nil, "is reversed, and StemBridge reads files forwards; glue it first"
    end
    if is_section then
      if length > 0 then
        cycle = cycle or length
        audible = math.min(audible, length - offset)
      end
      offset = offset + from
    end
    current, parent = parent, reaper.GetMediaSourceParent(parent)
  end
  return source.file(current, offset, cycle, audible)
end

-- The file below: `offset` is where in it the take's second 0 lies, `cycle` how many seconds there are until a looped take begins again,
-- `audible` how many of them hold sound.
function source.file(file, offset, cycle, audible)
  local kind = reaper.GetMediaSourceType(file, "")
  if kind:find("MIDI", 1, true) then
    return nil, "is MIDI already; select audio"
  end
  if NO_AUDIO[kind] then
    return nil, NO_AUDIO[kind]
  end
  local path = reaper.GetMediaSourceFileName(file, "")
  if path == "" then
    return nil, "has no file on the disk (" .. kind .. "); glue or render it first"
  end
  local length, in_quarters = reaper.GetMediaSourceLength(file)
  if kind:find("OFFLINE", 1, true) or not reaper.file_exists(path) or length <= 0 then
    return nil, "is offline: " .. path .. " cannot be read"
  end
  if in_quarters then
    return nil, "is MIDI already; select audio"
  end
  audible = math.min(audible, length - offset)
  if audible <= 0 then
    return nil, "plays a section that lies beyond the end of " .. path
  end
  return {
    path = path,
    channels = reaper.GetMediaSourceNumChannels(file),
    offset = offset,
    cycle = cycle or length,
    audible = audible,
  }
end

return source

-- What a musician may want to change. A value of the same name in REAPER's ExtState, section "StemBridge", wins.

local defaults = {
  -- Where `stembridge run` listens.
  host = "127.0.0.1",
  port = "9123",
  -- The Python 3 that runs sender.py; empty: the system's.
  python = "",
  -- Which position the notes are played at. "processed": what REAPER works on now, right for an instrument inside REAPER, which is
  -- as late as the tracks are. "heard": what leaves the speakers now, right for an instrument with a way of its own to them.
  position = "processed",
}

local settings = { SECTION = "StemBridge" }

function settings.get(name)
  local set = reaper.GetExtState(settings.SECTION, name)
  if set ~= "" then
    return set
  end
  return assert(defaults[name], name .. " is no setting")
end

return settings

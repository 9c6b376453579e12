-- What scripts leave for each other: each action is a program of its own that ends at once, and one in the background speaks to
-- StemBridge for all. ExtState lasts as long as REAPER runs.

local settings = require("stembridge.settings")
local text = require("stembridge.text")

local mailbox = {}

local ASKED, ALIVE, RESULT = "asked", "alive", "result "
-- Seconds after which a background script that says nothing is taken for dead; REAPER stalls for some while it loads.
local SILENCE = 10

local function append(key, line)
  local before = reaper.GetExtState(settings.SECTION, key)
  reaper.SetExtState(settings.SECTION, key, before .. line .. "\n", false)
end

local function read(key)
  local found = {}
  for _, line in ipairs((text.lines(reaper.GetExtState(settings.SECTION, key)))) do
    local address, arguments = text.parse(line)
    found[#found + 1] = { address = address, arguments = arguments }
  end
  return found
end

-- Asks the background script for something.
function mailbox.ask(what, ...)
  append(ASKED, text.line(what, ...))
end

-- All that was asked since.
function mailbox.asked()
  local found = read(ASKED)
  if #found > 0 then
    reaper.SetExtState(settings.SECTION, ASKED, "", false)
  end
  return found
end

-- The background script says that it runs, and that it ends.
function mailbox.alive(running)
  local value = running and string.format("%.3f", reaper.time_precise()):gsub(",", ".") or ""
  reaper.SetExtState(settings.SECTION, ALIVE, value, false)
end

function mailbox.is_alive()
  local said = tonumber(reaper.GetExtState(settings.SECTION, ALIVE))
  return said ~= nil and reaper.time_precise() - said < SILENCE
end

-- What was found in a piece of an item: a MIDI file and a stem, of `seconds` of its source from the take's second `second` on.
function mailbox.add_result(piece, stem, midi_path, stem_path)
  append(
    RESULT .. piece.guid,
    text.line("found", stem, midi_path, stem_path, piece.second + 0.0, piece.stop - piece.start + 0.0, piece.transpose)
  )
end

function mailbox.results(guid)
  local found = {}
  for _, message in ipairs(read(RESULT .. guid)) do
    local stem, midi_path, stem_path, second, seconds, transpose = table.unpack(message.arguments)
    found[#found + 1] = {
      stem = stem,
      midi_path = midi_path,
      stem_path = stem_path,
      second = second,
      seconds = seconds,
      transpose = transpose,
    }
  end
  return found
end

-- An item that is played anew has no results of that stem until they come.
function mailbox.forget_results(guid, stem)
  local kept = ""
  for _, line in ipairs((text.lines(reaper.GetExtState(settings.SECTION, RESULT .. guid)))) do
    local _, arguments = text.parse(line)
    if arguments[1] ~= stem then
      kept = kept .. line .. "\n"
    end
  end
  reaper.SetExtState(settings.SECTION, RESULT .. guid, kept, false)
end

return mailbox

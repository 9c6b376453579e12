-- What each action does when its key is hit. It looks at the selection, leaves its wish for the background script, and ends.

local clips = require("stembridge.clips")
local import = require("stembridge.import")
local mailbox = require("stembridge.mailbox")

local actions = {}

local BUILD_MISSING_PEAKS = 40047
local BACKGROUND = "StemBridge - Follow transport (background).lua"

local function box(words)
  reaper.ShowMessageBox(words, "StemBridge", 0)
end

-- A script that changes nothing in the project leaves no step in its undo history if it ends deferred.
local function no_undo()
  reaper.defer(function() end)
end

-- Starts the background script unless it runs; false, having said so, where it cannot be.
local function wake(here)
  if mailbox.is_alive() then
    return true
  end
  local command = reaper.AddRemoveReaScript(true, 0, here .. BACKGROUND, true)
  if command == 0 then
    box('The action "' .. BACKGROUND .. '" is missing from ' .. here .. ". Load it in REAPER's action list.")
    return false
  end
  reaper.Main_OnCommand(command, 0)
  return true
end

function actions.play(here, stem)
  no_undo()
  local pieces, refusals = clips.gather()
  if #pieces > 0 and wake(here) then
    local replaced = {}
    for _, piece in ipairs(pieces) do
      if not replaced[piece.guid] then
        replaced[piece.guid] = true
        mailbox.ask("replace", piece.guid, stem)
      end
    end
    for _, piece in ipairs(pieces) do
      mailbox.ask(
        "play", stem, piece.guid, piece.path, piece.start + 0.0, piece.stop + 0.0, piece.at + 0.0, piece.rate + 0.0, piece.bpm + 0.0,
        piece.transpose, piece.second + 0.0
      )
    end
  end
  if #refusals > 0 then
    box(table.concat(refusals, "\n\n"))
  end
end

function actions.cancel()
  no_undo()
  local guids = {}
  for _, item in ipairs((clips.selected())) do
    guids[#guids + 1] = clips.guid(item)
  end
  if mailbox.is_alive() then
    mailbox.ask("cancel", table.unpack(guids))
  end
end

function actions.import()
  local items = clips.selected()
  if #items == 0 then
    no_undo()
    box("Nothing is selected. Select the clips whose notes and stems you want.")
    return
  end
  local found, below = import.collect(items)
  if not found then
    no_undo()
    box("Nothing has been found in the selected clips yet: play a stem of them first, and wait until its analysis is complete.")
    return
  end
  reaper.Undo_BeginBlock()
  reaper.PreventUIRefresh(1)
  local failures = import.insert(found, below)
  reaper.PreventUIRefresh(-1)
  reaper.TrackList_AdjustWindows(false)
  reaper.UpdateArrange()
  reaper.Main_OnCommand(BUILD_MISSING_PEAKS, 0)
  reaper.Undo_EndBlock("StemBridge: import result", -1)
  if #failures > 0 then
    box(table.concat(failures, "\n\n"))
  end
end

return actions

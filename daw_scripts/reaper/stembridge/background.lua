-- The one script that keeps running: feeds the clock, sends what the actions ask for, tells the musician what went wrong.

local clock = require("stembridge.clock")
local jobs = require("stembridge.jobs")
local link = require("stembridge.link")
local mailbox = require("stembridge.mailbox")
local tempo_map = require("stembridge.tempo_map")

local background = {}

-- Seconds; REAPER calls deferred functions some thirty times a second, or more often.
local OBSERVE_EVERY = 1 / 30
-- By which a call may come early and still count.
local EARLY = 0.005

-- Seconds in which the same words are said once: what ails one pass of a loop ails them all.
local SAME = 5

local said, said_at = "", -math.huge

-- A box stops this script until it is closed, and with it the clock: while the project rolls, words go to the console instead.
local function tell(words)
  local now = reaper.time_precise()
  if words == said and now - said_at < SAME then
    return
  end
  said, said_at = words, now
  if reaper.GetPlayState() == 0 then
    reaper.ShowMessageBox(words, "StemBridge", 0)
  else
    reaper.ShowConsoleMsg("StemBridge: " .. words .. "\n")
  end
end

local function take_orders(book, map)
  for _, order in ipairs(mailbox.asked()) do
    if order.address == "play" then
      map:again()
      book:play(order.arguments)
    elseif order.address == "replace" then
      book:replace(order.arguments[1], order.arguments[2])
    elseif order.address == "cancel" then
      book:cancel(order.arguments)
    end
  end
end

-- Lights the action's button while it runs.
local function light(on)
  local _, _, section, command = reaper.get_action_context()
  reaper.SetToggleCommandState(section, command, on and 1 or 0)
  reaper.RefreshToolbar2(section, command)
end

function background.run(here)
  local way, reason = link.open(here)
  if not way then
    reaper.ShowMessageBox(reason, "StemBridge", 0)
    return
  end
  local function send(address, ...)
    way:send(address, ...)
  end
  local book = jobs.new(send, tell)
  local map = tempo_map.new(send, way.answers:gsub("%.txt$", ".mid"))
  local observed = -math.huge
  local project = reaper.EnumProjects(-1, "")

  local function turn()
    mailbox.alive(true)
    local trouble = way:trouble()
    if trouble then
      tell(trouble)
      return -- Without a deferred call the script ends.
    end
    local current = reaper.EnumProjects(-1, "")
    if current ~= project then
      -- Another tab: its transport would play the notes of a song that is not in it.
      project = current
      book:end_all()
    end
    take_orders(book, map)
    local now = reaper.time_precise()
    if now - observed >= OBSERVE_EVERY - EARLY then
      observed = now
      map:refresh()
      send("/bridge/clock/observe", table.unpack(clock.observation()))
    end
    for _, message in ipairs(way:receive()) do
      book:hear(message.address, message.arguments)
    end
    book:tend()
    reaper.defer(turn)
  end

  reaper.atexit(function()
    book:end_all()
    map:close()
    way:close()
    mailbox.alive(false)
    light(false)
  end)
  light(true)
  turn()
end

return background

-- The background script's memory of its jobs: what waits to be sent, what is analysed, what is loaded and sounds when the
-- transport passes.

local mailbox = require("stembridge.mailbox")
local text = require("stembridge.text")

local jobs = {}
jobs.__index = jobs

-- StemBridge queues eight; a clip that loops often is more jobs than that, so they go a few at a time.
local AT_A_TIME = 4
-- Seconds without any answer after which nobody is there. The files are looked at before the answer, and a disk may sleep.
local ANSWER_TIMEOUT = 8
-- Seconds by which the same region is told apart from one that lies elsewhere in the project: StemBridge keeps one place for each
-- region, and a thousandth of a frame makes it another one of the same audio.
local APART = 1e-8

-- `send(address, ...)` speaks to StemBridge; `tell(words)` to the musician.
function jobs.new(send, tell)
  local self = setmetatable({}, jobs)
  self.send, self.tell = send, tell
  self.run = string.format("%x", os.time())
  self.count = 0
  self.waiting, self.known = {}, {}
  return self
end

-- Puts a piece in the queue; `fields` as the play action wrote them.
function jobs:play(fields)
  local job = {}
  job.stem, job.guid, job.path, job.start, job.stop, job.at, job.rate, job.bpm, job.transpose, job.second = table.unpack(fields)
  self.count = self.count + 1
  job.id = string.format("reaper %s %s.%d", job.stem, self.run, self.count)
  self.waiting[#self.waiting + 1] = job
end

-- Ends what an item's stem played so far: it may have been moved, cut or stretched since.
function jobs:replace(guid, stem)
  self:_end("/bridge/job/unload", function(job) return job.guid == guid and job.stem == stem end)
  mailbox.forget_results(guid, stem)
end

-- Ends the jobs of these items, or all where none of them has any.
function jobs:cancel(guids)
  local wanted = {}
  for _, guid in ipairs(guids) do
    wanted[guid] = true
  end
  local function chosen(job) return wanted[job.guid] end
  if self:_end("/bridge/job/cancel", chosen) == 0 then
    self:_end("/bridge/job/cancel", function() return true end)
  end
end

function jobs:end_all()
  self:_end("/bridge/job/unload", function() return true end)
end

function jobs:_end(address, chosen)
  local ended = 0
  for index = #self.waiting, 1, -1 do
    if chosen(self.waiting[index]) then
      table.remove(self.waiting, index)
      ended = ended + 1
    end
  end
  for id, job in pairs(self.known) do
    if chosen(job) then
      self.send(address, id)
      -- What is still answered about it concerns nobody.
      self.known[id] = nil
      ended = ended + 1
    end
  end
  return ended
end

-- Sends what may be sent, and notices where nobody answers.
function jobs:tend()
  local analysed, silent = 0, false
  local now = reaper.time_precise()
  for _, job in pairs(self.known) do
    if job.running then
      analysed = analysed + 1
      silent = silent or (not job.answered and now - job.sent > ANSWER_TIMEOUT)
    end
  end
  if silent then
    self:nobody("It does not answer.")
    return
  end
  while analysed < AT_A_TIME and #self.waiting > 0 do
    self:_start(table.remove(self.waiting, 1), now)
    analysed = analysed + 1
  end
end

-- Nobody is there: what was asked is dropped, and said once.
function jobs:nobody(why)
  local lost = #self.waiting > 0
  self.waiting = {}
  for id, job in pairs(self.known) do
    if job.running then
      self.known[id], lost = nil, true
    end
  end
  if lost then
    self.tell("StemBridge is not reached. " .. why .. " Start it with `stembridge run`, then play the clip again.")
  end
end

function jobs:_start(job, now)
  -- The same region as another one's of this stem, at another place: a copy, or the next pass of a loop.
  local stop, again = job.stop, true
  while again do
    again = false
    for _, other in pairs(self.known) do
      again = again or (other.stem == job.stem and other.path == job.path and other.start == job.start and other.sent_stop == stop)
    end
    stop = again and stop - APART or stop
  end
  job.sent, job.sent_stop, job.running = now, stop, true
  self.known[job.id] = job
  self.send(
    "/bridge/job/start", job.id, job.path, "stem", job.stem, "start", job.start, "end", stop,
    "at", job.at, "rate", job.rate, "bpm", job.bpm, "sync", "transport"
  )
end

-- What StemBridge says of a job.
local HEARD = {}

function HEARD.accepted(self, job)
  if job.transpose ~= 0 and job.stem ~= "drums" then
    self.send("/bridge/param/transpose", job.transpose, job.id)
  end
end

function HEARD.result(_, job, stem, _, midi_path, stem_path)
  mailbox.add_result(job, stem, midi_path, stem_path)
end

function HEARD.done(_, job)
  job.running = false
end

function HEARD.failed(self, job, code, message)
  job.running = false
  self.tell("StemBridge could not play the " .. job.stem .. " of " .. job.path .. ": " .. message .. " (" .. code .. ")")
end

function HEARD.cancelled(_, job)
  job.running = false
end

function HEARD.unloaded(self, job)
  self.known[job.id] = nil
end

function jobs:hear(address, arguments)
  if address == "/sender/refused" then
    self:nobody("Nobody listens where it should.")
    return
  end
  local id = arguments[1]
  local job = id ~= text.NIL and self.known[id]
  if not job then
    return
  end
  job.answered = true
  if address == "/bridge/error" then
    -- Whatever was asked of a job that runs, the job goes on; one that was not accepted is none.
    if arguments[2] == "/bridge/job/start" then
      self.known[id] = nil
    end
    self.tell("StemBridge refused: " .. arguments[4] .. " (" .. arguments[3] .. ")")
    return
  end
  local hear = HEARD[address:match("^/bridge/job/(%a+)$") or ""]
  if hear then
    hear(self, job, table.unpack(arguments, 2))
  end
end

return jobs

-- The way to StemBridge and back. REAPER's Lua has no sockets: sender.py reads lines through a pipe, sends them as datagrams, and
-- writes what is answered to a file that is read along here.

local settings = require("stembridge.settings")
local text = require("stembridge.text")

local link = {}
link.__index = link

-- Seconds that Python may take to start, on a machine that is busy.
local START_TIMEOUT = 10

local WINDOWS = package.config:sub(1, 1) == "\\"

local function quoted(argument)
  if WINDOWS then
    return '"' .. argument .. '"'
  end
  return "'" .. argument:gsub("'", "'\\''") .. "'"
end

-- What is run. Where Python is missing or dies, `cat` goes on reading: a pipe that nobody reads would end REAPER itself with SIGPIPE.
local function command(sender, answers, log)
  local python = settings.get("python")
  if python == "" then
    python = WINDOWS and "py" or "python3"
  end
  local words = { quoted(python), quoted(sender), "--host", quoted(settings.get("host")), "--port", quoted(settings.get("port")) }
  words[#words + 1] = "--answers " .. quoted(answers) .. " 2> " .. quoted(log)
  local line = table.concat(words, " ")
  if WINDOWS then
    return '"' .. line .. '"' -- cmd takes off the outermost pair.
  end
  return line .. " || cat > /dev/null"
end

-- Where sender.py is: beside the folder of these scripts, as it is shipped, or inside it.
local function find_sender(here)
  for _, path in ipairs({ here .. "../sender.py", here .. "sender.py" }) do
    if reaper.file_exists(path) then
      return path
    end
  end
  return nil
end

-- A link, or nil and why there is none.
function link.open(here)
  local sender = find_sender(here)
  if not sender then
    return nil, "sender.py is missing: it belongs beside the folder " .. here
  end
  local stamp = string.format("%d-%d", os.time(), math.floor(reaper.time_precise() * 1000) % 1000000)
  local self = setmetatable({}, link)
  self.answers = reaper.GetResourcePath() .. "/stembridge-" .. stamp .. ".txt"
  self.log = reaper.GetResourcePath() .. "/stembridge-" .. stamp .. ".log"
  self.position = 0
  self.ready = false
  self.opened = reaper.time_precise()
  local reason
  self.pipe, reason = io.popen(command(sender, self.answers, self.log), "w")
  if not self.pipe then
    return nil, "the sender cannot be started: " .. tostring(reason)
  end
  return self
end

function link:send(address, ...)
  self.pipe:write(text.line(address, ...), "\n")
  self.pipe:flush() -- Windows knows no buffering by lines.
end

-- All messages that have come since, each with its address and arguments. `/sender/ready` is kept here.
function link:receive()
  local messages = {}
  local file = io.open(self.answers, "rb")
  if not file then
    return messages
  end
  file:seek("set", self.position)
  local lines, used = text.lines(file:read("a") or "")
  file:close()
  self.position = self.position + used
  for _, line in ipairs(lines) do
    local address, arguments = text.parse(line)
    if address == "/sender/ready" then
      self.ready = true
    else
      messages[#messages + 1] = { address = address, arguments = arguments }
    end
  end
  return messages
end

-- Why nothing can be sent, once that is certain; else nil.
function link:trouble()
  if self.ready or reaper.time_precise() - self.opened < START_TIMEOUT then
    return nil
  end
  local file = io.open(self.log, "r")
  local said = file and file:read("a") or ""
  if file then
    file:close()
  end
  return "Python 3 does not start, and REAPER needs it to speak to StemBridge. Install it, or name it in stembridge/settings.lua.\n\n" .. said
end

-- Lets the sender send what it has and leave.
function link:close()
  self.pipe:close()
  os.remove(self.answers)
  os.remove(self.log)
end

return link

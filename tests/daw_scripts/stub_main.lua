-- REAPER for tests: reads commands, a line each, runs scripts against the stub, answers a line of JSON each. See reaper.py.

local folder = arg[0]:match("^(.*/)")
local project = dofile(folder .. "stub_project.lua")
local api, stage = assert(loadfile(folder .. "stub_api.lua"))(project)

local NONE = setmetatable({}, { __tojson = true })

local function json(value)
  if value == NONE or value == nil then
    return "null"
  elseif type(value) == "number" then
    return math.type(value) == "integer" and tostring(value) or string.format("%.17g", value)
  elseif type(value) == "string" then
    local escaped = value:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end)
    return '"' .. escaped .. '"'
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif #value > 0 or next(value) == nil then
    local words = {}
    for index, each in ipairs(value) do
      words[index] = json(each)
    end
    return "[" .. table.concat(words, ",") .. "]"
  end
  local words = {}
  for name, each in pairs(value) do
    words[#words + 1] = json(tostring(name)) .. ":" .. json(each)
  end
  return "{" .. table.concat(words, ",") .. "}"
end

-- Each script is a program of its own: fresh modules, the same API.
function stage.run(path)
  local before, loaded, search = stage.script, package.loaded, package.path
  local fresh = {}
  for name, module in pairs(loaded) do
    if not name:find("^stembridge") then
      fresh[name] = module
    end
  end
  for name in pairs(loaded) do
    loaded[name] = fresh[name]
  end
  stage.script = path
  dofile(path)
  stage.script, package.path = before, search
end

-- One round of REAPER's own timer: every deferred function once.
local function turn(seconds)
  stage.now = stage.now + seconds
  if project.state & 5 ~= 0 and project.state & 2 == 0 and project.moving ~= false then
    project.position = project.position + seconds * project.play_rate
  end
  local due = stage.deferred
  stage.deferred = {}
  for _, each in ipairs(due) do
    stage.script = each.script
    each.call()
  end
  local alive = {}
  for _, each in ipairs(stage.deferred) do
    alive[each.script] = true
  end
  for script, leave in pairs(stage.exits) do
    if not alive[script] then
      stage.exits[script] = nil
      leave()
    end
  end
end

local function summary()
  local tracks = {}
  for index, track in ipairs(project.tracks) do
    local items = {}
    for number, item in ipairs(track.items) do
      local take, source = item.take, item.take and item.take.source
      items[number] = {
        guid = item.guid,
        values = item.values,
        take = take and { name = take.name, values = take.values, notes = take.notes, sorted = take.sorted or false, midi = take.midi or false },
        path = source and source.path or "",
      }
    end
    tracks[index] = { name = track.name, items = items }
  end
  return {
    tracks = tracks, boxes = stage.boxes, console = stage.console, running = #stage.deferred, toggles = { stage.toggles[40000] },
    undo = stage.undo, refresh = stage.refresh,
  }
end

local COMMANDS = {}

function COMMANDS.load(path, resources)
  project.load(dofile(path))
  stage.resources = resources
end

COMMANDS.run = function(path) stage.run(path) end

function COMMANDS.turn(seconds) turn(tonumber(seconds)) end

-- Lets a test do to the project what a musician would.
function COMMANDS.lua(code)
  return assert(load("local project, stage, reaper = ...\n" .. code))(project, stage, api)
end

-- REAPER closes: scripts end.
function COMMANDS.quit()
  stage.deferred = {}
  turn(0)
end

COMMANDS.summary = summary

reaper = api
for line in io.lines() do
  local words = {}
  for word in (line .. "\t"):gmatch("([^\t]*)\t") do
    words[#words + 1] = word
  end
  local fine, result = xpcall(COMMANDS[words[1]], debug.traceback, table.unpack(words, 2))
  io.write(json({ fine = fine, result = result == nil and NONE or result }), "\n")
  io.flush()
end

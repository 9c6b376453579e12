-- Messages as lines of text: for the sender's input and answers, and for what scripts leave each other in ExtState.
-- The format is described in sender.py; Lua's integers become `i`, other numbers `d`, booleans 1 or 0, text.NIL `N`.

local text = {}

text.NIL = setmetatable({}, { __tostring = function() return "nil" end })

local ESCAPES = { ["\\"] = "\\\\", ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r" }
local ESCAPED = { ["\\"] = "\\", t = "\t", n = "\n", r = "\r" }

local function word(value)
  if value == text.NIL then
    return "N"
  end
  local kind = math.type(value) or type(value)
  if kind == "string" then
    return "s" .. value:gsub("[\\\t\n\r]", ESCAPES)
  elseif kind == "integer" then
    return "i" .. value
  elseif kind == "float" then
    -- Some systems write a decimal comma once a plug-in has set the locale.
    return "d" .. (string.format("%.17g", value):gsub(",", "."))
  elseif kind == "boolean" then
    return value and "i1" or "i0"
  end
  error("a " .. kind .. " cannot be sent")
end

-- One line, without its end.
function text.line(address, ...)
  local words = { address }
  for index = 1, select("#", ...) do
    words[#words + 1] = word((select(index, ...)))
  end
  return table.concat(words, "\t")
end

local function meant(written)
  local tag, value = written:sub(1, 1), written:sub(2)
  if tag == "s" then
    return (value:gsub("\\(.)", ESCAPED))
  elseif tag == "i" then
    return math.tointeger(tonumber(value)) or 0
  elseif tag == "d" then
    return (tonumber(value) or 0) + 0.0
  end
  return text.NIL
end

-- The address and a list of the arguments.
function text.parse(line)
  local address
  local arguments = {}
  for written in (line .. "\t"):gmatch("([^\t]*)\t") do
    if address then
      arguments[#arguments + 1] = meant(written)
    else
      address = written
    end
  end
  return address, arguments
end

-- All lines of a text that end in it, and how many bytes they take: a line that is still being written waits.
function text.lines(block)
  local found, used = {}, 0
  for line, stop in block:gmatch("([^\n]*)\n()") do
    found[#found + 1] = line
    used = stop - 1
  end
  return found, used
end

return text

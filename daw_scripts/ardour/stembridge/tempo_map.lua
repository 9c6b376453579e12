-- The session's tempo map as a MIDI file, through which the daemon reads where the project is. What tells it of Ardour's position
-- tells no tempo: a change would be learnt from the beats as they come, some tens of milliseconds off for good.
local tempo_map = {}

local TICKS = Temporal.ticks_per_beat -- of a quarter note, here and in the file

local function variable_length (number)
	local bytes = string.char (number & 0x7F)
	while number > 0x7F do
		number = number >> 7
		bytes = string.char (0x80 | number & 0x7F) .. bytes
	end
	return bytes
end

-- Microseconds a quarter note: how the file says a tempo.
local function tempo_event (delta, microseconds)
	return variable_length (delta) .. "\xFF\x51\x03" .. string.pack (">I3", microseconds)
end

local function file_of (events)
	local track = table.concat (events) .. "\0\xFF\x2F\0"
	return "MThd" .. string.pack (">I4I2I2I2", 6, 0, 1, TICKS) .. "MTrk" .. string.pack (">s4", track)
end

-- Ticks and microseconds of each change until a sample, quarter by quarter: tempi change on beats, and what ramps is taken at
-- each sixteenth's mean.
local function changes_until (last)
	local map, rate = Temporal.TempoMap.read (), Session:nominal_sample_rate ()
	local changes, tick = {}, 0
	local function at (place) return map:quarters_per_minute_at (Temporal.timepos_t.from_ticks (place)) end
	local function add (place, bpm)
		local microseconds = math.floor (60e6 / bpm + 0.5)
		if #changes == 0 or changes[#changes].microseconds ~= microseconds then
			changes[#changes + 1] = { tick = place, microseconds = microseconds }
		end
	end
	local function sample (place) return Temporal.timepos_t.from_ticks (place):samples () end
	repeat
		if math.abs (at (tick) - at (tick + TICKS - 1)) < 1e-6 then
			add (tick, at (tick))
		else
			for part = tick, tick + TICKS - 1, TICKS // 4 do
				add (part, 60 * rate / (4 * (sample (part + TICKS // 4) - sample (part))))
			end
		end
		tick = tick + TICKS
	until sample (tick) > last
	return changes
end

-- Write the map to a file of the session's folder; return its path, or nil where one tempo holds until that sample.
function tempo_map.write (last)
	local changes = changes_until (math.max (last, Session:current_end_sample ()))
	if #changes == 1 then return nil end
	local events, before = {}, 0
	for index, change in ipairs (changes) do
		events[index] = tempo_event (change.tick - before, change.microseconds)
		before = change.tick
	end
	local path = ARDOUR.LuaAPI.build_filename (Session:path (), "stembridge-tempo.mid")
	local file = assert (io.open (path, "wb"))
	file:write (file_of (events))
	file:close ()
	return path
end

return tempo_map

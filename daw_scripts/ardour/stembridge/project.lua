-- What Ardour says of the selected regions, in the daemon's terms: files, seconds of them, quarter notes of the project.
local project = {}

local TICKS = Temporal.ticks_per_beat

-- Quarter notes from the timeline's beginning, through the tempo map. Ardour counts whole ticks, up to a sixth of a millisecond
-- off at 97 bpm; what remains to the sample is a matter of the tempo there.
function project.beats_at (sample)
	local place = Temporal.timepos_t (sample)
	local ticks = place:ticks ()
	local beyond = sample - Temporal.timepos_t.from_ticks (ticks):samples ()
	-- Of a tick's place Ardour drops what is left of a sample: a region on a beat is on the beat.
	if math.abs (beyond) <= 1 then beyond = 0 end
	return ticks / TICKS + beyond / Session:nominal_sample_rate () * project.bpm_at (sample) / 60
end

-- Quarter notes a minute.
function project.bpm_at (sample)
	local map = Temporal.TempoMap.read ()
	local bpm = map:quarters_per_minute_at (Temporal.timepos_t (sample))
	map = nil -- luacheck: ignore 311 (the map is held until Lua lets go of it)
	return bpm
end

-- The file of one channel of a region, or nil where its audio is not in a file.
local function file_of (region, channel)
	local source = region:source (channel)
	if source:isnil () then return nil end
	local file = source:to_filesource ()
	if file:isnil () then return nil end
	local path = file:path ()
	return ARDOUR.LuaAPI.file_test (path, ARDOUR.LuaAPI.FileTest.IsRegular) and path or nil
end

-- One region as a clip, or nil and why it cannot be one.
local function clip_of (region)
	local name = region:name ()
	local audio = region:to_audioregion ()
	if audio:isnil () then
		return nil, name .. " is a MIDI region: it holds notes already, there is no sound in it to separate. "
			.. "Bounce its instrument to audio, and select that."
	end
	local channels = audio:n_channels ()
	if channels > 2 then
		return nil, name .. " has " .. channels .. " channels; StemBridge takes mono and stereo. Bounce it to stereo."
	end
	local path = file_of (region, 0)
	-- What Ardour records or imports in stereo lies in two mono files, %L and %R; an embedded file holds both channels itself.
	local path2 = channels == 2 and file_of (region, 1) or nil
	if not path or (channels == 2 and not path2) then
		return nil, name .. " has no audio file of its own: it is a compound, or its file is missing. "
			.. "Bounce it (Region > Edit > Bounce), and select the new region."
	end
	local rate = Session:nominal_sample_rate ()
	local position, start, length = region:position ():samples (), region:start ():samples (), region:length ():samples ()
	return {
		region = region:to_stateful ():id ():to_s (),
		name = name,
		path = path,
		path2 = path2 ~= path and path2 or nil,
		start = start / rate,
		stop = (start + length) / rate,
		position = position,
		length = length,
		at = project.beats_at (position),
		bpm = project.bpm_at (position),
	}
end

-- The clips of the selected regions from left to right, and for every other region why it is none.
function project.selected ()
	local clips, refused = {}, {}
	for region in Editor:get_selection ().regions:regionlist ():iter () do
		local clip, reason = clip_of (region)
		if clip then
			clips[#clips + 1] = clip
		else
			refused[#refused + 1] = reason
		end
	end
	table.sort (clips, function (a, b) return a.position < b.position end)
	return clips, refused
end

return project

-- A job's files as new tracks of the session, where its clip was when it was started.
local importing = {}

local SUFFIXES = { ".wav", ".flac", ".mp3" }

local function exists (path)
	return ARDOUR.LuaAPI.file_test (path, ARDOUR.LuaAPI.FileTest.IsRegular)
end

-- The stem's audio and its notes, or nil while one is missing. Both appear whole, by being renamed, the notes last.
local function files_of (folder, stem)
	local notes = folder .. "/" .. stem .. ".mid"
	for _, suffix in ipairs (SUFFIXES) do
		local audio = folder .. "/" .. stem .. suffix
		if exists (notes) and exists (audio) then return audio, notes end
	end
	return nil
end

local function routes ()
	local known = {}
	for route in Session:get_routes ():iter () do
		known[route:to_stateful ():id ():to_s ()] = route
	end
	return known
end

-- Import a file onto a track of its own; return its region.
local function import (path, place, name)
	local before = routes ()
	local files = C.StringVector ()
	files:push_back (path)
	Editor:do_import (files, Editing.ImportDistinctFiles, Editing.ImportAsTrack, ARDOUR.SrcQuality.SrcBest,
		ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
		place, ARDOUR.PluginInfo (), ARDOUR.Track (), false)
	for id, route in pairs (routes ()) do
		if not before[id] then
			route:set_name (name)
			local regions = route:to_track ():playlist ():region_list ():table ()
			if regions[1] then return regions[1] end
		end
	end
	error ("Ardour did not import " .. path, 0)
end

-- A time within a MIDI region, in quarter notes: Ardour tells it as beats and ticks.
local function quarters (time)
	local beats, ticks = tostring (time):match ("(%-?%d+):(%-?%d+)")
	return tonumber (beats) + tonumber (ticks) / Temporal.ticks_per_beat
end

local function as_beats (number)
	local ticks = math.floor (number * Temporal.ticks_per_beat + 0.5)
	return Temporal.Beats (ticks // Temporal.ticks_per_beat, ticks % Temporal.ticks_per_beat)
end

-- Ardour keeps MIDI regions in ticks; of one that is placed and trimmed in samples it hides notes behind a tempo change.
local function tick_of (sample)
	return Temporal.timepos_t.from_ticks (Temporal.timepos_t (sample):ticks ())
end

-- The file's beats are those of one tempo, the clip's at its beginning. Lay the notes where the audio has them, through the
-- project's tempo map: after a tempo change within the clip they would drift from it.
local function retime (region, job, beats_at)
	local model = region:to_midiregion ():midi_source (0):model ()
	local change = model:new_note_diff_command ("StemBridge: notes to the tempo map")
	local rate, moved = Session:nominal_sample_rate (), 0
	local origin = tick_of (job.position):ticks () / Temporal.ticks_per_beat
	local function place (beats)
		return math.max (0, beats_at (job.position + math.floor (beats * 60 / job.bpm * rate + 0.5)) - origin)
	end
	for note in ARDOUR.LuaAPI.note_list (model):iter () do
		local begin = quarters (note:time ())
		local stop = begin + quarters (note:length ())
		local at, till = as_beats (place (begin)), as_beats (place (stop))
		if tostring (at) ~= tostring (note:time ()) or tostring (till - at) ~= tostring (note:length ()) then
			moved = moved + 1
			change:remove (note)
			change:add (ARDOUR.LuaAPI.new_noteptr (note:channel (), at, till - at, note:note (), note:velocity ()))
		end
	end
	if moved > 0 then model:apply_command (Session, change) end
	-- Its length was that of the file's tempo.
	region:trim_end (tick_of (job.position + job.length))
end

-- Import what a job has made: a track with the stem, a track with its notes. Returns nil, or why it cannot be.
function importing.run (job, folder, beats_at)
	local audio, notes = nil, nil
	if folder then audio, notes = files_of (folder, job.stem) end
	if not audio then
		return "the " .. job.stem .. " of " .. job.path:match ("([^/\\]+)$") .. " are not there yet"
	end
	local title = job.stem .. " of " .. job.path:match ("([^/\\]+)$"):gsub ("%%[LR]%.[^.]*$", ""):gsub ("(.)%.[^.]*$", "%1")
	import (audio, Temporal.timepos_t (job.position), title)
	local region = import (notes, tick_of (job.position), title .. " (MIDI)")
	retime (region, job, beats_at)
	return nil
end

return importing

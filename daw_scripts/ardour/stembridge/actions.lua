-- StemBridge's actions in Ardour: play, cancel, import. The scripts in the menu load this file at each use and call one of them.
local here = ARDOUR.user_config_directory (-1) .. "/scripts/stembridge/"

local function room (name)
	local file = assert (io.open (here .. name .. ".lua"), "the file " .. here .. name .. ".lua is missing")
	local source = file:read ("a")
	file:close ()
	return assert (load (source, "@" .. name .. ".lua")) ()
end

local function say (text)
	LuaDialog.Message ("StemBridge", text, LuaDialog.MessageType.Warning, LuaDialog.ButtonType.Close):run ()
end

-- Ardour throws an action away for good when it fails: no failure leaves this file, it is said instead.
local function guarded (action)
	return function (...)
		local went, reason = pcall (action, ...)
		if not went then say ("This failed: " .. tostring (reason)) end
	end
end

local function play (stem)
	local settings, daemon, project, jobs, tempo_map =
		room ("settings"), room ("daemon"), room ("project"), room ("jobs"), room ("tempo_map")
	local clips, refused = project.selected ()
	if #clips == 0 and #refused == 0 then
		refused = { "No region is selected. Select the audio whose " .. stem .. " shall play." }
	end
	if #clips > 0 and daemon.is_absent (settings) then
		clips = {}
		refused[#refused + 1] = "StemBridge is not running: nothing listens at port " .. daemon.port (settings)
			.. ". Start it with: stembridge run"
	end
	local batch = jobs.new_id ()
	if #clips > 0 then
		local last = clips[#clips]
		-- Without a path the daemon forgets a map that another session may have left.
		daemon.send (settings, "/bridge/clock/map", tempo_map.write (last.position + last.length))
	end
	for _, clip in ipairs (clips) do
		local id = jobs.new_id ()
		jobs.remember {
			id = id, batch = batch, region = clip.region, position = clip.position, length = clip.length, bpm = clip.bpm,
			stem = stem, path = clip.path,
		}
		local pairs_of_job = {}
		local function add (key, value)
			if value ~= nil then
				pairs_of_job[#pairs_of_job + 1] = key
				pairs_of_job[#pairs_of_job + 1] = value
			end
		end
		add ("path2", clip.path2)
		add ("stem", stem)
		add ("start", clip.start)
		add ("end", clip.stop)
		add ("at", clip.at)
		add ("bpm", clip.bpm)
		add ("sync", "transport")
		add ("reply_to", settings.reply_to)
		daemon.send (settings, "/bridge/job/start", id, clip.path, table.unpack (pairs_of_job))
	end
	if #refused > 0 then say (table.concat (refused, "\n\n")) end
end

local function cancel ()
	local settings, daemon, project, jobs = room ("settings"), room ("daemon"), room ("project"), room ("jobs")
	local clips = project.selected ()
	local chosen = #clips > 0 and jobs.of (clips) or jobs.all ()
	for _, job in ipairs (chosen) do
		if not job.is_cancelled then
			daemon.send (settings, "/bridge/job/cancel", job.id)
			jobs.mark_cancelled (job)
		end
	end
end

local function import ()
	local settings, daemon, project, jobs, importing =
		room ("settings"), room ("daemon"), room ("project"), room ("jobs"), room ("importing")
	local chosen, refused = jobs.of ((project.selected ())), {}
	if #chosen == 0 then
		refused = { "There is nothing to import: no job was started for what is selected." }
	end
	for _, job in ipairs (chosen) do
		local reason = importing.run (job, daemon.job_folder (settings, job.id, job.path), project.beats_at)
		if reason then
			refused[#refused + 1] = reason .. " (looked in " .. daemon.results_folder (settings) .. ")."
		end
	end
	if #refused > 0 then say (table.concat (refused, "\n\n")) end
end

return { play = guarded (play), cancel = guarded (cancel), import = guarded (import) }

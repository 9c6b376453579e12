-- The jobs that a session has started, kept in a file of the session's folder: results can be imported after Ardour was closed.
local jobs = {}

local FIELDS = { "id", "batch", "region", "position", "length", "bpm", "stem", "path" }

local function file_name ()
	return ARDOUR.LuaAPI.build_filename (Session:path (), "stembridge.jobs")
end

-- One line a job, values between tabs; a path may hold anything, so it is the last and lines are escaped.
local function line_of (job)
	local words = {}
	for index, field in ipairs (FIELDS) do
		words[index] = tostring (job[field]):gsub ("[%%\t\r\n]", function (c) return string.format ("%%%02X", c:byte ()) end)
	end
	return table.concat (words, "\t")
end

local function job_of (line)
	local job, index = {}, 0
	for word in (line .. "\t"):gmatch ("(.-)\t") do
		index = index + 1
		if FIELDS[index] then
			job[FIELDS[index]] = word:gsub ("%%(%x%x)", function (hex) return string.char (tonumber (hex, 16)) end)
		end
	end
	for _, field in ipairs { "position", "length" } do
		job[field] = math.tointeger (tonumber (job[field] or ""))
	end
	job.bpm = tonumber (job.bpm or "")
	return job.path and job.position and job.length and job.bpm and job or nil
end

function jobs.remember (job)
	local file = assert (io.open (file_name (), "a"))
	file:write (line_of (job), "\n")
	file:close ()
end

function jobs.mark_cancelled (job)
	local file = assert (io.open (file_name (), "a"))
	file:write ("cancelled\t", job.id, "\n")
	file:close ()
end

-- All jobs of the session, the oldest first; what was cancelled may be imported none the less, if it had been finished.
function jobs.all ()
	local found, by_id = {}, {}
	local file = io.open (file_name ())
	if not file then return found end
	for line in file:lines () do
		local job = job_of (line)
		local cancelled = by_id[line:match ("^cancelled\t(.*)") or ""]
		if cancelled then
			cancelled.is_cancelled = true
		elseif job then
			found[#found + 1] = job
			by_id[job.id] = job
		end
	end
	file:close ()
	return found
end

-- A name that no other job has had, of letters that keep their case on every file system.
local counted = 0
function jobs.new_id ()
	counted = counted + 1
	return string.format ("ardour-%x-%x-%d", os.time (), math.floor (ARDOUR.LuaAPI.monotonic_time ()) & 0xFFFFFFFF, counted)
end

-- The newest job of each stem of these clips; without clips, those of the last action that started any.
function jobs.of (clips)
	local wanted, newest = {}, {}
	for _, clip in ipairs (clips) do wanted[clip.region] = true end
	local all = jobs.all ()
	local last = all[#all] and all[#all].batch
	for _, job in ipairs (all) do
		if wanted[job.region] or (#clips == 0 and job.batch == last) then
			newest[job.region .. " " .. job.stem] = job
		end
	end
	local chosen = {}
	for _, job in ipairs (all) do
		if newest[job.region .. " " .. job.stem] == job then chosen[#chosen + 1] = job end
	end
	return chosen
end

return jobs

"""The job book: every job from its request to the last thing said about it.

It takes requests, queues them, runs one analysis at a time, hands notes to the player and sees to it that each accepted job
says exactly one of done, failed, cancelled, and exactly one unloaded. It lives on the event loop and never blocks it.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session.clip_clock import playhead
from bridge.session.events import (
    Accepted,
    Behind,
    Cancelled,
    Done,
    Failed,
    JobEvent,
    JobState,
    KeyFound,
    Progress,
    Ready,
    Result,
    Stage,
    StretchNotes,
    TempoFound,
    Unloaded,
)
from bridge.session.job import Audience, Job
from bridge.session.plan import Surroundings, part_of, playback_rate, work_of
from bridge.session.playback import PartBehind, PartId, PartPlayed, Player
from bridge.session.ports import Engine
from bridge.session.request import JobRequest, Sync
from bridge.session.work import JobCancelled
from bridge.units import JobId

log = logging.getLogger("bridge.jobs")

QUEUE_LENGTH = 8
REPEAT_WINDOW = 2.0
"""Seconds in which the same request is taken for the same datagram delivered twice."""
REMEMBERED = 64
"""Ended jobs whose state can still be asked for."""


class JobBook:
    """All jobs that are remembered, by id."""

    def __init__(self, engine: Engine, player: Player, surroundings: Surroundings) -> None:
        self._engine = engine
        self._player = player
        self._surroundings = surroundings
        self._jobs: dict[JobId, Job] = {}
        self._waiting: list[Job] = []
        self._wake = asyncio.Event()

    # What a user asks for

    def start(self, request: JobRequest, audience: Audience) -> None:
        """Accept a job, or answer a repeated request again.

        Raises:
            BridgeError: ID_IN_USE, BUSY; nothing was changed.

        """
        now = self._surroundings.now()
        known = self._jobs.get(request.id)
        if known is not None and self.answers(request):
            if known.request == request:
                for event in known.answer:
                    audience.answer(event)
                return
            raise BridgeError(
                ErrorCode.ID_IN_USE,
                f"job {request.id!r} is still {known.describe()}; choose another id, or cancel it first",
            )
        if self.waiting + self.running > QUEUE_LENGTH:
            raise BridgeError(ErrorCode.BUSY, f"{QUEUE_LENGTH} jobs are waiting already; try again when one has ended")
        job = Job(request, audience, accepted_at=now)
        self._jobs.pop(request.id, None)
        self._jobs[request.id] = job
        self._waiting.append(job)
        self._forget_old()
        self._say(job, Accepted(request.id))
        self._say(job, Progress(request.id, Stage.QUEUED, 0.0))
        self._wake.set()

    def answers(self, request: JobRequest) -> bool:
        """Whether `start` would make no new job of it: its id is in use, or the same datagram was delivered twice."""
        known = self._jobs.get(request.id)
        if known is None:
            return False
        recent = self._surroundings.now() - known.accepted_at < REPEAT_WINDOW
        return known.alive or (recent and known.request == request and not known.ended_by_request)

    def cancel(self, job_id: JobId | None) -> None:
        """End the analysis and the notes of one job, or of all; raises BridgeError NO_SUCH_JOB for an unknown id."""
        self.end(job_id, "cancelled")

    def unload(self, job_id: JobId | None) -> None:
        """End the notes of one job, or of all; an analysis that still runs for them is cancelled."""
        self.end(job_id, "unloaded")

    def stop(self, job_id: JobId | None) -> None:
        """End the notes of a launched job, or of all, also of those still to be launched; analyses go on, for their files."""
        for job in list(self._jobs.values()) if job_id is None else [self._find(job_id)]:
            if job.request.sync is not Sync.TRANSPORT:
                self._unload(job, "stopped")

    def end(self, job_id: JobId | None, reason: str) -> None:
        """End the analysis and the notes of one job, or of all, for a reason that `unloaded` then gives."""
        if job_id is None:
            ending = [job for job in self._jobs.values() if job.alive]
        else:
            job = self._find(job_id)
            if not job.alive:
                raise BridgeError(ErrorCode.NO_SUCH_JOB, f"job {job_id!r} has ended already; there is nothing to end")
            ending = [job]
        for job in ending:
            self._cancel_analysis(job)
            self._unload(job, reason)

    def override(self, job_id: JobId, parameter: str, value: float) -> None:
        """Set a live parameter for one job: `threshold` for all its stems, `channel/bass` for that one.

        Raises:
            BridgeError: NO_SUCH_JOB, or BAD_ARGUMENT for a stem that the job does not have.

        """
        job = self._find(job_id)
        name, _, stem = parameter.partition("/")
        stems = (Stem(stem),) if stem else job.request.stems
        if not set(stems) <= set(job.request.stems):
            raise BridgeError(
                ErrorCode.BAD_ARGUMENT, f"job {job_id!r} has no {stem}, only {', '.join(job.request.stems)}"
            )
        for part in stems:
            job.overrides.setdefault(part, {})[name] = value
            if part in job.parts:
                self._player.override((job_id, part), name, value)

    def states(self, job_id: JobId | None) -> Iterator[tuple[JobId, JobState, Stage, float]]:
        """Give id, state, stage and fraction of one job, or of all that are remembered."""
        for job in self._jobs.values() if job_id is None else [self._find(job_id)]:
            yield job.request.id, job.state, job.stage, job.fraction

    @property
    def running(self) -> int:
        """Jobs in analysis."""
        return sum(job.state is JobState.RUNNING for job in self._jobs.values())

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._waiting)

    # What the player says

    def played(self, event: PartPlayed) -> None:
        """Take in that a part will not sound again; the analysis of a stopped one goes on, for its files."""
        job = self._job_of(event.part)
        if job is None:
            return
        job.parts.discard(event.part[1])
        if not job.parts and (job.state is not JobState.RUNNING or event.reason == "stopped"):
            self._unload(job, event.reason)

    def player_lost(self, message: str) -> None:
        """Take in that the player died with all it held; jobs that it was not given yet go on."""
        for job in [job for job in self._jobs.values() if job.loaded and not job.unloaded]:
            if job.state is JobState.RUNNING:
                self._engine.cancel(job.request.id)
                job.state = JobState.FAILED
                self._say(job, Failed(job.request.id, ErrorCode.MIDI_UNAVAILABLE, message))
            self._unload(job, "failed")

    def behind(self, event: PartBehind) -> None:
        """Take in that the playhead waits for the analysis."""
        job = self._job_of(event.part)
        if job is not None and job.state is JobState.RUNNING:
            self._say(job, Behind(job.request.id, event.seconds))

    # The analysis

    async def run(self) -> None:
        """Analyse the queued jobs, one at a time, until cancelled."""
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            job = self._waiting.pop(0)
            job.state = JobState.RUNNING
            await self._analyse(job)

    async def _analyse(self, job: Job) -> None:
        request = job.request
        try:
            await self._engine.run(work_of(job, self._surroundings), lambda event: self._take(job, event))
        except JobCancelled:
            return
        except BridgeError as error:
            ending: JobEvent = Failed(request.id, error.code, error.message)
            state = JobState.FAILED
        except Exception:
            log.exception("job %s", request.id)
            ending = Failed(request.id, ErrorCode.INTERNAL, "a fault in StemBridge; its log has the details")
            state = JobState.FAILED
        else:
            ending, state = Done(request.id), JobState.DONE
        if job.state is not JobState.RUNNING:
            return
        job.state = state
        self._say(job, ending)
        if state is JobState.FAILED:
            self._unload(job, "failed")
        elif not job.parts:
            # Every part was played before the last file was written.
            self._unload(job, "played")

    def _take(self, job: Job, event: JobEvent) -> None:
        """Take in what the analysis found, unless the job was ended meanwhile."""
        if job.state is not JobState.RUNNING:
            return
        match event:
            case StretchNotes():
                self._play(job, event)
                return
            case Progress(_, stage, fraction):
                job.progress(stage, fraction, self._surroundings.now())
            case TempoFound(_, track):
                job.request = replace(job.request, beats=track)
            case KeyFound(_, estimate):
                job.key = estimate
                self._player.set_key([(job.request.id, stem) for stem in job.parts], estimate.key)
            case Result():
                log.info("job %s: %s, %d notes, %s", job.request.id, event.stem, event.notes, event.model)
        self._say(job, event)

    def _play(self, job: Job, event: StretchNotes) -> None:
        request = job.request
        part: PartId = (request.id, event.stem)
        if event.stem not in job.loaded and not job.unloaded:
            self._replace_same_clip(job, event.stem)
            self._player.load(part_of(job, event))
            job.loaded.add(event.stem)
            job.parts.add(event.stem)
        if event.stem in job.parts:
            self._player.update(part, event.notes, event.withdrawn, event.known, complete=event.complete)
        now = self._surroundings.now()
        where = playhead(request, event.duration, self._surroundings.transport(), now)
        job.advance(event, now, playback_rate(request, self._surroundings.project_bpm()), where)
        if not job.launched and not job.unloaded and job.ready:
            job.launched = True
            self._say(job, Ready(request.id, job.speed, job.lead))
            if request.sync is not Sync.TRANSPORT:
                self._player.launch([(request.id, stem) for stem in request.stems if stem in job.parts])

    def _replace_same_clip(self, job: Job, stem: Stem) -> None:
        """A clip's stem that lies on the project's timeline lies there once: the newer job's notes take its place."""
        for other in list(self._jobs.values()):
            if other is not job and stem in other.parts and other.same_place(job):
                self._player.unload([(other.request.id, stem)])
                other.parts.discard(stem)
                if not other.parts:
                    self._unload(other, "replaced")

    # Endings

    def _cancel_analysis(self, job: Job) -> None:
        if job.state not in (JobState.QUEUED, JobState.RUNNING):
            return
        if job.state is JobState.RUNNING:
            self._engine.cancel(job.request.id)
        else:
            self._waiting.remove(job)
        job.state = JobState.CANCELLED
        # Its notes end before the words about it: who hears `cancelled` hears no more of its notes.
        self._player.unload([(job.request.id, stem) for stem in job.parts])
        self._say(job, Cancelled(job.request.id))

    def _unload(self, job: Job, reason: str) -> None:
        if job.unloaded:
            return
        job.unloaded = True
        self._player.unload([(job.request.id, stem) for stem in job.parts])
        job.parts.clear()
        self._say(job, Unloaded(job.request.id, reason))

    def _find(self, job_id: JobId) -> Job:
        try:
            return self._jobs[job_id]
        except KeyError:
            raise BridgeError(ErrorCode.NO_SUCH_JOB, f"there is no job {job_id!r}") from None

    def _job_of(self, part: PartId) -> Job | None:
        job = self._jobs.get(part[0])
        return job if job is not None and part[1] in job.parts else None

    def _forget_old(self) -> None:
        ended = [job for job in self._jobs.values() if not job.alive]
        for job in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._jobs[job.request.id]

    def _say(self, job: Job, event: JobEvent) -> None:
        log.debug("%s", event)
        if isinstance(event, Accepted | Done | Failed | Cancelled | Unloaded):
            job.answer.append(event)
        job.audience.tell(event)

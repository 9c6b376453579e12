"""What a request becomes: the work for the inference process, the parts for the player."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.music.sound import Stem
from bridge.music.tempo import Transport
from bridge.session.events import StretchNotes
from bridge.session.job import Job
from bridge.session.playback import Part
from bridge.session.request import Follow, JobRequest
from bridge.session.work import Work
from bridge.units import Bpm, HostTime

NAME_BYTES = 120
"""Of a folder's name, as UTF-8; file systems take 255."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What jobs take from the daemon around them, as it is when they need it."""

    folder: Path
    """Below it each job's folder."""
    now: Callable[[], HostTime]
    project_bpm: Callable[[], Bpm]
    channels: Callable[[], Mapping[Stem, int]]
    threshold: Callable[[], float | None]
    hold_ms: Callable[[], float]
    snapping: Callable[[], bool]
    """Whether notes are snapped to their clip's estimated key unless a job says otherwise."""
    transport: Callable[[], Transport]


def work_of(job: Job, around: Surroundings) -> Work:
    """The analysis of a job, with what holds now for all that its request leaves open."""
    request = job.request

    def own(stem: Stem, name: str) -> float | None:
        return job.overrides.get(stem, {}).get(name, request.parameters.get(name))

    def snaps(stem: Stem) -> bool:
        return bool(around.snapping() if (value := own(stem, "snap")) is None else value)

    def hold(stem: Stem) -> float:
        value = own(stem, "hold_ms")
        return around.hold_ms() if value is None else value

    channels = {stem: int(own(stem, "channel") or number) for stem, number in around.channels().items()}
    thresholds = {stem: own(stem, "threshold") for stem in request.stems}
    return Work(
        request,
        around.folder / folder_name(request),
        request.bpm or around.project_bpm(),
        channels,
        {stem: around.threshold() if value is None else value for stem, value in thresholds.items()},
        {stem: hold(stem) for stem in request.stems},
        any(snaps(stem) for stem in request.stems if stem is not Stem.DRUMS),
    )


def part_of(job: Job, event: StretchNotes) -> Part:
    """One stem of a job for the player, before its first notes."""
    request = job.request
    program = request.parameters.get("program")
    return Part(
        id=(request.id, event.stem),
        length=event.duration,
        threshold=event.threshold,
        sync=request.sync,
        follow=request.follow,
        at=request.at,
        at_s=request.at_s,
        rate=request.rate,
        tempo=request.tempo,
        loop=request.loop,
        program=None if program is None else int(program),
        key=None if job.key is None else job.key.key,
        overrides={k: v for k, v in request.parameters.items() if k != "program"} | job.overrides.get(event.stem, {}),
    )


def playback_rate(request: JobRequest, project_bpm: Bpm) -> float:
    """Clip seconds that playback uses in a second."""
    own = request.bpm or (request.beats.bpm if request.beats is not None else None)
    if request.follow is Follow.TEMPO and own:
        return project_bpm / own
    return request.rate


def folder_name(request: JobRequest) -> str:
    """A folder name that says the clip and the job, safe on every file system and different for different jobs."""
    said = f"{request.path.stem} {request.id}"
    safe = "".join(c if c.isalnum() or c in "-_ ." else "_" for c in said)
    # File systems count bytes, and some take Take and take for the same name.
    safe = safe.encode()[:NAME_BYTES].decode(errors="ignore").strip(" .")
    return safe if safe == said and said == said.lower() else f"{safe}-{zlib.crc32(said.encode()):08x}"

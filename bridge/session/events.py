"""What is said about a job while it lives, one value an event; the osc room gives each its address.

Exactly one of `Done`, `Failed`, `Cancelled` ends an accepted job's analysis, exactly one `Unloaded` ends what it plays.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bridge.errors import ErrorCode
from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.notes import Extent, Note, NoteKey
from bridge.music.quality import QualityReport
from bridge.music.sound import Stem
from bridge.units import JobId, Seconds


class Stage(StrEnum):
    """What the analysis is doing."""

    QUEUED = "queued"
    LOADING = "loading"
    """Reading the clip and the model."""
    SEPARATING = "separating"
    """Separating and transcribing, segment by segment."""
    MEASURING = "measuring"
    WRITING = "writing"


class JobState(StrEnum):
    """Where a job is in its life, as `/bridge/job/state` says it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Base of all events: which job it is about."""

    id: JobId


@dataclass(frozen=True, slots=True)
class Accepted(JobEvent):
    """The request was sound and has a place in the queue."""


@dataclass(frozen=True, slots=True)
class Progress(JobEvent):
    """How far a stage is."""

    stage: Stage
    fraction: float


@dataclass(frozen=True, slots=True)
class Ready(JobEvent):
    """From now on playback cannot overtake the analysis, if it starts now: at the clip's start, or where the project stands in it."""

    speed: float
    """Clip seconds analysed in a second."""
    lead: Seconds
    """How much is known from there on."""


@dataclass(frozen=True, slots=True)
class Behind(JobEvent):
    """Playback has reached what is not analysed yet."""

    seconds: Seconds
    """How far the analysis is behind the playhead."""


@dataclass(frozen=True, slots=True)
class Result(JobEvent):
    """A stem is complete: its files are written."""

    stem: Stem
    notes: int
    """At the job's threshold."""
    midi_path: Path
    stem_path: Path
    model: str
    """What separated it; an approximation says so."""


@dataclass(frozen=True, slots=True)
class Quality(JobEvent):
    """How well the notes match the stem, over a part of the clip or all of it."""

    stem: Stem
    report: QualityReport


@dataclass(frozen=True, slots=True)
class TempoFound(JobEvent):
    """The clip's own beats, for notes that follow the tempo."""

    track: BeatTrack


@dataclass(frozen=True, slots=True)
class KeyFound(JobEvent):
    """The key that the clip is in."""

    estimate: KeyEstimate


@dataclass(frozen=True, slots=True)
class Done(JobEvent):
    """Every note is known and every file written."""


@dataclass(frozen=True, slots=True)
class Failed(JobEvent):
    """The analysis ended early; the message says why and what to do."""

    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class Cancelled(JobEvent):
    """The analysis was ended by request."""


@dataclass(frozen=True, slots=True)
class Unloaded(JobEvent):
    """Nothing of this job will sound any more."""

    reason: str
    """played, cancelled, unloaded, replaced, stopped, failed or panic."""


@dataclass(frozen=True, slots=True)
class StretchNotes(JobEvent):
    """One more stretch of a stem is transcribed; goes to the player, not to clients."""

    stem: Stem
    notes: tuple[Note, ...]
    """New ones, and revisions of those with the same key."""
    withdrawn: tuple[NoteKey, ...]
    """Given before, at the edge of what was analysed then; no notes after all."""
    known: tuple[Extent, ...]
    """All of the clip in which onsets are known, in order."""
    analysed: Seconds
    """How much of the stem is transcribed, all stretches together."""
    duration: Seconds
    """Of the whole clip."""
    threshold: float
    """The transcriber's default."""
    complete: bool
    """Nothing will follow for this stem."""

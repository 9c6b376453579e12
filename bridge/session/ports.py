"""What a job needs of the rooms around it, as Protocols; those rooms fulfil them and `app` brings them together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.notes import Note, NoteUpdate, StemNotes
from bridge.music.sound import Clip, Samples, Stem
from bridge.music.tempo import TempoMap, Transport
from bridge.session.events import JobEvent
from bridge.session.request import JobRequest, TranscriberName
from bridge.session.work import Work
from bridge.units import JobId, Seconds

Found_co = TypeVar("Found_co", covariant=True)
Playhead = Callable[[], Seconds]
"""Asked before each segment: where in the clip the playhead stands; 0 while it is nowhere in it."""


@dataclass(frozen=True, slots=True)
class StemStretch:
    """A finished piece of each wanted stem."""

    start: int
    """Frames from the clip's start."""
    stems: Mapping[Stem, Samples]
    """Each float32, shape (channels, frames), all of one length, at the clip's sample rate."""


class Separator(Protocol):
    """A loaded model."""

    @property
    def model(self) -> str:
        """The name that reports give."""

    @property
    def sample_rate(self) -> int:
        """Hertz; the clip must come at this rate."""

    @property
    def channels(self) -> int:
        """What the clip must have."""

    @property
    def stems(self) -> frozenset[Stem]:
        """What it can separate."""

    def fingerprint(self, stem: Stem) -> str:
        """What a stem's numbers depend on: weights, precision, settings, version. The same one gives the same stem."""

    def separate(self, clip: Clip, stems: Sequence[Stem], playhead: Playhead) -> Iterator[StemStretch]:
        """Yield the stems stretch by stretch, each as soon as it is final: every frame of the clip once.

        The segment under the playhead comes first, then what follows it, then what lies before. Where the playhead jumps, the
        segments still to do are ordered anew. The work happens in `next`, a segment or less at a time, so a caller can stop
        between stretches.
        """


class Transcription(Protocol):
    """One stem being transcribed; fed in order, without gaps. Onsets count from the first frame fed."""

    def feed(self, samples: Samples) -> NoteUpdate:
        """Take the next stretch, any length; shape (channels, frames)."""

    def finish(self) -> NoteUpdate:
        """Give the notes that waited for what might have followed; every note has its duration now."""


class Transcriber(Protocol):
    """A way of turning a stem into notes; any chunking of the same audio gives the same notes."""

    @property
    def name(self) -> str: ...

    @property
    def threshold(self) -> float:
        """The default; notes are given from confidence 0 up, so that the threshold stays a live control."""

    @property
    def fingerprint(self) -> str:
        """What its notes depend on: weights, settings, version. The same one gives the same notes for the same stem."""

    def start(self, sample_rate: int) -> Transcription:
        """Begin a stem; raises BridgeError where the rate is not one it takes."""


class Take(Protocol):
    """One whole stem on disk: written in any order while it is separated, read where it was written."""

    @property
    def frames(self) -> int:
        """Of the whole stem."""

    def write(self, start: int, samples: Samples) -> None:
        """Put float32 frames, shape (channels, frames), at frame `start`; raises BridgeError DISK."""

    def read(self, start: int, stop: int) -> Samples:
        """Return frames `start` to `stop`, cut to the stem; float32, shape (channels, frames), a copy; raises BridgeError DISK."""

    def close(self) -> None:
        """Let go of it; what was not kept is gone then. Idempotent."""


class ClipEstimator(Protocol[Found_co]):
    """What finds something that holds for a whole clip."""

    @property
    def fingerprint(self) -> str:
        """What it depends on; the same one finds the same for the same clip."""

    @property
    def sample_rate(self) -> int:
        """Hertz; the clip must come at this rate."""

    def estimate(self, clip: Clip, heed: Callable[[], None]) -> Found_co | None:
        """Return what it is, None where nothing is to be heard; `heed` is called on the way and may raise."""


@dataclass(frozen=True, slots=True)
class KeptNotes:
    """What a transcriber made of a whole stem."""

    notes: tuple[Note, ...]
    """All, from confidence 0 up, in order of onset, each with its duration."""
    frames: int
    """Of the stem."""
    sample_rate: int
    """Hertz."""


CacheKey = tuple[str, ...]
"""All that an entry depends on, in words; equal keys are equal contents."""


class Cache(Protocol):
    """What was analysed before. Entries appear whole or not at all; a damaged one counts as absent."""

    def identify(self, request: JobRequest) -> CacheKey:
        """The audio that a request is about: its files' contents and the region; raises BridgeError FILE_NOT_FOUND, BAD_AUDIO."""

    def recall_notes(self, key: CacheKey) -> KeptNotes | None: ...

    def keep_notes(self, key: CacheKey, notes: KeptNotes) -> None:
        """Keep these for later; where that cannot be, nothing happens but a line in the log."""

    def recall_key(self, key: CacheKey) -> KeyEstimate | None: ...

    def keep_key(self, key: CacheKey, estimate: KeyEstimate) -> None:
        """See `keep_notes`."""

    def recall_beats(self, key: CacheKey) -> BeatTrack | None: ...

    def keep_beats(self, key: CacheKey, track: BeatTrack) -> None:
        """See `keep_notes`."""

    def recall_stem(self, key: CacheKey) -> Take | None: ...

    def begin_stem(self, key: CacheKey, frames: int, channels: int) -> Take:
        """Make room for a stem, also where nothing is kept; raises BridgeError DISK."""

    def keep_stem(self, take: Take) -> None:
        """Keep a stem that `begin_stem` gave, now that all of it is written; it can still be read. See `keep_notes`."""


class StemFile(Protocol):
    """A stem being written."""

    path: Path

    def write(self, samples: Samples) -> None:
        """Append float32 frames, shape (channels, frames)."""

    def close(self) -> None:
        """Finish the file; idempotent."""

    def discard(self) -> None:
        """Close and remove what was written."""


class Separators(Protocol):
    """Where models come from."""

    def load(self, name: str | None, stems: Sequence[Stem]) -> Separator:
        """Return the named or the configured model, kept loaded between jobs; raises BridgeError NO_MODEL, STEM_UNAVAILABLE."""

    def warm_up(self, stems: Sequence[Stem]) -> Separator:
        """Load the configured model and let it run once, so that a first job's first segment pays for nothing but itself."""


class Transcribers(Protocol):
    """Where transcribers come from."""

    def get(self, name: TranscriberName | None, stem: Stem, hold_ms: float) -> Transcriber:
        """Return the named transcriber or the configured one; `hold_ms` is for those that follow one pitch.

        Raises BridgeError NO_MODEL where its weights are not installed.
        """

    def warm_up(self) -> None:
        """Load those that the settings choose, so that no first job waits for them; raises as `get` does."""


OpenClip = Callable[[JobRequest, int, int], AbstractContextManager[Clip]]
"""(request, sample_rate, channels) -> the request's region, decoded and resampled; raises BridgeError."""

CreateStemFile = Callable[[Path, Stem, int, int], StemFile]
"""(folder, stem, sample_rate, channels) -> a new file, whose name and format the settings say."""

WriteMidi = Callable[[Path, Sequence[StemNotes], TempoMap, Mapping[Stem, int]], None]
"""(path, stems, tempo, channel 1-16 per stem): write a format 1 MIDI file with one named track a stem."""


class Engine(Protocol):
    """Where analyses run, away from the event loop."""

    async def run(self, work: Work, emit: Callable[[JobEvent], None]) -> None:
        """Run one analysis; `emit` is called on the event loop.

        Raises:
            BridgeError: why it failed: the pipeline's own reason, or WORKER_CRASHED, WORKER_STALLED, OUT_OF_MEMORY.
            JobCancelled: `cancel` ended it.

        """

    def cancel(self, job: JobId) -> None:
        """Ask the running analysis to end, if it is this job's; returns at once."""

    def set_transport(self, transport: Transport) -> None:
        """Say where the project is: what lies under its playhead is analysed first. Returns at once."""

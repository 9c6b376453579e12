"""What a job needs of the rooms around it, as Protocols; those rooms fulfil them and `app` brings them together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.music.notes import NoteUpdate, StemNotes
from bridge.music.sound import Clip, Samples, Stem
from bridge.music.tempo import TempoMap
from bridge.session.events import JobEvent
from bridge.session.request import JobRequest
from bridge.session.work import Work
from bridge.units import JobId


@dataclass(frozen=True, slots=True)
class StemStretch:
    """The next finished piece of each wanted stem; stretches follow each other without a gap."""

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

    def separate(self, clip: Clip, stems: Sequence[Stem]) -> Iterator[StemStretch]:
        """Yield the stems stretch by stretch, from the clip's start to its end, each as soon as it is final.

        The work happens in `next`, a segment or less at a time, so a caller can stop between stretches.
        """


class Transcription(Protocol):
    """One stem being transcribed; fed in order, without gaps."""

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

    def start(self, sample_rate: int) -> Transcription:
        """Begin a stem; raises BridgeError where the rate is not one it takes."""


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


class Transcribers(Protocol):
    """Where transcribers come from."""

    def get(self, name: str | None, stem: Stem) -> Transcriber:
        """Return the named transcriber or the default for the stem; raises BridgeError BAD_ARGUMENT with the valid names."""


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

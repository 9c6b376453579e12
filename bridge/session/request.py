"""What a job is asked to do: the values of one `/bridge/job/start`, checked, with defaults filled in."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bridge.music.beat_track import BeatTrack
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap
from bridge.units import Beats, Bpm, JobId, Seconds


class Follow(StrEnum):
    """What a job's notes stay with when the project's tempo changes."""

    TIME = "time"
    """The audio: the clip sits at one place and plays at its rate."""
    TEMPO = "tempo"
    """The beat: clip seconds become beats through the source tempo."""


class Sync(StrEnum):
    """When a job's notes begin to sound."""

    NOW = "now"
    BEAT = "beat"
    BAR = "bar"
    TRANSPORT = "transport"
    """Whenever the transport passes their place on the project timeline."""


class TranscriberName(StrEnum):
    """Ways of turning a stem into notes."""

    AUTO = "auto"
    """The one made for the stem."""
    MADMOM_CNN = "madmom-cnn"
    """Many notes at once: piano, guitar, whatever is neither voice nor bass nor drums."""
    MADMOM_RNN = "madmom-rnn"
    """Onsets only; durations are estimated."""
    MONO = "mono"
    """One note at a time: voice, bass, a wind instrument."""
    DRUMS = "drums"
    """The strokes of a kit."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One job. Optional values that are None take the daemon's setting when the job runs."""

    id: JobId
    path: Path
    path2: Path | None = None
    """The other channel of a clip that is kept as two mono files."""
    stems: tuple[Stem, ...] = (Stem.VOCALS,)
    start: Seconds = Seconds(0.0)
    """Of the region, from the file's start."""
    end: Seconds | None = None
    at: Beats | None = None
    """Where the region sits in the project; at most one of `at` and `at_s` is given."""
    at_s: Seconds | None = None
    rate: float = 1.0
    """Clip seconds that pass in one project second."""
    bpm: Bpm | None = None
    """The source's tempo, for `follow = tempo`."""
    follow: Follow = Follow.TIME
    sync: Sync = Sync.NOW
    loop: bool = False
    """Play again from the start when the end is reached."""
    model: str | None = None
    transcriber: TranscriberName | None = None
    parameters: dict[str, float] = field(default_factory=dict)
    """Live parameters that this job overrides, by name: threshold, channel, program, ..."""
    beats: BeatTrack | None = field(default=None, compare=False)
    """What was tracked in the audio, where `bpm` is not given: an answer, and no part of what was asked."""

    @property
    def tempo(self) -> TempoMap | None:
        """The source's own, as given or else as tracked; None while neither is known."""
        if self.bpm is not None:
            return TempoMap.constant(self.bpm)
        return self.beats.tempo_map() if self.beats is not None else None

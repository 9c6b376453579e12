"""Stand-ins for the rooms around the pipeline, in memory: what they give is real, and they say what was asked of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.notes import StemNotes
from bridge.music.sound import Clip, Samples, Stem
from bridge.music.tempo import PARKED, TempoMap, Transport
from bridge.session.events import JobEvent
from bridge.session.pipeline import Pipeline
from bridge.session.ports import CacheKey, KeptNotes, Playhead, StemStretch
from bridge.session.request import JobRequest, TranscriberName
from bridge.session.work import Work
from bridge.units import Bpm, JobId, Seconds
from tests.session.gate import RATE, GateTranscriber

SEGMENT = RATE


class ArrayClip:
    """Fulfils `Clip`."""

    sample_rate = RATE

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.channels, self.frames = samples.shape

    def read(self, start: int, stop: int) -> Samples:
        return self._samples[:, start:stop].copy()

    def loudness(self) -> tuple[float, float]:
        return float(self._samples.mean()), float(self._samples.std())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class HalvingSeparator:
    """Fulfils `Separator`: every stem is the clip at a gain of its own; a second at a time, from the playhead on, then the rest."""

    model = "halving"
    sample_rate = RATE
    channels = 2
    stems = frozenset(Stem)
    gains: Mapping[Stem, float] = {Stem.VOCALS: 1.0, Stem.DRUMS: 0.9, Stem.BASS: 0.8, Stem.OTHER: 0.7}

    def __init__(self) -> None:
        self.version = 1
        self.on_begin: Callable[[], None] = lambda: None
        self.asked: list[tuple[Stem, ...]] = []
        self.order: list[int] = []
        """Where the stretches began."""

    def fingerprint(self, stem: Stem) -> str:
        return f"halving {self.version} {self.gains[stem]}"

    def separate(self, clip: Clip, stems: Sequence[Stem], playhead: Playhead) -> Iterator[StemStretch]:
        self.asked.append(tuple(stems))
        left = list(range(0, clip.frames, SEGMENT))
        self.on_begin()
        while left:
            here = playhead() * RATE
            start = next((s for s in left if s + SEGMENT > here), left[0])
            left.remove(start)
            self.order.append(start)
            samples = clip.read(start, min(start + SEGMENT, clip.frames))
            yield StemStretch(start, {stem: samples * np.float32(self.gains[stem]) for stem in stems})


@dataclass
class MemoryTake:
    """Fulfils `Take`."""

    key: CacheKey
    samples: Samples
    closed: bool = False

    @property
    def frames(self) -> int:
        return self.samples.shape[1]

    def write(self, start: int, samples: Samples) -> None:
        self.samples[:, start : start + samples.shape[1]] = samples

    def read(self, start: int, stop: int) -> Samples:
        assert not self.closed
        return self.samples[:, max(0, start) : max(0, stop)].copy()

    def close(self) -> None:
        self.closed = True


@dataclass
class MemoryCache:
    """Fulfils `Cache`."""

    stems: dict[CacheKey, Samples] = field(default_factory=dict)
    notes: dict[CacheKey, KeptNotes] = field(default_factory=dict)
    keys: dict[CacheKey, KeyEstimate] = field(default_factory=dict)
    beats: dict[CacheKey, BeatTrack] = field(default_factory=dict)
    takes: list[MemoryTake] = field(default_factory=list)
    contents: str = "song"

    def identify(self, request: JobRequest) -> CacheKey:
        return (self.contents, repr(request.start), repr(request.end))

    def recall_notes(self, key: CacheKey) -> KeptNotes | None:
        return self.notes.get(key)

    def keep_notes(self, key: CacheKey, notes: KeptNotes) -> None:
        self.notes[key] = notes

    def recall_key(self, key: CacheKey) -> KeyEstimate | None:
        return self.keys.get(key)

    def keep_key(self, key: CacheKey, estimate: KeyEstimate) -> None:
        self.keys[key] = estimate

    def recall_beats(self, key: CacheKey) -> BeatTrack | None:
        return self.beats.get(key)

    def keep_beats(self, key: CacheKey, track: BeatTrack) -> None:
        self.beats[key] = track

    def recall_stem(self, key: CacheKey) -> MemoryTake | None:
        return self._take(key, self.stems[key]) if key in self.stems else None

    def begin_stem(self, key: CacheKey, frames: int, channels: int) -> MemoryTake:
        return self._take(key, np.full((channels, frames), np.nan, np.float32))

    def keep_stem(self, take: MemoryTake) -> None:
        assert np.isfinite(take.samples).all(), "only a whole stem may be kept"
        self.stems[take.key] = take.samples.copy()

    def _take(self, key: CacheKey, samples: Samples) -> MemoryTake:
        self.takes.append(MemoryTake(key, samples.copy()))
        return self.takes[-1]


@dataclass
class MemoryFile:
    """Fulfils `StemFile`."""

    path: Path
    pieces: list[Samples] = field(default_factory=list)
    state: str = "open"

    @property
    def samples(self) -> Samples:
        return np.concatenate(self.pieces, axis=1)

    def write(self, samples: Samples) -> None:
        assert self.state == "open"
        self.pieces.append(samples)

    def close(self) -> None:
        self.state = "closed"

    def discard(self) -> None:
        self.state = "discarded"


class LoudestKey:
    """Fulfils `ClipEstimator`: a clip is in the key that its loudest sample says, in tenths."""

    fingerprint = "loudest 1"

    def __init__(self) -> None:
        self.sample_rate = RATE
        self.asked = 0

    def estimate(self, clip: Clip, heed: Callable[[], None]) -> KeyEstimate | None:
        self.asked += 1
        heed()
        loudest = float(np.abs(clip.read(0, clip.frames)).max())
        return KeyEstimate(round(10 * loudest), 0.5) if loudest else None


class EverySecondBeats:
    """Fulfils `ClipEstimator`: a clip that is not silent has a beat a second."""

    fingerprint = "every second 1"
    sample_rate = RATE

    def __init__(self) -> None:
        self.asked = 0

    def estimate(self, clip: Clip, heed: Callable[[], None]) -> BeatTrack | None:
        self.asked += 1
        heed()
        if not np.abs(clip.read(0, clip.frames)).max():
            return None
        return BeatTrack(tuple(Seconds(float(k)) for k in range(clip.frames // RATE)), (0,), 0.5)


class Bench:
    """A pipeline with everything around it."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.separator = HalvingSeparator()
        self.transcriber = GateTranscriber()
        self.keys = LoudestKey()
        self.beats = EverySecondBeats()
        self.cache = MemoryCache()
        self.clips = 0
        self.files: dict[Stem, MemoryFile] = {}
        self.midi: dict[Stem, StemNotes] = {}
        self.transport = PARKED
        self.heard: list[JobEvent] = []
        self.cancel_at: type[JobEvent] | None = None
        """The kind of event on which whoever listens cancels the job."""
        self.pipeline = Pipeline(
            separators=self,
            transcribers=self,
            keys=self.keys,
            beats=self.beats,
            cache=self.cache,
            open_clip=self._open_clip,
            decoding="arrays 1",
            create_stem_file=self._create_stem_file,
            write_midi=self._write_midi,
        )

    def load(self, name: str | None, stems: Sequence[Stem]) -> HalvingSeparator:
        return self.separator

    def get(self, name: TranscriberName | None, stem: Stem, hold_ms: float) -> GateTranscriber:
        return self.transcriber

    def warm_up(self) -> None:
        pass

    def _open_clip(self, request: JobRequest, sample_rate: int, channels: int) -> ArrayClip:
        self.clips += 1
        return ArrayClip(self.samples)

    def _create_stem_file(self, folder: Path, stem: Stem, sample_rate: int, channels: int) -> MemoryFile:
        self.files[stem] = MemoryFile(folder / f"{stem}.wav")
        return self.files[stem]

    def _write_midi(
        self, path: Path, stems: Sequence[StemNotes], tempo: TempoMap, channels: Mapping[Stem, int]
    ) -> None:
        self.midi |= {stem.stem: stem for stem in stems}
        self.tempo = tempo

    def run(
        self, *stems: Stem, threshold: float | None = None, key_first: bool = False, **request: object
    ) -> list[JobEvent]:
        """Run one job; return what it said."""
        asked = JobRequest(JobId("a"), Path("/song.wav"), stems=stems or (Stem.VOCALS,), **request)  # type: ignore[arg-type]
        work = Work(
            asked,
            Path("/out"),
            Bpm(120.0),
            channels=dict.fromkeys(Stem, 1),
            thresholds=dict.fromkeys(Stem, threshold),
            holds=dict.fromkeys(Stem, 80.0),
            key_first=key_first,
        )
        self.heard = []
        self.pipeline.run(work, self.heard.append, self._cancelled, lambda: self.transport)
        return self.heard

    def _cancelled(self) -> bool:
        return self.cancel_at is not None and any(isinstance(event, self.cancel_at) for event in self.heard)

    def parked_at(self, seconds: float) -> None:
        self.transport = Transport(PARKED.host, Seconds(seconds), playing=False)

"""Beats as they were tracked in a clip, and the tempo map that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median

from bridge.music.bars import Signature
from bridge.music.tempo import TempoMap, TempoPoint
from bridge.units import Beats, Bpm, Seconds

_FEW = 8
"""Beats that speak for what lies beyond them: two bars."""
UNTRACKED = Bpm(120.0)
"""What stands for a tempo where too few beats were found to have one."""


@dataclass(frozen=True, slots=True)
class BeatTrack:
    """Beats of a clip; each counts as a quarter note."""

    beats: tuple[Seconds, ...]
    """Clip seconds, strictly increasing."""
    downbeats: tuple[int, ...]
    """Which of the beats begin a bar: their indices, increasing."""
    confidence: float
    """0 to 1: how far the audio bears the beats out; 0 where there are too few."""

    def __post_init__(self) -> None:
        if any(b <= a for a, b in pairwise(self.beats)):
            raise ValueError(f"beats must increase: {self.beats}")
        if any(b <= a for a, b in pairwise(self.downbeats)) or not set(self.downbeats) <= set(range(len(self.beats))):
            raise ValueError(f"downbeats must be indices of beats, in order: {self.downbeats}")

    @property
    def bpm(self) -> Bpm:
        """The tempo of the middle beat by length; 120 where fewer than two beats were found."""
        lengths = [b - a for a, b in pairwise(self.beats)]
        return Bpm(60.0 / median(lengths)) if lengths else UNTRACKED

    def tempo_map(self) -> TempoMap:
        """The clip's own seconds and beats: a point a beat, beat 0 on the first downbeat.

        Before the first beat and after the last one it is steady at the tempo of the few that lie there, so that one beat that was
        heard early or late does not speak for a whole intro. Bars change their length where downbeats do.
        """
        return _tempo_map(self)


@lru_cache(maxsize=8)
def _tempo_map(track: BeatTrack) -> TempoMap:
    """Kept, as it is asked for with every stretch of notes, and an hour has thousands of beats."""
    if len(track.beats) < 2:  # noqa: PLR2004 -- one beat has no length
        return TempoMap.constant(track.bpm)
    lengths = [b - a for a, b in pairwise(track.beats)]
    first = track.downbeats[0] if track.downbeats else 0
    intro = Seconds(track.beats[0] - median(lengths[:_FEW]))
    points = tuple(TempoPoint(at, Beats(float(k - first))) for k, at in enumerate((intro, *track.beats), -1))
    signatures = _signatures(track.downbeats, first)
    bar = signatures[0].beats_per_bar if signatures else 4.0
    return TempoMap(points, Bpm(60.0 / median(lengths[-_FEW:])), bar, signatures)


def _signatures(downbeats: Sequence[int], first: int) -> tuple[Signature, ...]:
    """Where bars change their number of beats; a bar of the clip's edge that is not whole says nothing."""
    found: list[Signature] = []
    for begin, end in pairwise(downbeats):
        if not found or found[-1].numerator != end - begin:
            found.append(Signature(Beats(float(begin - first)), end - begin, 4))
    return tuple(found)

"""Quantising: a grid of beats, with swing, and the onsets of a part moved towards it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from bridge.music.tempo import TempoMap, Transport
from bridge.session.clip_clock import ClipClock
from bridge.session.playback import Part
from bridge.session.request import Sync
from bridge.units import Beats, HostTime, Seconds


@dataclass(frozen=True, slots=True)
class Grid:
    """Where onsets are drawn to, and how strongly."""

    strength: float
    """0 leaves onsets where they are, 1 moves them onto the grid."""
    notes: int
    """Grid points a beat."""
    swing: float
    """Where the second of two neighbouring points lies, as a share of the pair; an odd number of notes has no pairs in a beat."""

    def nearest(self, beats: float) -> float:
        """The grid point nearest to a beat, the later of two."""
        pairs = self.notes / 2
        if self.notes % 2:
            return floor(beats * self.notes + 0.5) / self.notes
        pair = floor(beats * pairs)
        points = (pair, pair + self.swing, pair + 1)
        return min(reversed(points), key=lambda point: abs(point - beats * pairs)) / pairs

    def draw(self, beats: float) -> Beats:
        """Move an onset towards the grid; of two onsets the earlier never becomes the later."""
        return Beats(beats + self.strength * (self.nearest(beats) - beats))


@dataclass(frozen=True, slots=True)
class _Line:
    """The beats of a clip's seconds, on which the grid lies."""

    start: float
    rate: float
    tempo: TempoMap
    """The clip's own where `own_beats`, else that of a line of seconds on which the clip begins at `start` and plays at `rate`."""
    own_beats: bool

    def beats(self, clip: float) -> float:
        if self.own_beats:
            return self.start + self.tempo.beats_at(Seconds(clip))
        return self.tempo.beats_at(Seconds(self.start + clip / self.rate))

    def clip(self, beats: Beats) -> Seconds:
        if self.own_beats:
            return self.tempo.seconds_at(Beats(beats - self.start))
        return Seconds((self.tempo.seconds_at(beats) - self.start) * self.rate)


def _line(part: Part, clock: ClipClock, transport: Transport) -> _Line:
    """The project's beats under a locked part; under a launched one the clip's own, or those from its launch on."""
    locked = part.sync is Sync.TRANSPORT
    if clock.own is not None:
        return _Line(clock.start if locked else 0.0, 1.0, clock.own, own_beats=True)
    tempo = transport.tempo if locked else TempoMap.constant(transport.tempo.bpm_at(transport.seconds))
    return _Line(clock.start, clock.rate, tempo, own_beats=False)


class Placing:
    """When the notes of one pass are due: their clip time drawn to the grid, its host time, and the part's offset.

    Monotone: notes in order of onset are due in that order.
    """

    def __init__(self, part: Part, transport: Transport, grid: Grid, offset: Seconds, clock: ClipClock) -> None:
        self._clock = clock
        self._grid = grid
        self._offset = offset
        self._line = _line(part, clock, transport) if grid.strength else None

    def clip(self, onset: Seconds) -> Seconds:
        """The clip second to which an onset is drawn."""
        if self._line is None:
            return onset
        return self._line.clip(self._grid.draw(self._line.beats(onset)))

    def host(self, clip: float) -> HostTime:
        """When a clip second sounds; onsets have been drawn to the grid before."""
        return HostTime(self._clock.host_at(clip) + self._offset)

    def into(self, host: HostTime, clip: float) -> Seconds:
        """How far past a clip second, in clip seconds, it sounds at a host time."""
        return Seconds(self._clock.clip_at(host - self._offset) - clip)

    def due(self, onset: Seconds) -> HostTime:
        """When an onset sounds."""
        return self.host(self.clip(onset))


Place = Callable[[ClipClock], Placing]
"""A part's placing on any clock."""

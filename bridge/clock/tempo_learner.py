"""The project's tempo map as far as it has been heard: what a DAW says of its tempo, kept where it said it.

No transport protocol hands over the tempo map, only the tempo under the playhead. A change in what had not been played before is a new
point; one where another tempo had been heard shows that the project has one tempo, which was turned.
"""

from dataclasses import replace
from math import inf

from bridge.clock.observation import FASTEST, SLOWEST
from bridge.music.tempo import TempoMap, TempoPoint
from bridge.units import Beats, Bpm, Seconds

_SAME_TEMPO = 1e-6
"""Relative; OSC's floats have seven digits."""
_SAME_BEAT = 0.004
"""Beats: 2 ms at 120 quarter notes a minute."""
_DRIFTED = 0.25
"""Beats: a beat that is told and is closer than this to what the map has is the same one, which the map has not quite met."""
_HANGING = Seconds(0.5)
"""So long a DAW may take to be where it says that it is."""
_WAITS = Seconds(0.4)
"""A tempo is told so late at most after it has changed."""
_NEAR = Seconds(0.5)
"""A change is noticed so late at most; the playhead is then a little inside what had not been heard."""
_APART = Seconds(0.1)
"""Points lie no closer."""
_SHORTEST = Seconds(0.001)
"""Nobody's piece of one tempo is shorter: what says so is garbage, whose tempo might be infinite."""
_POINTS = 500
"""Of a map, at most: a ramp that is heard as steps leaves some ten a second."""
_GRIDS = (1.0, 0.5, 0.1, 0.05, 0.01)
"""Tempi that people set, in quarter notes a minute, the likeliest first."""
_WITHIN = 3.0
"""Standard deviations that a measured tempo may be off."""
_SIGNIFICANT = 4.0
"""A grid proves something only where its lines lie further apart than so many times the doubt on both sides."""
_CLOCK_DRIFT = 1e-4
"""Relative: two machines' clocks may run so differently; no tempo is measured better than that."""


def plausible(bpm: Bpm, doubt: float, before: Bpm) -> Bpm:
    """Name a measured tempo: as before while nothing speaks against that, else the round one near by, else what was measured.

    `doubt` is the measurement's standard deviation, relative. A tempo that wavers would move all that is placed in seconds.
    """
    room = bpm * (_WITHIN * doubt + _CLOCK_DRIFT)
    if abs(before - bpm) <= room and _on_grid(before):
        return before
    for grid in _GRIDS:
        nearest = round(bpm / grid) * grid
        if nearest > 0 and abs(nearest - bpm) <= room and grid > 2 * _SIGNIFICANT * room / _WITHIN:
            return Bpm(nearest)
    return before if abs(before - bpm) <= room else bpm


def _on_grid(bpm: Bpm) -> bool:
    return abs(bpm / _GRIDS[-1] - round(bpm / _GRIDS[-1])) < _SAME_TEMPO / _GRIDS[-1]


def _believable(last: TempoPoint, seconds: Seconds, beat: Beats) -> bool:
    """Whether a piece of a tempo map can lead from this point to that one."""
    length = seconds - last.seconds
    return length >= _SHORTEST and SLOWEST <= (beat - last.beats) / length * 60 <= FASTEST


class TempoLearner:
    """The map that positions are read through, given or learned."""

    def __init__(self, map_: TempoMap) -> None:
        self._map = map_
        self._given = False
        self._heard = Seconds(-inf)
        """How far the project has been played on this map."""
        self._doubt: tuple[Seconds, Beats] | None = None
        """Since when a beat is told beside the map, and how far."""

    @property
    def map(self) -> TempoMap:
        return self._map

    def give(self, map_: TempoMap | None) -> None:
        """Use this map and learn nothing; None: learn again, from here on."""
        self._given = map_ is not None
        self._map = map_ or self._map

    def say(self, bpm: Bpm) -> None:
        """Take this tempo where none is told, until one is."""
        if not self._given:
            self._map = TempoMap.constant(bpm, self._map.beats_per_bar)
            self._heard = Seconds(-inf)

    def rolled(self, seconds: Seconds) -> None:
        """The project has been played up to here."""
        self._heard = max(self._heard, seconds)

    def bar(self, beats_per_bar: float | None) -> None:
        """Note how many quarter notes a bar has."""
        if beats_per_bar is not None and beats_per_bar != self._map.beats_per_bar and not self._given:
            self._map = replace(self._map, beats_per_bar=beats_per_bar)

    def hear(self, seconds: Seconds, bpm: Bpm, beats: Beats | None = None, *, rolling: bool = False) -> None:
        """Take in the tempo at a project second, and the beat there where that is told.

        `rolling` says that the playhead came here by playing, so that all before it holds.
        """
        if self._given:
            return
        expected = self._map.beats_at(seconds)
        beat = expected if beats is None else beats
        off = abs(beat - expected)
        same_tempo = abs(self._map.bpm_at(seconds) / bpm - 1) <= _SAME_TEMPO
        if off <= _SAME_BEAT and same_tempo:
            self._doubt = None
            return
        if rolling and same_tempo and off < _DRIFTED and not self._settled(seconds, Beats(beat - expected)):
            return
        self._doubt = None
        last = self._map.points[-1]
        if rolling and off < _DRIFTED and 0 <= last.seconds - seconds < _NEAR:
            # Jitter has put the playhead back behind a change that it had passed.
            self.refine(bpm)
            return
        ahead = _believable(last, seconds, beat)
        # Where no tempo has changed, no beat can have drifted: then the map was hung up in the wrong place, as by a DAW that
        # told its beat while it still chased its position.
        misplaced = beats is not None and len(self._map.points) == 1 and same_tempo
        if rolling and ahead and off < _DRIFTED and self._heard - seconds < _NEAR and not misplaced:
            points = self._map.points[-_POINTS:]
            if len(points) > 1 and seconds - points[-2].seconds < _APART:
                # A ramp that is told fifty times a second is told well enough by some ten points.
                points = points[:-1]
            self._map = replace(self._map, points=(*points, self._turn(seconds, beat, bpm)), bpm=bpm)
        elif beats is not None:
            self._map = TempoMap((TempoPoint(seconds, beats),), bpm, self._map.beats_per_bar)
            self._heard = seconds
        else:
            self._map = TempoMap.constant(bpm, self._map.beats_per_bar)
            self._heard = Seconds(-inf)

    def _settled(self, seconds: Seconds, off: Beats) -> bool:
        """Whether a beat that is told beside the map has been so for long enough, by the same distance.

        One that is further and further off is the first sign of a tempo that will be told in a moment. But just after the map was hung
        up it is the map that was wrong: a DAW that starts to chase another's position tells its beat a little beside.
        """
        if len(self._map.points) == 1 and seconds - self._map.points[0].seconds < _HANGING:
            return True
        if self._doubt is None or abs(self._doubt[1] - off) > _SAME_BEAT or seconds < self._doubt[0]:
            self._doubt = seconds, off
        return seconds - self._doubt[0] >= _WAITS

    def _turn(self, seconds: Seconds, beat: Beats, bpm: Bpm) -> TempoPoint:
        """Where the tempo changed that is heard here: where the line so far meets the one through this beat at the new tempo."""
        last, faster = self._map.points[-1], (bpm - self._map.bpm) / 60
        if faster:
            at = Seconds(seconds - (beat - self._map.beats_at(seconds)) / faster)
            if last.seconds + _SHORTEST < at <= seconds and seconds - at < _NEAR:
                return TempoPoint(at, self._map.beats_at(at))
        return TempoPoint(seconds, beat)

    def refine(self, bpm: Bpm) -> None:
        """State the tempo of the last piece better."""
        if not self._given:
            self._map = replace(self._map, bpm=bpm)

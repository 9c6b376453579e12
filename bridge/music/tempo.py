"""Project time: `TempoMap` between seconds and beats, `Transport` between the host's clock and project seconds.

A beat is a quarter note. Both are values: a tempo change or a seek is a new `Transport`.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from operator import attrgetter
from typing import NamedTuple

from bridge.music.bars import BarPosition, Signature, bar_at, check_signatures, next_bar
from bridge.music.ramps import Over, Piece, Ramp, ramp_seconds
from bridge.units import Beats, Bpm, HostTime, Seconds

SHORTEST_LOOP = Seconds(0.01)
"""A loop shorter than this does not act: it would be a buzz, and cost more than it plays."""
_SAME_TIME = 1e-9
"""Seconds by which a ramp may miss the point that it leads to."""
_SECONDS, _BEATS = attrgetter("seconds"), attrgetter("beats")


class TempoPoint(NamedTuple):
    """Where a piece of a tempo map begins."""

    seconds: Seconds
    beats: Beats
    ramp: Ramp | None = None
    """How the tempo goes from here to the next point; None for one tempo on the way."""


class TempoChange(NamedTuple):
    """A tempo from a beat on, as DAWs and files list them."""

    beats: Beats
    bpm: Bpm
    ramp: Over | None = None
    """Along what the tempo goes straight to that of the next change; None for a jump there."""


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Steady or ramped between (seconds, beats) points; before the first one as it begins there, after the last one `bpm`.

    Defined for every second and beat, also below 0; both directions are analytic.
    """

    points: tuple[TempoPoint, ...]
    """Strictly increasing in both coordinates, at least one; a ramp takes the seconds that lie between its points."""
    bpm: Bpm
    beats_per_bar: float = 4.0
    """Before the first of the `signatures`, counted from beat 0."""
    signatures: tuple[Signature, ...] = ()
    """Time signatures, each from its beat on, in order."""

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a tempo map needs at least one point")
        if not 0 < self.bpm < inf or not 0 < self.beats_per_bar < inf:
            raise ValueError(f"bpm and beats per bar must be above 0, not {self.bpm} and {self.beats_per_bar}")
        for a, b in pairwise(self.points):
            if not (b.seconds > a.seconds and b.beats > a.beats):
                raise ValueError(f"tempo map points must increase: {a} is followed by {b}")
            if a.ramp is not None:
                _check_ramp(a, a.ramp, b)
        if self.points[-1].ramp is not None:
            raise ValueError(f"the tempo map's last point has a ramp to nowhere: {self.points[-1]}")
        check_signatures(self.signatures)

    @classmethod
    def constant(cls, bpm: Bpm, beats_per_bar: float = 4.0) -> "TempoMap":
        """Beat 0 at second 0, one tempo throughout."""
        return cls((TempoPoint(Seconds(0.0), Beats(0.0)),), bpm, beats_per_bar)

    @classmethod
    def of_changes(
        cls, changes: Sequence[TempoChange], beats_per_bar: float = 4.0, signatures: Sequence[Signature] = ()
    ) -> "TempoMap":
        """Beat 0 at second 0 and these tempi, in order of beats, at least one; the first holds before, the last after all.

        Raises:
            ValueError: changes that are not in order, or a tempo that is not above 0.

        """
        if not changes or not all(0 < change.bpm < inf for change in changes):
            raise ValueError(f"a tempo map needs at least one tempo, all above 0, not {changes}")
        ways = [Ramp(a.bpm, b.bpm if a.ramp else a.bpm, a.ramp or Over.BEATS) for a, b in pairwise(changes)]
        lengths = [
            ramp_seconds(way, Beats(b.beats - a.beats)) for way, (a, b) in zip(ways, pairwise(changes), strict=True)
        ]
        points = tuple(
            TempoPoint(Seconds(seconds), change.beats, way if change.ramp else None)
            for seconds, change, way in zip([0.0, *_running_sums(lengths)], changes, [*ways, None], strict=True)
        )
        found = cls(points, changes[-1].bpm, beats_per_bar, tuple(signatures))
        zero = found.seconds_at(Beats(0.0))
        return replace(found, points=tuple(p._replace(seconds=Seconds(p.seconds - zero)) for p in points))

    def _piece(self, index: int) -> tuple[TempoPoint, Piece]:
        """The point that a piece hangs on and how it goes on from there."""
        if index < 0:
            # What leads to the first point is as steady as the tempo is there.
            point, piece = self._piece(0)
            return point, Piece(piece.slope)
        if index >= len(self.points) - 1:
            return self.points[-1], Piece(self.bpm / 60.0)
        a, b = self.points[index], self.points[index + 1]
        if a.ramp is None:
            return a, Piece((b.beats - a.beats) / (b.seconds - a.seconds))
        return a, Piece.of(a.ramp, b.seconds - a.seconds, b.beats - a.beats)

    def beats_at(self, seconds: Seconds) -> Beats:
        """The beat that sounds at a project second."""
        point, piece = self._piece(bisect_right(self.points, seconds, key=_SECONDS) - 1)
        return Beats(point.beats + piece.beats(seconds - point.seconds))

    def seconds_at(self, beats: Beats) -> Seconds:
        """The project second at which a beat sounds."""
        point, piece = self._piece(bisect_right(self.points, beats, key=_BEATS) - 1)
        return Seconds(point.seconds + piece.seconds(beats - point.beats))

    def bpm_at(self, seconds: Seconds) -> Bpm:
        """The tempo at this second; where it jumps, the one that holds from there on."""
        point, piece = self._piece(bisect_right(self.points, seconds, key=_SECONDS) - 1)
        return piece.bpm(seconds - point.seconds)

    def bar_at(self, beats: Beats) -> BarPosition:
        """The bar that a beat lies in, and how far into it."""
        return bar_at(self.signatures, self.beats_per_bar, beats)

    def next_bar(self, beats: Beats) -> Beats:
        """The first beat, this one or a later, at which a bar begins."""
        return next_bar(self.signatures, self.beats_per_bar, beats)


def _check_ramp(point: TempoPoint, ramp: Ramp, following: TempoPoint) -> None:
    if not (0 < ramp.begin < inf and 0 < ramp.end < inf):
        raise ValueError(f"a tempo map's ramp must have tempi above 0: {point}")
    takes = ramp_seconds(ramp, Beats(following.beats - point.beats))
    if abs(point.seconds + takes - following.seconds) > _SAME_TIME:
        raise ValueError(f"the tempo map's ramp from {point} takes {takes} s and does not end at {following}")


def _running_sums(values: Sequence[float]) -> Iterator[float]:
    """The sums of the first one, two, ... values, compensated (Neumaier 1974): thousands of tempi lose no more than one does."""
    total = lost = 0.0
    for value in values:
        following = total + value
        lost += (total - following) + value if abs(total) >= abs(value) else (value - following) + total
        total = following
        yield total + lost


class Loop(NamedTuple):
    """The part of the project that the transport repeats."""

    start: Beats
    end: Beats


class Span(NamedTuple):
    """A stretch of host time in which the project runs on without a jump."""

    host: HostTime
    """When it begins."""
    seconds: Seconds
    """The project position then."""
    length: Seconds
    wraps: bool
    """Whether the loop's end cuts it."""


@dataclass(frozen=True, slots=True)
class Transport:
    """Where the project is at one host time and how it goes on from there: parked, rolling, or rolling round a loop."""

    host: HostTime
    seconds: Seconds
    playing: bool
    tempo: TempoMap = field(default_factory=lambda: TempoMap.constant(Bpm(120.0)))
    loop: Loop | None = None

    def position(self, host: HostTime) -> Seconds:
        """Project seconds at a host time; before `host` it is extrapolated backwards without wrapping."""
        if not self.playing:
            return self.seconds
        ahead = self.seconds + (host - self.host)
        bounds = self.loop_seconds
        if bounds is None or ahead < bounds[1]:
            return Seconds(ahead)
        start, end = bounds
        return Seconds(start + (ahead - end) % (end - start))

    def beats(self, host: HostTime) -> Beats:
        """Project beats at a host time."""
        return self.tempo.beats_at(self.position(host))

    def wrap_after(self, host: HostTime) -> HostTime | None:
        """The first time after `host` at which the loop jumps back; None while parked or without an acting loop."""
        bounds = self.loop_seconds
        if not self.playing or bounds is None:
            return None
        length = bounds[1] - bounds[0]
        first = self.host + (bounds[1] - self.seconds)
        # Every wrap is counted from the anchor, not from the wrap before: a thousand rounds do not drift.
        rounds = max(0, int((host - first) // length))
        while first + rounds * length <= host:
            rounds += 1
        return HostTime(first + rounds * length)

    def spans(self, begin: HostTime, end: HostTime) -> Iterator[Span]:
        """Cut host time `begin` to `end` into stretches without a jump; none while parked."""
        if not self.playing:
            return
        host = begin
        while host < end:
            wrap, bounds = self.wrap_after(host), self.loop_seconds
            if wrap is None or bounds is None:
                yield Span(host, self.position(host), Seconds(end - host), wraps=False)
                return
            until = min(wrap, end)
            yield Span(host, Seconds(bounds[1] - (wrap - host)), Seconds(until - host), wraps=wrap <= end)
            host = until

    @property
    def loop_seconds(self) -> tuple[Seconds, Seconds] | None:
        """The loop in project seconds, or None where it cannot act: off, too short, or the playhead beyond its end."""
        if self.loop is None:
            return None
        start, end = self.tempo.seconds_at(self.loop.start), self.tempo.seconds_at(self.loop.end)
        return None if self.seconds >= end or end - start < SHORTEST_LOOP else (start, end)


PARKED = Transport(HostTime(0.0), Seconds(0.0), playing=False)
"""A project that nobody has moved."""

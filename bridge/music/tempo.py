"""Project time: `TempoMap` between seconds and beats, `Transport` between the host's clock and project seconds.

A beat is a quarter note. Both are values: a tempo change or a seek is a new `Transport`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.units import Beats, Bpm, HostTime, Seconds

SHORTEST_LOOP = Seconds(0.01)
"""A loop shorter than this does not act: it would be a buzz, and cost more than it plays."""


class TempoPoint(NamedTuple):
    """Where a straight piece of a tempo map begins."""

    seconds: Seconds
    beats: Beats


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Piecewise linear between (seconds, beats) points; `bpm` holds after the last one, the first piece before all."""

    points: tuple[TempoPoint, ...]
    """Strictly increasing in both coordinates, at least one."""
    bpm: Bpm
    beats_per_bar: float = 4.0

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a tempo map needs at least one point")
        if not self.bpm > 0 or not self.beats_per_bar > 0:
            raise ValueError(f"bpm and beats per bar must be above 0, not {self.bpm} and {self.beats_per_bar}")
        for a, b in zip(self.points, self.points[1:], strict=False):
            if b.seconds <= a.seconds or b.beats <= a.beats:
                raise ValueError(f"tempo map points must increase: {a} is followed by {b}")

    @classmethod
    def constant(cls, bpm: Bpm, beats_per_bar: float = 4.0) -> "TempoMap":
        """Beat 0 at second 0, one tempo throughout."""
        return cls((TempoPoint(Seconds(0.0), Beats(0.0)),), bpm, beats_per_bar)

    def _piece(self, index: int) -> tuple[TempoPoint, float]:
        """The point that a piece hangs on and its slope in beats a second."""
        index = max(0, index)
        if index >= len(self.points) - 1:
            return self.points[-1], self.bpm / 60.0
        a, b = self.points[index], self.points[index + 1]
        return a, (b.beats - a.beats) / (b.seconds - a.seconds)

    def beats_at(self, seconds: Seconds) -> Beats:
        """The beat that sounds at a project second."""
        point, slope = self._piece(bisect_right(self.points, seconds, key=lambda p: p.seconds) - 1)
        return Beats(point.beats + (seconds - point.seconds) * slope)

    def seconds_at(self, beats: Beats) -> Seconds:
        """The project second at which a beat sounds."""
        point, slope = self._piece(bisect_right(self.points, beats, key=lambda p: p.beats) - 1)
        return Seconds(point.seconds + (beats - point.beats) / slope)

    def bpm_at(self, seconds: Seconds) -> Bpm:
        """The tempo that holds from this second on."""
        return Bpm(60.0 * self._piece(bisect_right(self.points, seconds, key=lambda p: p.seconds) - 1)[1])


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

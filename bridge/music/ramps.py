"""Straight and ramped pieces of a tempo map, each analytic in both directions.

DAWs draw a tempo ramp as a straight line of bpm, but over different axes. Over **beats**: Cubase, Ardour, and Live, Logic and
Bitwig, whose tempo automation lies on the bar ruler (Live and Logic play it as fine steps). Over **seconds**: REAPER's linear
tempo envelope. Between the same two tempi both take the same beats and different seconds.
"""

from collections.abc import Callable
from enum import StrEnum
from math import ceil, expm1, log1p, sqrt
from typing import NamedTuple

from bridge.units import Beats, Bpm, Seconds


class Over(StrEnum):
    """The axis along which a ramp's tempo is a straight line."""

    BEATS = "beats"
    SECONDS = "seconds"


class Ramp(NamedTuple):
    """How the tempo goes from one point of a map to the next."""

    begin: Bpm
    end: Bpm
    over: Over


class Piece(NamedTuple):
    """Tempo from one place on, in beats a second; distances are from that place. `bend` 0: it is steady."""

    slope: float
    """Beats a second at the place."""
    bend: float = 0.0
    """What the slope gains in a beat, or in a second."""
    over: Over = Over.BEATS

    @classmethod
    def of(cls, ramp: Ramp, seconds: float, beats: float) -> "Piece":
        """A ramp that takes so many seconds and beats."""
        gain = (ramp.end - ramp.begin) / 60.0
        return cls(ramp.begin / 60.0, gain / (beats if ramp.over is Over.BEATS else seconds), ramp.over)

    def beats(self, seconds: float) -> float:
        """Beats in the first so many seconds."""
        if self.over is Over.BEATS:
            return self.slope * seconds * _unit(expm1, self.bend * seconds)
        return seconds * (self.slope + self.bend * seconds / 2)

    def seconds(self, beats: float) -> float:
        """Seconds in the first so many beats."""
        if self.over is Over.BEATS:
            return beats / self.slope * _unit(log1p, self.bend * beats / self.slope)
        # The root that does not subtract: the other loses digits where the ramp is slight.
        return 2 * beats / (self.slope + sqrt(self.slope**2 + 2 * self.bend * beats))

    def bpm(self, seconds: float) -> Bpm:
        """The tempo after so many seconds."""
        along = self.beats(seconds) if self.over is Over.BEATS else seconds
        return Bpm(60.0 * (self.slope + self.bend * along))


def ramp_seconds(ramp: Ramp, beats: Beats) -> Seconds:
    """How long a ramp over so many beats takes."""
    if ramp.over is Over.SECONDS:
        return Seconds(120.0 * beats / (ramp.begin + ramp.end))
    return Seconds(60.0 * beats / ramp.begin * _unit(log1p, (ramp.end - ramp.begin) / ramp.begin))


def equal_steps(ramp: Ramp, beats: Beats, error: Seconds) -> int:
    """Into how many steps of equal beats a ramp must be cut for steady ones, right at their ends, to stay within `error` of it."""
    slowest = min(ramp.begin, ramp.end) / 60.0
    gain = abs(ramp.end - ramp.begin) / 60.0
    # The curvature of seconds over beats where it is greatest; a chord of n beats leaves the curve by n * n / 8 times that.
    curvature = gain / (slowest**2 * beats)
    if ramp.over is Over.SECONDS:
        curvature = gain / (slowest**3 * ramp_seconds(ramp, beats))
    return max(1, ceil(beats * sqrt(curvature / (8 * error))))


def _unit(function: Callable[[float], float], x: float) -> float:
    """`function(x) / x`, 1 where x is 0, for functions that begin like x itself."""
    return function(x) / x if x else 1.0

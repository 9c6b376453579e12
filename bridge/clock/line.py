"""A number that runs on with the host's clock, seen through jitter: least squares that forget when the line bends.

Everything is measured in seconds of host time: how much too far on, or back, an observation is. So one set of bounds serves
positions in seconds and in beats, whatever the tempo.
"""

from collections import deque
from math import sqrt
from statistics import median

from bridge.units import Bpm, HostTime

_MEMORY = 256
"""Observations that a fit rests on at most."""
_MEMORY_TOLD = 8.0
"""Seconds of them where the speed is told: the other side's clock may drift by some 0.1 ms in that time."""
_MEMORY_MEASURED = 20.0
"""Seconds of them where the speed is measured too, and a drift with it."""
_GATE = 0.008
"""Seconds: nothing closer than this is looked at as an outlier."""
_GATE_DEVIATIONS = 4.5
_GATE_UNSURE = 0.03
"""Seconds: the gate while too few observations tell how noisy they are."""
_SURE = 8
"""Observations that tell."""
_QUIET = 0.0002
"""Seconds: the least noise that is believed, a frame or two of a sound card."""
_NOISY = 0.002
"""Seconds: the noise that is assumed while it is not known."""
_AGREE_DEVIATIONS = 6.0
_DEVIATION = 1.4826
"""Standard deviation over median magnitude, of normal noise."""
_RECENT = (4, 8, 16)
"""The newest so many observations together may contradict the line where none does alone."""
_PRIOR = 0.1
"""Relative deviation of the speed from what it was, before anything has been measured."""
_SEEN_TURNING = 0.5
"""Seconds: a change of speed, told with an observation that is further off than this, is one with a jump."""
_HELD = 3
"""So many observations in a row beside the line are no outliers, even where they do not agree with each other."""


class Line:
    """Position as a straight line over host time."""

    def __init__(self) -> None:
        self._host = HostTime(0.0)
        self._value = 0.0
        self._speed = float(Bpm(120.0)) / 60
        self._told = False
        self._points: deque[tuple[float, float]] = deque(maxlen=_MEMORY)
        """Host time, and how far on of the line through `_host`, in seconds."""
        self._held: list[tuple[float, float]] = []
        """Host time and value of the latest observations, where they lie beside the line."""
        self._offset = 0.0
        self._slope = 0.0
        """Both of the fit to `_points`, relative to the line: seconds, and seconds a second."""
        self._middle = 0.0
        """Host time at which the line is `_offset` off."""
        self._spread = 0.0
        """Sum of squared host times about `_middle`."""
        self._noise = _NOISY
        self.bends = 0
        """How often the line was begun anew or bent: between two of them it is one line."""

    @property
    def speed(self) -> float:
        """Units a second."""
        return self._speed * (1 + self._slope)

    @property
    def doubt(self) -> float:
        """Standard deviation of the speed, relative to it; 0 where it is told."""
        if self._told:
            return 0.0
        return 1 / sqrt(self._spread / self._noise**2 + 1 / _PRIOR**2)

    def at(self, host: HostTime) -> float:
        """The value at a host time."""
        ahead = host - self._host + self._offset + self._slope * (host - self._middle)
        return self._value + ahead * self._speed

    def shift(self, distance: float) -> None:
        """Move the line: the same movement, counted from elsewhere."""
        self._value += distance
        self._held = [(host, value + distance) for host, value in self._held]

    def restart(self, host: HostTime, value: float, told: float | None, expected: float) -> None:
        """Begin a line at a value; without a told speed at the one that is expected until it is measured."""
        self._anchor(host, value, expected if told is None else told)
        self._told = told is not None
        self._begin([(host, value)])

    def observe(self, host: HostTime, value: float, told: float | None) -> None:
        """Take in where the value was seen, and its speed where that is known."""
        self.retell(host, told, value)
        error = (value - self.at(host)) / self.speed
        if abs(error) > self._gate():
            self._held.append((host, value))
            self._judge()
            return
        self._held.clear()
        self._points.append((host, (value - self._value) / self._speed - (host - self._host)))
        age = _MEMORY_TOLD if self._told else _MEMORY_MEASURED
        while host - self._points[0][0] > age:
            self._points.popleft()
        self._fit()
        self._look_for_bend()

    def _gate(self) -> float:
        """How far beside the line an observation may lie, in seconds."""
        if len(self._points) < _SURE:
            return _GATE_UNSURE
        return max(_GATE, _GATE_DEVIATIONS * self._noise)

    def _judge(self) -> None:
        """Begin anew where the observations beside the line agree with each other, or are too many."""
        if len(self._held) == 1:
            return
        (host, value), (later, last) = self._held[-2:]
        apart = (last - value) / self.speed - (later - host)
        if abs(apart) <= self._gate():
            self._rebase(self._held[-2:])
        elif len(self._held) >= _HELD:
            self._rebase(self._held[-_HELD:])

    def _look_for_bend(self) -> None:
        """Forget what lies before, where the newest observations together say that the line is another one."""
        if len(self._points) < _SURE:
            return
        errors = [error - self._fitted(host) for host, error in self._points]
        # Second differences see the jitter alone, also where the line through the points is a wrong one.
        bends = [abs(a - 2 * b + c) for a, b, c in zip(errors, errors[1:], errors[2:], strict=False)]
        self._noise = max(_QUIET, _DEVIATION * median(bends) / sqrt(6))
        for count in _RECENT:
            if 2 * count > len(errors):
                return
            # The median: one that is far off does not speak for the others.
            if abs(median(errors[-count:])) > _AGREE_DEVIATIONS * self._noise / sqrt(count):
                recent = list(self._points)[-count:]
                self._rebase([(host, self._value + self._speed * (host - self._host + e)) for host, e in recent])
                return

    def retell(self, host: HostTime, told: float | None, value: float | None = None) -> None:
        """Go on at another told speed, which holds since some time after the last observation; `value` is seen now."""
        if told is None:
            self._told = False
            return
        if self._told and told == self._speed:
            return
        before, seen = self.at(host), HostTime(self._points[-1][0])
        since = self.at(seen) + told * (host - seen)
        low, high = sorted((before, since))
        kept = [(at, error - self._fitted(at)) for at, error in self._points]
        open_ = (high - low) / told > self._noise and (value is None or abs(value - before) / told < _SEEN_TURNING)
        here = before if value is None or not open_ else max(low, min(high, value))
        self._anchor(host, here, told)
        self._told = True
        self.bends += 1
        # Where it matters when the speed changed, what was seen before says nothing of where the line is now.
        self._points.extend([(host, 0.0)] if open_ else kept)
        self._fit()

    def _rebase(self, seen: list[tuple[float, float]]) -> None:
        """Begin anew with these observations."""
        host, value = seen[-1]
        self._anchor(HostTime(host), value, self._speed if self._told else self.speed)
        self._begin(seen)

    def _anchor(self, host: HostTime, value: float, speed: float) -> None:
        self._host, self._value, self._speed = host, value, speed
        self._offset = self._slope = self._spread = 0.0
        self._middle = host
        self._points.clear()

    def _begin(self, seen: list[tuple[float, float]]) -> None:
        self.bends += 1
        self._held = []
        self._points.extend((host, (value - self._value) / self._speed - (host - self._host)) for host, value in seen)
        self._fit()

    def _fitted(self, host: float) -> float:
        return self._offset + self._slope * (host - self._middle)

    def _fit(self) -> None:
        count = len(self._points)
        self._middle = sum(host for host, _ in self._points) / count
        self._offset = sum(error for _, error in self._points) / count
        self._slope = self._spread = 0.0
        if self._told:
            return
        across = 0.0
        for host, error in self._points:
            self._spread += (host - self._middle) ** 2
            across += (host - self._middle) * error
        # The speed is what it was unless the observations know better: two of them, a few ms apart, do not.
        self._slope = across / (self._spread + (self._noise / _PRIOR) ** 2)

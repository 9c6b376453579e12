"""When playback may start so that it cannot overtake the analysis."""

from dataclasses import dataclass

from bridge.units import HostTime, Seconds

SAFETY = 0.9
"""The share of the measured speed that is counted on: other programs will want the machine too."""


@dataclass(slots=True)
class Lead:
    """Watches the analysis of one job; times are clip seconds but for `HostTime`."""

    duration: Seconds
    """Of the clip."""
    rate: float
    """Clip seconds that playback uses in a second."""
    began: HostTime
    """When separation began."""
    speed: float = 0.0
    """Clip seconds analysed in a second, so far."""
    known: Seconds = Seconds(0.0)
    """Every onset before this is known."""
    _stretch: float = 0.0

    def advance(self, analysed: Seconds, known: Seconds, now: HostTime) -> None:
        """Take in that the clip is separated up to `analysed` and transcribed up to `known`."""
        self._stretch = max(self._stretch, known - self.known)
        self.known = known
        self.speed = analysed / max(now - self.began, 1e-3)

    @property
    def enough(self) -> bool:
        """Whether a playhead that starts now at the clip's start stays behind what is known.

        Analysis comes in stretches, so what is known may stand still for the time that one stretch takes.
        """
        if self.known >= self.duration:
            return True
        if self.known <= 0:
            return False
        speed = SAFETY * self.speed
        wait = self._stretch / speed * self.rate
        shortfall = self.duration * max(0.0, 1.0 - speed / self.rate)
        return self.known >= min(self.duration, wait + shortfall)

"""When playback may start so that it cannot overtake the analysis."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.music.notes import Extent
from bridge.units import HostTime, Seconds

SAFETY = 0.9
"""The share of the measured speed that is counted on: other programs will want the machine too."""
NEARLY = 1e-6
"""Seconds by which sums of times may miss the clip's end."""


@dataclass(slots=True)
class Lead:
    """Watches the analysis of one stem; times are clip seconds but for `HostTime`."""

    duration: Seconds
    """Of the clip."""
    rate: float
    """Clip seconds that playback uses in a second."""
    began: HostTime
    """When separation began."""
    speed: float = 0.0
    """Clip seconds analysed in a second, so far."""
    playhead: Seconds = Seconds(0.0)
    """Where playback would come in now."""
    known: Seconds = Seconds(0.0)
    """Every onset from the playhead to here is known."""
    _stretch: float = 0.0
    """The most that one stretch has added."""
    _analysed: Seconds = Seconds(0.0)

    def advance(self, analysed: Seconds, known: Sequence[Extent], now: HostTime, playhead: Seconds) -> None:
        """Take in that so much of the clip is analysed, where its onsets are known, and where playback would come in."""
        self.speed = analysed / max(now - self.began, 1e-3)
        self._stretch = max(self._stretch, analysed - self._analysed)
        self._analysed = analysed
        self.playhead = playhead
        self.known = max((e.end for e in known if e.begin <= playhead < e.end), default=playhead)

    @property
    def enough(self) -> bool:
        """Whether playback that starts now stays behind what is known, to the clip's end.

        Analysis comes in stretches, so what is known may stand still for the time that one stretch takes.
        """
        if self.known >= self.duration - NEARLY:
            return True
        if self.known <= self.playhead:
            return False
        speed = SAFETY * self.speed
        wait = self._stretch / speed * self.rate
        shortfall = (self.duration - self.playhead) * max(0.0, 1.0 - speed / self.rate)
        return self.known >= min(self.duration, self.playhead + wait + shortfall)

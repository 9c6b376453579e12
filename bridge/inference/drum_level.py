"""How hard a drum was struck: MIDI velocity from the level in its own band, against that drum's own loud strokes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bridge.inference.drum_spectrum import AHEAD, CENTRES, HOP, DrumFrame
from bridge.units import Velocity


@dataclass(frozen=True, slots=True)
class _Band:
    low: float
    high: float
    """Hertz."""
    usual: float
    """Decibels of a loud stroke against the stem's loudest of late: what holds before any stroke was heard."""


_BANDS: Mapping[str, _Band] = {
    "kick": _Band(35, 130, -3.0),
    "snare": _Band(150, 6000, -5.0),
    "side_stick": _Band(500, 6000, -14.0),
    "closed_hat": _Band(5000, 16500, -25.0),
    "open_hat": _Band(5000, 16500, -18.0),
    "tom": _Band(60, 500, -4.0),
    "crash": _Band(2500, 16500, -8.0),
    "ride": _Band(2500, 16500, -24.0),
}
FRAMES = AHEAD // HOP + 2
"""What a stroke is measured by: from the frame that ends where the stroke begins to the one after its own."""
_LEAST = 0.1
"""Of the level in the band, what a stroke is at least."""
LOUD = 105.0
"""The velocity of a loud stroke."""
PER_DECIBEL = 3.0
_STEP = 2.0
"""Decibels by which a stroke moves the reference at most."""
_QUANTILE = 0.8
"""Of a drum's strokes, those that are softer than its loud ones."""


class StrikeLevels:
    """The loud level of each drum, learnt from past strokes only."""

    def __init__(self) -> None:
        self._masks = {name: (band.low <= CENTRES) & (band.high >= CENTRES) for name, band in _BANDS.items()}
        self._loud: dict[str, float] = {}

    def velocity(self, source: str, frames: Sequence[DrumFrame]) -> Velocity:
        """Return a stroke's velocity from `FRAMES` frames, of which the last but one is its own.

        The first ends where the stroke begins: what sounded then is taken off.
        """
        above = self._level(source, frames) - self._reference(source, frames)
        return Velocity(round(min(127.0, max(1.0, LOUD + PER_DECIBEL * above))))

    def learn(self, source: str, frames: Sequence[DrumFrame]) -> None:
        """Let a stroke count for those to come."""
        loud = self._reference(source, frames)
        louder = self._level(source, frames) > loud
        self._loud[source] = loud + _STEP * (_QUANTILE if louder else _QUANTILE - 1.0)

    def _reference(self, source: str, frames: Sequence[DrumFrame]) -> float:
        return self._loud.get(source, frames[-1].reference + _BANDS[source].usual)

    def _level(self, source: str, frames: Sequence[DrumFrame]) -> float:
        """Decibels."""
        mask = self._masks[source]
        after = max(float(frame.powers[mask].sum()) for frame in frames[-2:])
        before = float(frames[0].powers[mask].sum()) if len(frames) == FRAMES else 0.0
        return 10.0 * float(np.log10(max(after - before, _LEAST * after)))

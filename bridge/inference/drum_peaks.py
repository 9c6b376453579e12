"""Strokes from the drum network's activations, each decided one frame after its peak.

What one player cannot strike apart is picked together: the pair of hats, the cymbals, snare and side stick. A stroke that is
surely a hat is then found even where the network wavers between open and closed; the likelier of the two names it.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bridge.inference.drum_network import SOURCES

FLOOR = 0.05
"""Weaker peaks are strokes at no threshold."""
_APART = 3
"""Frames within which a weaker peak after a stronger one is its echo."""

GROUPS = (("kick",), ("snare", "side_stick"), ("closed_hat", "open_hat"), ("tom",), ("crash", "ride"))
_KICK = SOURCES.index("kick")
_SURE = 0.5
"""From here on a kick's activation is one."""
_MEMBERS = tuple(np.array([SOURCES.index(name) for name in group]) for group in GROUPS)

Activations = npt.NDArray[np.float32]
"""Shape (sources,)."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One peak of one group."""

    frame: int
    shift: float
    """Frames from there to the stroke, -0.5 to 0.5."""
    source: str
    """One of `SOURCES`."""
    strength: float
    """0 to 1."""
    with_kick: bool
    """Whether a kick is struck at the same time."""


class StrokePicker:
    """Fed with every frame's activations in order, and with one frame of silence at the end."""

    def __init__(self) -> None:
        silence = np.zeros(len(SOURCES), np.float32)
        self._recent = deque([silence, silence, silence], maxlen=3)
        self._frames = 0
        self._last: list[tuple[int, float]] = [(-_APART - 1, 0.0)] * len(GROUPS)

    def feed(self, activations: Activations) -> list[Stroke]:
        """Take the next frame; return the strokes of the frame before it."""
        self._recent.append(activations)
        self._frames += 1
        frame = self._frames - 2
        window = np.stack(self._recent)
        with_kick = bool(window[:, _KICK].max() >= _SURE)
        strokes = []
        for group, members in enumerate(_MEMBERS):
            before, here, after = (1.0 - np.prod(1.0 - window[:, members], axis=1)).tolist()
            if frame < 0 or here < FLOOR or here <= before or here < after:
                continue
            last, height = self._last[group]
            if frame - last <= _APART and here <= height:
                continue
            self._last[group] = (frame, here)
            source = SOURCES[members[int(window[:, members].sum(axis=0).argmax())]]
            shift = float(np.clip((after - before) / (before + here + after), -0.5, 0.5))
            strokes.append(Stroke(frame, shift, source, min(1.0, here), with_kick))
        return strokes

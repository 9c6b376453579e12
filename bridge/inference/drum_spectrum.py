"""What the drum network reads: band levels every 10 ms, measured from the loudest of late.

A frame looks at 2048 samples that end 40 ms after its time. Its bands lie a fraction of an octave apart, but never closer
than the transform's bins. Levels count from a reference that follows the loudest frame at once and sinks by one decibel a
second, so that a quiet stem looks like a loud one and nothing later in the stem matters.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio

FPS = 100
"""Frames a second."""
HOP = SAMPLE_RATE // FPS
FRAME_SIZE = 2048
AHEAD = 4 * HOP
"""Samples of a frame that lie after its time."""

_LOWEST, _HIGHEST, _EDGES = 35.0, 16_500.0, 82
SINKS = 0.01
"""Decibels that the reference falls a frame."""
FLOOR = -90.0
"""dBFS; a stem that stays below it is as good as silent."""

Levels = npt.NDArray[np.float32]
"""Shape (bands,)."""


def _filters() -> npt.NDArray[np.float32]:
    """Overlapping triangles, shape (bands, bins), each one at its centre."""
    edges = np.geomspace(_LOWEST, _HIGHEST, _EDGES) * FRAME_SIZE / SAMPLE_RATE
    bins = np.unique(np.round(edges).astype(int))
    grid = np.arange(FRAME_SIZE // 2 + 1)
    rows = [np.interp(grid, bins[i : i + 3], [0.0, 1.0, 0.0]) for i in range(len(bins) - 2)]
    return np.asarray(rows, np.float32)


_FILTERS = _filters()
BANDS = len(_FILTERS)
CENTRES = (_FILTERS @ np.arange(FRAME_SIZE // 2 + 1)) / _FILTERS.sum(axis=1) * SAMPLE_RATE / FRAME_SIZE
"""The bands' centres in hertz."""
_WINDOW = np.hanning(FRAME_SIZE + 1)[:-1].astype(np.float32)
_FULL_SCALE = float(_WINDOW.sum() / 2)
"""The magnitude of a sine of amplitude 1."""


@dataclass(frozen=True, slots=True)
class DrumFrame:
    """10 ms of a stem."""

    powers: Levels
    """Each band's; 1 is a sine of amplitude 1."""
    reference: float
    """dBFS of the loudest of late."""
    silent: bool
    """Whether all of it is below what counts as sound."""
    seen: Levels
    """What the network reads: 0 at 49 dB below the reference, 1 at 14 dB below it, cut at 70 dB below and 7 above."""


class DrumSpectrum:
    """Frame after frame, each computed alone, so that its bits do not depend on how the signal came in."""

    def __init__(self, audio: RecentAudio) -> None:
        self._audio = audio
        self._frames = 0
        self._reference = FLOOR

    @property
    def ready(self) -> bool:
        """Whether the next frame's samples have all been appended."""
        return self._frames * HOP + AHEAD <= self._audio.frames

    def next(self) -> DrumFrame:
        """Return the next frame, with silence for what was not appended."""
        end = self._frames * HOP + AHEAD
        spectrum = fft.rfft(self._audio.read(end - FRAME_SIZE, end) * _WINDOW)
        powers: Levels = _FILTERS @ np.square(np.abs(spectrum) / np.float32(_FULL_SCALE)) + np.float32(1e-20)
        loudness = 10.0 * float(np.log10(powers.sum()))
        self._reference = max(loudness, self._reference - SINKS, FLOOR)
        self._frames += 1
        seen = np.clip((10.0 * np.log10(powers) - np.float32(self._reference) + 70.0) / 35.0, 0.0, 2.2) - 0.6
        return DrumFrame(powers, self._reference, loudness < FLOOR, np.asarray(seen, np.float32))

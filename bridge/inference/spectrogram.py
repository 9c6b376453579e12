"""The log-filtered spectrograms that madmom's networks were trained on, incremental.

Windowed frames around every `hop`-th sample, logarithmically spaced filters, log10(1 + factor x magnitude). Windows and filters are
the ones that madmom's own processors make; the transform is a real one in single precision, many frames at once, where
madmom takes a complex one in double precision for each.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, sparse

from bridge.inference.madmom_models import madmom
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio

FPS = 50
"""Frames a second of the piano CNN."""
HOP = SAMPLE_RATE // FPS
BANDS = 144
"""Of the piano CNN."""
CELL = 16
"""Frames that are computed in one go. Always as many: a transform may round differently in a batch of another size."""

Spectrogram = npt.NDArray[np.float32]
"""Shape (frames, bands)."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """How a spectrogram is made."""

    hop: int
    window: npt.NDArray[np.float32]
    """Shape (frame size,)."""
    bins: slice
    """Those that the filters use."""
    filters: Any
    """Sparse, shape (bands, bins)."""
    factor: float

    @classmethod
    def of(cls, framing: Any, transform: Any, filtering: Any, logarithm: Any) -> Self:
        """What madmom's processors do, as a trial on silence shows it."""
        silence = madmom.audio.signal.Signal(np.zeros(framing.frame_size, np.float32), sample_rate=SAMPLE_RATE)
        framed = framing(silence)
        transformed = transform(framed)
        filters = np.asarray(filtering(transformed).filterbank, np.float32)
        used = np.flatnonzero(filters.any(axis=1))
        bins = slice(int(used[0]), int(used[-1]) + 1)
        return cls(
            hop=int(framed.hop_size),
            window=np.asarray(transformed.fft_window, np.float32),
            bins=bins,
            filters=sparse.csr_array(filters[bins].T),
            factor=float(logarithm.mul),
        )

    @property
    def bands(self) -> int:
        """How many there are."""
        return int(self.filters.shape[0])


@cache
def piano_cnn_analysis() -> Analysis:
    """The piano CNN's: 4096 samples, Hann, 24 filters an octave from 30 Hz to 10 kHz."""
    audio = madmom.audio
    return Analysis.of(
        audio.signal.FramedSignalProcessor(frame_size=4096, fps=FPS),
        audio.stft.ShortTimeFourierTransformProcessor(),
        audio.spectrogram.FilteredSpectrogramProcessor(num_bands=24, fmin=30, fmax=10000),
        audio.spectrogram.LogarithmicSpectrogramProcessor(mul=1, add=1),
    )


class SpectrogramStream:
    """Follows the end of a signal that others append to and forget.

    The frames are those of madmom on the whole signal within 1e-6. They stand on a grid of cells from the clip's start. A cell
    that is not full yet is computed with silence for what has not come, again and again; so every frame is computed in
    the same place of the same shape, and its bits do not depend on how the signal came in.
    """

    def __init__(self, audio: RecentAudio, analysis: Analysis) -> None:
        self._audio = audio
        self._analysis = analysis
        self._frames = 0

    @property
    def needs(self) -> int:
        """The first sample that frames to come will read; below 0 before the clip's start."""
        return self._frames // CELL * CELL * self._analysis.hop - len(self._analysis.window) // 2

    @property
    def complete(self) -> int:
        """How many frames there are from the clip's start whose samples have all been appended."""
        return max(0, (self._audio.frames - len(self._analysis.window) // 2) // self._analysis.hop + 1)

    @property
    def last(self) -> int:
        """How many frames there will be if the clip ends here: one for every `hop` samples begun."""
        return -(-self._audio.frames // self._analysis.hop)

    def until(self, stop: int) -> Spectrogram:
        """Return the frames up to this one since the last call; where they reach beyond the end, they are filled with silence."""
        parts = [np.empty((0, self._analysis.bands), np.float32)]
        while self._frames < stop:
            begin = self._frames % CELL
            frames = self._cell()[begin : begin + stop - self._frames]
            self._frames += len(frames)
            parts.append(frames)
        return np.concatenate(parts)

    def _cell(self) -> Spectrogram:
        analysis = self._analysis
        size = len(analysis.window)
        samples = self._audio.read(self.needs, self.needs + (CELL - 1) * analysis.hop + size)
        frames = sliding_window_view(samples, size)[:: analysis.hop]
        spectrum = fft.rfft(frames * analysis.window, axis=1)
        bands = analysis.filters @ np.abs(spectrum[:, analysis.bins]).T
        bands *= np.float32(analysis.factor)
        bands += 1
        return np.asarray(np.log10(bands, out=bands).T)

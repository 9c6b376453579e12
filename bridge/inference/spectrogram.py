"""The log-filtered spectrogram that madmom's piano CNN was trained on, a few frames at a time.

madmom's own processors do the arithmetic, on slices that hold exactly the samples of the frames asked for: 4096-sample Hann
windows centred every 882 samples, logarithmic filters at 24 bands an octave from 30 Hz to 10 kHz, log10(1 + magnitude).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from bridge.inference.madmom_models import madmom
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio

FPS = 50
"""Frames a second."""
HOP = SAMPLE_RATE // FPS
FRAME_SIZE = 4096
BANDS = 144
BLOCK = 5
"""Frames in one go. Always as many: a matrix product may round differently when its shape differs."""

Spectrogram = npt.NDArray[np.float32]
"""Shape (frames, bands)."""


class SpectrogramStream:
    """Follows the end of a signal that others append to and forget.

    The frames are those of madmom on the whole signal, bit for bit where the BLAS rounds a product of few rows as it does one
    of many, within 1e-6 otherwise.
    """

    def __init__(self, audio: RecentAudio) -> None:
        library = madmom.audio
        self._audio = audio
        self._frames = 0
        # "right": the first frame begins with the slice's first sample, so no frame reaches outside the slice.
        self._framed = library.signal.FramedSignalProcessor(FRAME_SIZE, fps=FPS, origin="right", num_frames=BLOCK)
        self._stft = library.stft.ShortTimeFourierTransformProcessor()
        self._filter = library.spectrogram.FilteredSpectrogramProcessor(num_bands=24, fmin=30, fmax=10000)
        self._log = library.spectrogram.LogarithmicSpectrogramProcessor(add=1)

    @property
    def needs(self) -> int:
        """The first sample that frames to come will read; below 0 before the clip's start."""
        return self._frames * HOP - FRAME_SIZE // 2

    def advance(self) -> Spectrogram:
        """Return the frames whose samples have all been appended since the last call, a multiple of `BLOCK`."""
        blocks = []
        while self.needs + self._span <= self._audio.frames:
            blocks.append(self._block())
        return np.concatenate(blocks) if blocks else np.empty((0, BANDS), np.float32)

    def finish(self) -> Spectrogram:
        """Return the frames that reach beyond the end, filled up with silence; one for every 882 samples begun."""
        last = -(-self._audio.frames // HOP)
        blocks = [np.empty((0, BANDS), np.float32)]
        while self._frames < last:
            wanted = last - self._frames
            blocks.append(self._block()[:wanted])
        self._frames = last
        return np.concatenate(blocks)

    @property
    def _span(self) -> int:
        return (BLOCK - 1) * HOP + FRAME_SIZE

    def _block(self) -> Spectrogram:
        samples = self._audio.read(self.needs, self.needs + self._span)
        data: Any = madmom.audio.signal.Signal(samples, sample_rate=SAMPLE_RATE)
        for processor in (self._framed, self._stft, self._filter, self._log):
            data = processor(data)
        self._frames += BLOCK
        return np.asarray(data, dtype=np.float32)

"""A mono signal at a lower rate, where every sample depends only on the audio around its own instant.

A streaming resampler keeps state, and what it gives may depend on how it was fed. Here each sample is one windowed-sinc
interpolation at a time counted from the clip's start: any piece can be asked for at any time and is always the same.
"""

from fractions import Fraction
from math import ceil

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bridge.inference.recent_audio import SAMPLE_RATE, Mono, RecentAudio

REACH = 40
"""Input samples that an output sample depends on before and after its instant: 0.9 ms at 44.1 kHz."""
_KAISER_BETA = 6.0
"""Sidelobes 63 dB down: what lies above the new Nyquist frequency by a kilohertz is gone."""


class Decimator:
    """Reads 44.1 kHz audio at a lower rate; the instants of both begin at frame 0."""

    def __init__(self, rate: int) -> None:
        """`rate` in hertz, below 44100."""
        step = Fraction(SAMPLE_RATE, rate)
        self._numerator, self._denominator = step.numerator, step.denominator
        offsets = np.arange(1 - REACH, REACH + 1)
        distance = offsets[None] - np.arange(self._denominator)[:, None] / self._denominator
        cutoff = rate / SAMPLE_RATE
        window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1.0 - np.square(distance / REACH), 0.0, 1.0)))
        kernel = np.sinc(cutoff * distance) * window
        self._kernel = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
        """One row for each position of an output instant between two input samples."""

    def available(self, frames: int) -> int:
        """How many output samples can be read while so many input frames are known."""
        return max(0, ceil((frames - REACH) * self._denominator / self._numerator))

    def total(self, frames: int) -> int:
        """How many output instants lie within so many input frames."""
        return ceil(frames * self._denominator / self._numerator)

    def first_input(self, start: int) -> int:
        """The first input frame that output sample `start` depends on."""
        return start * self._numerator // self._denominator + 1 - REACH

    def read(self, audio: RecentAudio, start: int, stop: int) -> Mono:
        """Return output samples `start` to `stop`, shape (samples,); raises IndexError as `RecentAudio.read` does."""
        instants = np.arange(start, stop) * self._numerator
        whole, part = instants // self._denominator, instants % self._denominator
        begin = self.first_input(start)
        inputs = audio.read(begin, int(whole[-1]) + REACH + 1)
        windows = sliding_window_view(inputs, 2 * REACH)[whole - whole[0]]
        sums: Mono = (windows * self._kernel[part]).sum(axis=1, dtype=np.float32)
        return sums

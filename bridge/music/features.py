"""What the quality measures compare: audio at a low analysis rate, its pitchgram, its onset envelope.

Everything here is computed alike for a stem and for the resynthesis of its notes; nothing is scaled to full level, the measures
do that themselves.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from bridge.music.synth import Mono
from bridge.units import Hertz

LOWEST_RATE = Hertz(11025.0)
"""The analysis rate is the sample rate over the largest whole number that leaves at least this: all of the synth's partials."""

LOWEST_PITCH = 28
HIGHEST_PITCH = 108
"""The rows of a pitchgram, MIDI: from a bass guitar's low E to a piano's highest C."""

_WINDOW_SECONDS = 4096 / 11025
_HOP_SECONDS = 512 / 11025
_ONSET_WINDOW_SECONDS = 512 / 11025
_ONSET_HOP_SECONDS = 64 / 11025
_ONSET_BANDS = 24
_BATCH = 256
"""Spectra computed at once: what bounds the memory."""

Matrix = npt.NDArray[np.float32]


def decimation(sample_rate: int) -> int:
    """How many frames of a sample rate make one of the analysis rate."""
    return max(1, int(sample_rate // LOWEST_RATE))


class Decimator:
    """Low-pass filters and thins a stream of one channel. Delay compensated: output frame m is where input frame m * factor was."""

    def __init__(self, factor: int) -> None:
        """Take the ratio of the rates; 1 passes everything unchanged."""
        self.factor = factor
        self.margin = 0 if factor == 1 else 24 * factor
        """Input frames on either side that an output frame depends on."""
        taps = scipy.signal.firwin(2 * self.margin + 1, 0.95, fs=2 * factor) if factor > 1 else np.ones(1)
        self._taps = taps.astype(np.float32)
        self._pending: Mono = np.zeros(self.margin, dtype=np.float32)

    def feed(self, samples: Mono) -> Mono:
        """Take input frames, return the output frames that are now certain."""
        self._pending = np.concatenate([self._pending, samples], dtype=np.float32)
        out = self._filtered(self._pending)
        self._pending = self._pending[len(out) * self.factor :]
        return out

    def rest(self) -> Mono:
        """Return the output frames that still wait for input, as if only silence followed; the stream may go on all the same."""
        return self._filtered(np.concatenate([self._pending, np.zeros(self.margin, dtype=np.float32)]))

    def _filtered(self, samples: Mono) -> Mono:
        """The output frames whose input, margins included, lies in `samples`; the first one stands `margin` in."""
        whole = len(samples) - 2 * self.margin
        if whole <= 0:
            return np.zeros(0, dtype=np.float32)
        if self.factor == 1:
            return samples
        count = -(-whole // self.factor)
        # upfirdn's output k ends at input k * factor; the first that has all its input ends at 2 * margin.
        first = 2 * self.margin // self.factor
        out: Mono = scipy.signal.upfirdn(self._taps, samples, 1, self.factor)[first : first + count]
        return out.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Framing:
    """How audio at one analysis rate is cut into windows."""

    window: int
    hop: int

    @classmethod
    def pitch(cls, rate: float) -> "Framing":
        """Long windows: they tell semitones apart down to about 100 Hz."""
        return cls(scipy.fft.next_fast_len(round(_WINDOW_SECONDS * rate), real=True), round(_HOP_SECONDS * rate))

    @classmethod
    def onset(cls, rate: float) -> "Framing":
        """Short windows, close together: they tell milliseconds apart."""
        return cls(
            scipy.fft.next_fast_len(round(_ONSET_WINDOW_SECONDS * rate), real=True), round(_ONSET_HOP_SECONDS * rate)
        )

    def power(self, samples: Mono, bank: Matrix) -> Matrix:
        """Power in each band of `bank` (shape (bins, bands)), a row a window; window i is centred on frame `i * hop`.

        Beyond the ends is silence.
        """
        count = -(-len(samples) // self.hop)
        before = self.window // 2
        padded = np.pad(samples, (before, count * self.hop + self.window - before - len(samples)))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop]
        taper = scipy.signal.windows.hann(self.window, sym=False).astype(np.float32)
        out = np.empty((count, bank.shape[1]), dtype=np.float32)
        for i in range(0, count, _BATCH):
            spectra = scipy.fft.rfft(frames[i : min(i + _BATCH, count)] * taper, axis=1)
            out[i : i + len(spectra)] = (np.square(spectra.real) + np.square(spectra.imag)) @ bank
        return out


def pitchgram(samples: Mono, rate: float, framing: Framing | None = None) -> Matrix:
    """Power by semitone, shape (windows, semitones from `LOWEST_PITCH` to `HIGHEST_PITCH`), of audio at an analysis rate."""
    framing = framing or Framing.pitch(rate)
    return framing.power(samples, _semitone_bank(framing.window, rate))


def onset_envelope(samples: Mono, rate: float) -> Matrix:
    """How strongly the sound grows, shape (windows,): the rises of the log energy in bands, summed.

    Relative to the loudness of the whole, so that gain changes nothing.
    """
    framing = Framing.onset(rate)
    bands = np.sqrt(framing.power(samples, _onset_bank(framing.window, rate)))
    level = np.sqrt(np.sum(np.square(bands), dtype=np.float64) / max(1, bands.size))
    if not level > 0:
        return np.zeros(len(bands), dtype=np.float32)
    loud = np.log1p(bands * np.float32(10.0 / level))
    # Against two windows before: the two overlap less, so that a rise shows in full.
    rise = np.maximum(loud[2:] - loud[:-2], 0.0).sum(axis=1)
    return np.concatenate([np.zeros(min(2, len(bands)), dtype=np.float32), rise], dtype=np.float32)


@lru_cache(maxsize=4)
def _semitone_bank(window: int, rate: float) -> Matrix:
    """Triangles a semitone to either side, at least a bin wide, shape (bins, semitones)."""
    pitches = np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1)
    return _triangles(440.0 * 2.0 ** ((pitches - 69) / 12), 2.0 ** (1 / 12), window, rate)


@lru_cache(maxsize=4)
def _onset_bank(window: int, rate: float) -> Matrix:
    """Triangles spaced evenly in log frequency from 60 Hz to 5 kHz, shape (bins, bands)."""
    centres = np.geomspace(60.0, 5000.0, _ONSET_BANDS)
    return _triangles(centres, centres[1] / centres[0], window, rate)


def _triangles(centres: npt.NDArray[np.float64], ratio: float, window: int, rate: float) -> Matrix:
    """A triangular filter a centre frequency: 1 there, 0 a `ratio` (and at least a bin) to either side."""
    bins = np.arange(window // 2 + 1)[:, np.newaxis] * (rate / window)
    below = np.maximum(centres - centres / ratio, rate / window)
    above = np.maximum(centres * ratio - centres, rate / window)
    sides = np.where(bins < centres, 1.0 - (centres - bins) / below, 1.0 - (bins - centres) / above)
    return np.maximum(sides, 0.0).astype(np.float32)

"""What the quality measures compare: audio at a low analysis rate, its pitchgram, its onset envelope.

Everything here is computed alike for a stem and for the resynthesis of its notes; nothing is scaled to full level, the measures
do that themselves. Sounds are asked for block by block, so that an hour needs no more memory than its features.
"""

from collections.abc import Callable, Iterator
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

GRAIN = 1 << 15
"""Blocks are a whole number of so many frames."""

_BLOCK = 8 * GRAIN
"""Frames looked at in one go: with what is made of them, about what a core's cache holds."""

_WINDOW_SECONDS = 4096 / 11025
_HOP_SECONDS = 512 / 11025
_ONSET_WINDOW_SECONDS = 512 / 11025
_ONSET_HOP_SECONDS = 64 / 11025
_ONSET_BANDS = 24
_BATCH = 1 << 17
"""Frames of windows transformed at once, for the same reason."""
_PRODUCT = 1 << 18
"""Multiplications at most in one product of matrices: larger ones OpenBLAS spreads over all cores, where waiting for each other
costs several times what it gains, most of all beside a busy model."""
_ROWS = 8192
_THINNED_AT_ONCE = 64
_ROWS_AT_ONCE = 8

Matrix = npt.NDArray[np.float32]

Sound = Callable[[int, int], Mono]
"""Gives the frames of one channel from one position to another, both within the sound: the same frames however it is asked."""


def decimation(sample_rate: int) -> int:
    """How many frames of a sample rate make one of the analysis rate."""
    return max(1, int(sample_rate // LOWEST_RATE))


class Decimator:
    """Low-pass filters and thins one channel. Delay compensated: output frame m is where input frame m * factor was."""

    def __init__(self, factor: int) -> None:
        """Take the ratio of the rates; 1 passes everything unchanged."""
        self.factor = factor
        self._margin = 0 if factor == 1 else 24 * factor
        self._span = (_THINNED_AT_ONCE - 1) * factor + 2 * self._margin + 1
        taps = scipy.signal.firwin(2 * self._margin + 1, 0.95, fs=2 * factor) if factor > 1 else np.ones(1)
        # Column m holds the taps where output frame m needs them: filtering is then a product of matrices.
        self._taps = np.zeros((self._span, _THINNED_AT_ONCE), dtype=np.float32)
        for m in range(_THINNED_AT_ONCE):
            self._taps[m * factor : m * factor + len(taps), m] = taps

    def thin(self, samples: Mono) -> Mono:
        """Return the whole sound's frames at the lower rate; before and after it is silence."""
        return self._filtered(np.pad(samples, self._margin))

    def thinned(self, sound: Sound, frames: int) -> Sound:
        """The same for a sound of so many frames, asked for in any pieces."""

        def lower(begin: int, end: int) -> Mono:
            first, last = begin * self.factor - self._margin, (end - 1) * self.factor + self._margin + 1
            inside = sound(max(first, 0), min(last, frames))
            return self._filtered(np.pad(inside, (max(-first, 0), max(last - frames, 0))))

        return lower

    def _filtered(self, samples: Mono) -> Mono:
        """The output frames whose input, margins included, lies in `samples`; the first one stands a margin in."""
        if self.factor == 1:
            return samples
        count = max(0, -(-(len(samples) - 2 * self._margin) // self.factor))
        rows = -(-count // (_THINNED_AT_ONCE * _ROWS_AT_ONCE)) * _ROWS_AT_ONCE
        step = _THINNED_AT_ONCE * self.factor
        missing = max(0, (rows - 1) * step + self._span - len(samples))
        pieces = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, missing)), self._span)[::step][:rows]
        out: Mono = np.ascontiguousarray(pieces).reshape(-1, _ROWS_AT_ONCE, self._span) @ self._taps
        return out.ravel()[:count]


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

    def windows(self, frames: int) -> int:
        """How many windows a sound has; window i is centred on its frame `i * hop`."""
        return -(-frames // self.hop)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A piece of a sound, and what lies on either side of it; beyond the sound's ends is silence."""

    samples: Mono
    at: int
    """The sound's frame that `samples` begins with."""
    begin: int
    end: int
    """What the block is about, in frames of the sound."""


def blocks(sound: Sound, frames: int, margin: int) -> Iterator[Block]:
    """Cut a sound into blocks, in order, each with `margin` frames before it and as many after its last whole grain."""
    for begin in range(0, frames, _BLOCK):
        end = min(begin + _BLOCK, frames)
        first, last = begin - margin, begin + -(-(end - begin) // GRAIN) * GRAIN + margin
        samples = sound(max(first, 0), min(last, frames))
        yield Block(np.pad(samples, (max(-first, 0), max(last - frames, 0))), first, begin, end)


class BandPower:
    """The power of a sound's windows in triangular bands, gathered block by block."""

    def __init__(self, framing: Framing, bank: Matrix, frames: int) -> None:
        """Take the bands, shape (bins, bands), and how long the sound is."""
        self.framing = framing
        self._taper = scipy.signal.windows.hann(framing.window, sym=False).astype(np.float32)
        self._batch = max(1, _BATCH // framing.window)
        self._groups = _groups(bank, self._batch)
        self.power: Matrix = np.zeros((framing.windows(frames), bank.shape[1]), dtype=np.float32)
        """Shape (windows, bands)."""

    def take(self, block: Block) -> None:
        """Fill in the windows that are centred in the block; its margin must be as long as a window."""
        window, hop = self.framing.window, self.framing.hop
        first, last = self.framing.windows(block.begin), self.framing.windows(block.end)
        start = first * hop - window // 2 - block.at
        frames = np.lib.stride_tricks.sliding_window_view(block.samples[start:], window)[::hop]
        tapered = np.empty((self._batch, window), dtype=np.float32)
        for i in range(first, last, self._batch):
            count = min(self._batch, last - i)
            np.multiply(frames[i - first : i - first + count], self._taper, out=tapered[:count])
            # Real and imaginary parts side by side, so that squaring and summing them are steps of plain arrays.
            parts = scipy.fft.rfft(tapered[:count], axis=1).view(np.float32)
            np.square(parts, out=parts)
            for bins, bands, weights in self._groups:
                np.matmul(parts[:, bins], weights, out=self.power[i : i + count, bands])


def pitch_power(rate: float, frames: int, framing: Framing | None = None) -> BandPower:
    """Gather a pitchgram: power by semitone from `LOWEST_PITCH` to `HIGHEST_PITCH`, of audio at an analysis rate."""
    framing = framing or Framing.pitch(rate)
    return BandPower(framing, _semitone_bank(framing.window, rate), frames)


def onset_power(rate: float, frames: int) -> BandPower:
    """Gather what an onset envelope is made of: power in a few bands, in short windows close together."""
    framing = Framing.onset(rate)
    return BandPower(framing, _onset_bank(framing.window, rate), frames)


def pitchgram(samples: Mono, rate: float, framing: Framing | None = None) -> Matrix:
    """Power by semitone of a whole sound, shape (windows, semitones)."""
    gathered = pitch_power(rate, len(samples), framing)
    for block in blocks(lambda begin, end: samples[begin:end], len(samples), gathered.framing.window):
        gathered.take(block)
    return gathered.power


def onset_envelope(power: Matrix) -> Matrix:
    """How strongly a sound grows, shape (windows,), from its power by onset band: the rises of the log magnitudes, summed.

    Relative to the loudness of the whole, so that gain changes nothing.
    """
    envelope = np.zeros(len(power), dtype=np.float32)
    level = float(np.sqrt(np.sum(power, dtype=np.float64) / max(1, power.size)))
    if not level > 0:
        return envelope
    # Against two windows before: the two overlap less, so that a rise shows in full.
    for i in range(2, len(power), _ROWS):
        loud = np.sqrt(power[i - 2 : i + _ROWS])
        loud *= np.float32(10.0 / level)
        np.log1p(loud, out=loud)
        envelope[i : i + _ROWS] = np.maximum(loud[2:] - loud[:-2], 0.0).sum(axis=1)
    return envelope


def _groups(bank: Matrix, windows: int) -> list[tuple[slice, slice, Matrix]]:
    """Neighbouring bands and the bins that they touch, each bin twice: for its real and for its imaginary part.

    As many bands together as keep the product with so many windows small.
    """
    groups = []
    first, count = 0, bank.shape[1]
    while first < count:
        for last in range(first + 1, count + 1):
            touched = np.flatnonzero(bank[:, first:last].any(axis=1))
            low, high = (int(touched[0]), int(touched[-1]) + 1) if touched.size else (0, 0)
            if last > first + 1 and windows * 2 * (high - low) * (last - first) > _PRODUCT:
                break
            weights = np.repeat(bank[low:high, first:last], 2, axis=0)
            group = slice(2 * low, 2 * high), slice(first, last), weights
        groups.append(group)
        first = group[1].stop
    return groups


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

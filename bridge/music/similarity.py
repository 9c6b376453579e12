"""Four ways of comparing a stem with a resynthesis, each None where it is undefined, never NaN.

Measured on real pieces no single one suffices: pitch, time and pitch class each escape some of them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.fft

from bridge.music.features import GRAIN, Block, Framing, Matrix
from bridge.units import Seconds

ONSET_LAG = Seconds(0.050)
WAVEFORM_LAG = Seconds(0.100)
"""How far apart two sounds are looked at for their best match."""

_CONTRAST = 2.0
_ROWS = 4096
"""Windows of a pitchgram that are compared at once: what bounds the memory."""
_CLASSES = 12
_NO_VARIATION = 1e-12
"""Of the squares' sum: what rounding leaves where nothing varies."""

_Doubles = npt.NDArray[np.float64]


class Lagged(NamedTuple):
    """A best match and where it is."""

    value: float | None
    lag_ms: float | None
    """Above 0: the second sound is late."""


UNDEFINED = Lagged(None, None)


class PitchgramCorrelation:
    """Pearson correlation of two power pitchgrams' log magnitudes over all semitones and windows, -1 to 1.

    Each is taken relative to its own RMS before the logarithm, so gain changes nothing.
    """

    def __init__(self, stem: Matrix) -> None:
        """Take one pitchgram; each of the others must be of the same shape."""
        self._stem = np.zeros_like(stem)
        total = squares = 0.0
        for rows, magnitude in _log_magnitudes(stem):
            self._stem[rows] = magnitude
            total += float(magnitude.sum())
            squares += _dot(magnitude, magnitude)
        self._mean = total / max(1, stem.size)
        self._variation = _variation(total, squares, stem.size)

    def value(self, other: Matrix) -> float | None:
        """Compare with another pitchgram."""
        total = squares = together = 0.0
        for rows, magnitude in _log_magnitudes(other):
            total += float(magnitude.sum())
            squares += _dot(magnitude, magnitude)
            together += _dot(self._stem[rows] - np.float64(self._mean), magnitude)
        scale = float(np.sqrt(self._variation * _variation(total, squares, other.size)))
        return max(-1.0, min(1.0, together / scale)) if scale > 0 else None


class ChromaCosine:
    """Mean cosine of the two chroma vectors of each window, weighted by the stem's energy there; 0 to 1.

    Where the other sound is silent the cosine is 0; where all of it is, the measure is undefined.
    """

    def __init__(self, stem: Matrix) -> None:
        """Take one pitchgram; each of the others must be of the same shape."""
        chroma = _chroma(stem)
        lengths = np.linalg.norm(chroma, axis=1)
        self._total = float(np.sum(stem, dtype=np.float64))
        weight = np.sum(stem, axis=1, dtype=np.float64)
        self._weighted = (
            chroma * np.divide(weight, lengths, out=np.zeros_like(weight), where=lengths > 0)[:, np.newaxis]
        )

    def value(self, other: Matrix) -> float | None:
        """Compare with another pitchgram."""
        if not self._total > 0 or not np.any(other):
            return None
        chroma = _chroma(other)
        lengths = np.linalg.norm(chroma, axis=1)
        alike = np.einsum("ij,ij->i", self._weighted, chroma)
        return float(np.divide(alike, lengths, out=np.zeros_like(alike), where=lengths > 0).sum()) / self._total


def onset_correlation(stem: Matrix, other: Matrix, rate: float) -> Lagged:
    """Largest Pearson correlation of two onset envelopes within +-50 ms, and its lag, refined between windows."""
    hop = Framing.onset(rate).hop / rate
    reach = min(int(ONSET_LAG / hop), len(stem) - 2)
    lags = range(-reach, reach + 1)
    found = [
        _pearson(stem[max(0, -n) : len(stem) - max(0, n)], other[max(0, n) : len(other) - max(0, -n)]) for n in lags
    ]
    curve = np.array([-np.inf if r is None else r for r in found])
    if not curve.size or not np.isfinite(curve.max()):
        return UNDEFINED
    best = int(curve.argmax())
    return Lagged(float(curve[best]), 1000.0 * hop * (lags[best] + _vertex(curve, best)))


class WaveformCorrelation:
    """One waveform's normalised cross-correlation with others within +-100 ms.

    It is low even for perfect notes: no synth has a real instrument's phases.
    """

    def __init__(self, frames: int, rate: float) -> None:
        """Take the sounds' common length and their rate; then give the stem to `take`, block by block."""
        self.rate = rate
        self.reach = max(0, min(round(WAVEFORM_LAG * rate), frames - 1))
        self.size = scipy.fft.next_fast_len(GRAIN + 2 * self.reach, real=True)
        self.spectra: dict[int, npt.NDArray[np.complex64]] = {}
        """Of each block's grains, by the block's begin."""
        self.energy = 0.0

    def take(self, block: Block) -> None:
        """Take the stem's next block."""
        grains = _grains(block, 0)
        self.energy += _energy(grains)
        spectra = scipy.fft.rfft(grains, self.size, axis=1)
        self.spectra[block.begin] = np.conj(spectra, out=spectra)

    def start(self) -> "WaveformMatch":
        """Begin to compare with another sound."""
        return WaveformMatch(self)


class WaveformMatch:
    """Another sound on its way past the stem."""

    def __init__(self, stem: WaveformCorrelation) -> None:
        self._stem = stem
        self._energy = 0.0
        self._cross = np.zeros(stem.size // 2 + 1, dtype=np.complex128)

    def take(self, block: Block) -> None:
        """Take the other sound's next block; its margin must hold the lags."""
        self._energy += _energy(_grains(block, 0))
        product = scipy.fft.rfft(_grains(block, self._stem.reach), self._stem.size, axis=1)
        product *= self._stem.spectra[block.begin]
        self._cross += product.sum(axis=0)

    def best(self) -> Lagged:
        """Largest magnitude, 0 to 1, and its lag."""
        energy = float(np.sqrt(self._stem.energy * self._energy))
        if not energy > 0:
            return UNDEFINED
        reach = self._stem.reach
        curve = np.abs(scipy.fft.irfft(self._cross, self._stem.size)[: 2 * reach + 1]) / energy
        best = int(curve.argmax())
        return Lagged(min(1.0, float(curve[best])), 1000.0 * (best - reach) / self._stem.rate)


def _grains(block: Block, margin: int) -> Matrix:
    """A block cut into grains, each with a margin on either side, shape (grains, frames)."""
    first = block.begin - block.at - margin
    grains = -(-(block.end - block.begin) // GRAIN)
    cut = np.lib.stride_tricks.sliding_window_view(block.samples[first:], GRAIN + 2 * margin)[::GRAIN]
    return cut[:grains]


def _log_magnitudes(power: Matrix) -> Iterator[tuple[slice, _Doubles]]:
    """Some windows after the others with their log magnitudes; nothing where all is silent."""
    level = float(np.mean(power, dtype=np.float64)) if power.size else 0.0
    if not level > 0:
        return
    for i in range(0, len(power), _ROWS):
        rows = slice(i, i + _ROWS)
        magnitude = power[rows] * np.float32(_CONTRAST**2 / level)
        np.sqrt(magnitude, out=magnitude)
        np.log1p(magnitude, out=magnitude)
        yield rows, magnitude.astype(np.float64)


def _variation(total: float, squares: float, count: int) -> float:
    """The sum of squared deviations from the mean."""
    variation = squares - total * total / max(1, count)
    return variation if variation > _NO_VARIATION * squares else 0.0


def _chroma(power: Matrix) -> _Doubles:
    """Power by pitch class, shape (windows, 12); the lowest pitch's class comes first."""
    octaves = -(-power.shape[1] // _CLASSES)
    chroma = np.zeros((len(power), _CLASSES))
    for octave in range(octaves):
        semitones = power[:, octave * _CLASSES : (octave + 1) * _CLASSES]
        chroma[:, : semitones.shape[1]] += semitones
    return chroma


def _pearson(a: Matrix, b: Matrix) -> float | None:
    """Correlation coefficient over all elements; None where either does not vary."""
    if a.size < 2:  # noqa: PLR2004
        return None
    x = a - a.mean(dtype=np.float64)
    y = b - b.mean(dtype=np.float64)
    scale = float(np.sqrt(_dot(x, x) * _dot(y, y)))
    return max(-1.0, min(1.0, _dot(x, y) / scale)) if scale > 0 else None


def _dot(a: _Doubles, b: _Doubles) -> float:
    """The sum of products; by this means on one core, for NumPy's own way wakes all of them."""
    return float(np.einsum("i,i->", a.ravel(), b.ravel()))


def _energy(samples: Matrix) -> float:
    return float(np.sum(np.square(samples, dtype=np.float64)))


def _vertex(curve: _Doubles, best: int) -> float:
    """Where the parabola through a peak and its neighbours has its vertex, -0.5 to 0.5 steps from the peak."""
    if not 0 < best < len(curve) - 1:
        return 0.0
    left, peak, right = curve[best - 1 : best + 2]
    bend = left - 2.0 * peak + right
    return float(0.5 * (left - right) / bend) if np.isfinite(bend) and bend < 0 else 0.0

"""Five ways of comparing a stem with a resynthesis, each None where it is undefined, never NaN.

Measured on real pieces no single one suffices: pitch, time and pitch class each escape some of them. `xcorr_max` is the raw
number that people start from; it grows with gain and length.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.fft

from bridge.music.features import LOWEST_PITCH, Framing, Matrix
from bridge.music.synth import Mono
from bridge.units import Seconds

ONSET_LAG = Seconds(0.050)
WAVEFORM_LAG = Seconds(0.100)
"""How far apart two sounds are looked at for their best match."""

_BLOCK = 1 << 16
_CONTRAST = 2.0


class Lagged(NamedTuple):
    """A best match and where it is."""

    value: float | None
    lag_ms: float | None
    """Above 0: the second sound is late."""


UNDEFINED = Lagged(None, None)


def pitchgram_correlation(stem: Matrix, other: Matrix) -> float | None:
    """Pearson correlation of two power pitchgrams' log magnitudes over all semitones and windows, -1 to 1.

    Each is taken relative to its own RMS before the logarithm, so gain changes nothing.
    """
    return _pearson(_log_magnitude(stem), _log_magnitude(other))


def chroma_cosine(stem: Matrix, other: Matrix) -> float | None:
    """Mean cosine of the two chroma vectors of each window, weighted by the stem's energy there; 0 to 1.

    Where the other sound is silent the cosine is 0; where all of it is, the measure is undefined.
    """
    a, b = _chroma(stem), _chroma(other)
    weight = np.sum(stem, axis=1, dtype=np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    if not weight.sum() > 0 or not b.sum() > 0:
        return None
    cosine = np.divide(np.sum(a * b, axis=1), lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return float(np.sum(cosine * weight) / weight.sum())


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

    def __init__(self, stem: Mono, rate: float) -> None:
        """Take the waveform and its rate."""
        self._rate = rate
        self._reach = max(0, min(round(WAVEFORM_LAG * rate), len(stem) - 1))
        self._size = scipy.fft.next_fast_len(_BLOCK + 2 * self._reach, real=True)
        self._energy = _energy(stem)
        self._spectra = [np.conj(scipy.fft.rfft(stem[i : i + _BLOCK], self._size)) for i in range(0, len(stem), _BLOCK)]

    def best(self, other: Mono) -> Lagged:
        """Largest magnitude, 0 to 1, and its lag, for a sound of the same rate and length."""
        energy = float(np.sqrt(self._energy * _energy(other)))
        if not energy > 0:
            return UNDEFINED
        padded = np.pad(other, self._reach)
        cross = np.zeros(self._size // 2 + 1, dtype=np.complex128)
        for i, spectrum in enumerate(self._spectra):
            around = padded[i * _BLOCK : (i + 1) * _BLOCK + 2 * self._reach]
            cross += spectrum * scipy.fft.rfft(around, self._size)
        curve = np.abs(scipy.fft.irfft(cross, self._size)[: 2 * self._reach + 1]) / energy
        best = int(curve.argmax())
        return Lagged(min(1.0, float(curve[best])), 1000.0 * (best - self._reach) / self._rate)


class RawCorrelation:
    """One waveform's raw cross-correlation with others over all lags, as MATLAB's `xcorr` gives it."""

    def __init__(self, stem: Mono, factor: int) -> None:
        """Take the waveform, and by which factor sounds may be thinned that `maximum_thinned` compares with it."""
        self._frames = len(stem)
        self._factor = factor
        self._thin_size = scipy.fft.next_fast_len(2 * -(-len(stem) // factor), real=True)
        spectrum = scipy.fft.rfft(stem, self._thin_size * factor)
        self._spectrum = np.conj(spectrum, out=spectrum)

    def maximum(self, other: Mono) -> float:
        """The largest value over all lags, for a sound at the same rate and of the same length."""
        size = self._thin_size * self._factor
        cross = scipy.fft.rfft(other, size)
        cross *= self._spectrum
        return self._peak(scipy.fft.irfft(cross, size, overwrite_x=True), self._frames)

    def maximum_thinned(self, other: Mono) -> float:
        """The same for a sound given at the rate over `factor`, which must have nothing above its own half rate.

        What of the waveform lies above that then adds nothing to any lag: only every `factor`-th lag is looked at.
        """
        cross = self._spectrum[: self._thin_size // 2 + 1] * scipy.fft.rfft(other, self._thin_size)
        return self._peak(scipy.fft.irfft(cross, self._thin_size), -(-self._frames // self._factor))

    @staticmethod
    def _peak(circular: npt.NDArray[np.float32], frames: int) -> float:
        """The largest of the lags from -frames + 1 to frames - 1 of a circular correlation."""
        return float(max(circular[:frames].max(), circular[len(circular) - frames + 1 :].max(initial=-np.inf)))


def _log_magnitude(power: Matrix) -> Matrix:
    level = float(np.mean(power, dtype=np.float64)) if power.size else 0.0
    if not level > 0:
        return np.zeros_like(power)
    logarithm: Matrix = np.log1p(np.sqrt(power * np.float32(_CONTRAST**2 / level)))
    return logarithm


def _chroma(power: Matrix) -> npt.NDArray[np.float64]:
    """Power by pitch class, shape (windows, 12)."""
    chroma = np.zeros((len(power), 12))
    for i in range(power.shape[1]):
        chroma[:, (LOWEST_PITCH + i) % 12] += power[:, i]
    return chroma


def _pearson(a: Matrix, b: Matrix) -> float | None:
    """Correlation coefficient over all elements; None where either does not vary."""
    if a.size < 2:  # noqa: PLR2004
        return None
    x = (a - a.mean(dtype=np.float64)).ravel()
    y = (b - b.mean(dtype=np.float64)).ravel()
    scale = float(np.sqrt(np.dot(x, x) * np.dot(y, y)))
    return max(-1.0, min(1.0, float(np.dot(x, y)) / scale)) if scale > 0 else None


def _energy(samples: Mono) -> float:
    return float(np.sum(np.square(samples, dtype=np.float64)))


def _vertex(curve: npt.NDArray[np.float64], best: int) -> float:
    """Where the parabola through a peak and its neighbours has its vertex, -0.5 to 0.5 steps from the peak."""
    if not 0 < best < len(curve) - 1:
        return 0.0
    left, peak, right = curve[best - 1 : best + 2]
    bend = left - 2.0 * peak + right
    return float(0.5 * (left - right) / bend) if np.isfinite(bend) and bend < 0 else 0.0

"""The raw cross-correlation maximum that people start from, as MATLAB's `xcorr` gives it: over all lags, of sounds of any length.

It grows with gain and length, so it compares nothing by itself.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import scipy.fft

from bridge.music.synth import Mono

_ROWS = 384
_TURNS = 64

Spectrum = npt.NDArray[np.complex64]


class RawCorrelation:
    """One waveform's raw cross-correlation with others that have nothing above the analysis rate's half.

    What of the waveform lies above that then adds nothing to any lag, so that all of it happens at the lower rate.
    """

    def __init__(self, stem: Iterable[Mono], frames: int, factor: int) -> None:
        """Take the waveform as its phases: as many as the `factor` between the rates, of so many `frames` each.

        Phase r holds every `factor`-th frame from frame r on. They are asked for one after the other and not kept.
        """
        self._factor, self._frames = factor, frames
        self._transform = _LongTransform(self._frames)
        spectrum = self._low(stem)
        self._stem = np.conj(spectrum, out=spectrum)

    def maximum(self, other: Iterable[Mono]) -> float:
        """The largest value over all lags, for a sound given likewise."""
        cross = self._low(other)
        cross *= self._stem
        peaks = (self._peak(self._transform.inverse(self._late(cross.copy(), r))) for r in range(self._factor))
        return max(peaks) / self._factor

    def maximum_thinned(self, other: Mono) -> float:
        """The same for a sound given at the analysis rate: every `factor`-th lag is looked at."""
        cross = self._transform.forward(other)
        cross *= self._stem
        return self._peak(self._transform.inverse(cross))

    def _low(self, phases: Iterable[Mono]) -> Spectrum:
        """What the full rate's spectrum holds below the lower rate's half."""
        late = (self._late(self._transform.forward(phase), -r) for r, phase in enumerate(phases))
        spectrum = next(late)
        for more in late:
            spectrum += more
        return spectrum

    def _late(self, spectrum: Spectrum, frames: int) -> Spectrum:
        """Turn a spectrum so that its sound is read so many frames of the full rate later."""
        return self._transform.turn(spectrum, frames / self._factor)

    def _peak(self, circular: Mono) -> float:
        """The largest of the lags from -frames + 1 to frames - 1."""
        return float(
            max(circular[: self._frames].max(), circular[1 - self._frames :].max() if self._frames > 1 else -np.inf)
        )


class _LongTransform:
    """The Fourier transform of one long sound and as much silence, as many short ones: they fit a core's cache.

    Frame `n` lies in row `n // columns` of a matrix; first its columns are transformed, then, each turned by its place, its rows
    (Bailey, FFTs in external or hierarchical memory, 1990). Spectra have the shape (rows / 2 + 1, columns): frequency
    `i + rows * j` is at (i, j), the upper half of j standing for negative ones.
    """

    def __init__(self, frames: int) -> None:
        """Take the sound's length."""
        pieces = scipy.fft.next_fast_len(-(-2 * frames // (_ROWS * _TURNS)))
        self._columns = pieces * _TURNS
        low = np.arange(_ROWS // 2 + 1)[:, np.newaxis]
        self._frequencies = low, _ROWS * scipy.fft.fftfreq(self._columns, 1 / self._columns)
        unit = -2j * np.pi / (_ROWS * self._columns)
        self._coarse = np.exp(unit * low * _TURNS * np.arange(pieces)).astype(np.complex64)[:, :, np.newaxis]
        self._fine = np.exp(unit * low * np.arange(_TURNS)).astype(np.complex64)[:, np.newaxis, :]

    def forward(self, sound: Mono) -> Spectrum:
        """Return the spectrum of a sound, shape (frames,)."""
        matrix = np.pad(sound, (0, _ROWS * self._columns - len(sound))).reshape(_ROWS, self._columns)
        spectrum: Spectrum = scipy.fft.rfft(matrix, axis=0)
        places = spectrum.reshape(*self._coarse.shape[:2], _TURNS)
        places *= self._coarse
        places *= self._fine
        return np.asarray(scipy.fft.fft(spectrum, axis=1, overwrite_x=True))

    def inverse(self, spectrum: Spectrum) -> Mono:
        """Return the circular sound of a spectrum, shape (rows * columns,); the spectrum is used up."""
        spectrum = scipy.fft.ifft(spectrum, axis=1, overwrite_x=True)
        places = spectrum.reshape(*self._coarse.shape[:2], _TURNS)
        places *= np.conj(self._coarse)
        places *= np.conj(self._fine)
        sound: Mono = scipy.fft.irfft(spectrum, _ROWS, axis=0, overwrite_x=True).ravel()
        return sound

    def turn(self, spectrum: Spectrum, frames: float) -> Spectrum:
        """Read the spectrum's sound so many frames later, fractions included; changes the spectrum in place."""
        for frequencies in self._frequencies:
            turns = 2j * np.pi * frames / (_ROWS * self._columns) * frequencies
            spectrum *= np.exp(turns).astype(np.complex64)
        return spectrum

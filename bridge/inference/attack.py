"""Where in the waveform a note begins: the attack in the note's own bands, to the millisecond.

A transcriber says in which frame a note begins, and its frames are 10 to 20 ms long. Around that frame the powers at the pitch's
fundamental and harmonics are followed at steps of a millisecond, and the moment is taken at which a step from a softer stretch to a
louder one explains them best: the greatest likelihood of one change of power, all bands together. This is what seismologists
pick arrivals with (Maeda 1985; with autoregressive models, Takanami and Kitagawa 1988), and what Bello et al., "A Tutorial on
Onset Detection in Music Signals" (IEEE TSAP 2005), describe as change point detection. The steepest rise of the same bands, the
usual measure of an attack, scatters twice as widely on a recorded piano: any beat between partials rises, but only a note stays.

The powers are taken under a window, and the step is looked for as that shows it, so that a sharp attack is found where it is. A soft
one is found in the middle of its rise. Of notes a few hundredths of a second apart that share harmonics one may be taken for the other.

What is found depends on the audio around the frame and on nothing else: not on how it came in, nor on where the stream began.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio
from bridge.units import Pitch, Seconds

FINGERPRINT = "attack-1"
"""Goes into a transcriber's; to be raised when the code may find other moments: kept notes are then made anew."""
STEP = SAMPLE_RATE // 1000
"""Samples between two moments."""
REACH = 30 * STEP
"""Samples by which a note is moved at most: one and a half of the longest frames."""
BESIDE = 20 * STEP
"""What is heard at least on either side of the moment."""
WINDOW = 1024
"""Samples: 23 ms. With half as many or twice as many, errors are about a fifth larger."""
HARMONICS = 10
"""The fundamental counts as one; with four, errors are a fifth larger, with twenty the same."""
HIGHEST = 6000.0
"""Hertz up to which harmonics are listened to."""
QUIET = 1e-4
"""Of the strongest power around, what counts as silence: 40 dB below."""
MOMENTS = 2 * (REACH + BESIDE) // STEP + 1
BEFORE = REACH + BESIDE + WINDOW // 2
"""Samples that are read on either side of the frame's time: 62 ms."""
EARLIEST = Seconds(REACH / SAMPLE_RATE)
"""How much earlier than `around` a note may begin."""

_DECIMALS = 6
"""Of a second: moments stand on microseconds, so that they are the same numbers from whichever tenth of a second they are counted."""
_FLOOR = 1e-12
"""A power below all that is heard, for digital silence."""
_ROUNDING = 1e-6
"""A gain in likelihood that the rounding of equal powers stays below."""

_Powers = npt.NDArray[np.float64]
"""Shape (moments, bands)."""


def onset_at(audio: RecentAudio, around: int, pitch: Pitch) -> Seconds:
    """Return when a note begins that a transcriber has at sample `around`: at most `REACH` from there, by the audio `BEFORE` and after.

    Silence stands for what lies before the clip's start and after its end. Where no band becomes louder it is `around`.
    """
    return on_grid(max(0, _likeliest(_powers(audio, around, pitch), around)) / SAMPLE_RATE)


def on_grid(seconds: float) -> Seconds:
    """Return the time to the microsecond."""
    return Seconds(round(seconds, _DECIMALS))


def _likeliest(powers: _Powers, around: int) -> int:
    """Return the sample of the likeliest step in powers, `MOMENTS` of them, the middle one at `around`.

    A band's complex amplitude is taken for Gaussian noise, so that its powers are distributed exponentially: about one mean before
    the step and another after it, and on the way from one to the other while the window lies across the step.
    """
    rise, before, after = _steps()
    softer, louder = before @ powers, after @ powers
    means = softer[:, None] + (louder - softer)[:, None] * rise[..., None]
    likelihood = -(np.log(means) + powers / means).sum(axis=1)
    steady = -len(powers) * (np.log(powers.mean(axis=0)) + 1.0)
    gains = np.where(louder > softer, np.maximum(likelihood - steady, 0.0), 0.0).sum(axis=1)
    best = int(gains.argmax())
    if gains[best] <= _ROUNDING:
        return around
    # The step lies between two moments.
    return around + (best - len(gains) // 2) * STEP + STEP // 2


@cache
def _steps() -> tuple[_Powers, _Powers, _Powers]:
    """For each step that is tried, at each moment: how much of the rise its window shows, and the weights that give the means before and after.

    All of shape (steps, moments).
    """
    # As a sum of a wave's samples under the window grows when the window slides onto a wave that begins.
    window = np.hanning(WINDOW)
    seen = np.concatenate([[0.0], np.cumsum(window) / window.sum()])
    beside = BESIDE // STEP
    steps = np.arange(beside + 1, MOMENTS - beside)[:, None] - 0.5
    inside = np.clip((np.arange(MOMENTS) - steps) * STEP + WINDOW / 2, 0.0, WINDOW)
    rise = np.square(np.interp(inside, np.arange(WINDOW + 1), seen))
    before, after = ((inside == edge).astype(np.float64) for edge in (0.0, float(WINDOW)))
    return rise, before / before.sum(axis=1, keepdims=True), after / after.sum(axis=1, keepdims=True)


def _powers(audio: RecentAudio, around: int, pitch: Pitch) -> _Powers:
    samples = audio.read(around - BEFORE, around + BEFORE).astype(np.float64)
    moments = sliding_window_view(samples, WINDOW)[::STEP]
    waves = _waves(pitch)
    bands = waves.shape[1] // 2
    parts = moments @ waves
    powers = np.square(parts[:, :bands]) + np.square(parts[:, bands:])
    return np.asarray(powers + (QUIET * powers.max() + _FLOOR))


@cache
def _waves(pitch: Pitch) -> npt.NDArray[np.float64]:
    """Windowed cosines, then sines, of the harmonics; shape (WINDOW, 2 x harmonics)."""
    fundamental = 440.0 * 2.0 ** ((pitch - 69) / 12)
    hertz = fundamental * np.arange(1, max(1, min(HARMONICS, int(HIGHEST / fundamental))) + 1)
    angles = 2.0 * np.pi * np.arange(WINDOW)[:, None] * hertz / SAMPLE_RATE
    window = np.hanning(WINDOW)[:, None]
    scale = 2.0 / window.sum()
    return np.asarray(scale * window * np.hstack([np.cos(angles), np.sin(angles)]))

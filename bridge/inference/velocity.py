"""MIDI velocity from the sound just after an onset, on a scale that nothing later in the clip can move."""

import math
from functools import cache

import numpy as np
from scipy import fft

from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio
from bridge.units import Pitch, Velocity

FRAMES = 4096
"""What is listened to, from the onset on: 93 ms."""
HARMONICS = 4
PER_DECIBEL = 2.0
AT_FULL_SCALE = 110.0
"""Velocity = 110 + 2 x level, rounded, within 1 to 127. A least squares fit to a Disklavier recording whose velocities are
known (MAPS, chpn-p14) gave 110 and 2.05 with a correlation of 0.6; a note at -25 dBFS gets 60, ten dB are 20 steps."""

_WINDOW = np.hanning(FRAMES).astype(np.float32)
_FULL_SCALE = float(_WINDOW.sum()) / 2
"""The magnitude of a sine of amplitude 1."""


@cache
def _bins(pitch: Pitch) -> list[slice]:
    """Within a quarter tone of the fundamental and of each of the next three harmonics."""
    fundamental = 440.0 * 2.0 ** ((pitch - 69) / 12) * FRAMES / SAMPLE_RATE
    quarter_tone = 2.0 ** (1 / 24)
    harmonics = [fundamental * number for number in range(1, HARMONICS + 1)]
    return [slice(int(bin_ / quarter_tone), int(bin_ * quarter_tone) + 2) for bin_ in harmonics]


def level(audio: RecentAudio, onset: int, pitch: Pitch) -> float:
    """Return a pitch's level in dBFS over the 4096 samples from `onset`: 0 is a sine of amplitude 1, -120 the least.

    The powers of the highest peak within a quarter tone of the fundamental and of each of the next three harmonics, summed;
    silence stands for samples after the clip's end.
    """
    spectrum = fft.rfft(audio.read(onset, onset + FRAMES) * _WINDOW)
    powers = np.square(spectrum.real) + np.square(spectrum.imag)
    peaks = [float(powers[bins].max(initial=0.0)) for bins in _bins(pitch)]
    return 10.0 * math.log10(sum(peaks) / _FULL_SCALE**2 + 1e-12)


def velocity_at(audio: RecentAudio, onset: int, pitch: Pitch) -> Velocity:
    """Return the velocity of a note that begins at sample `onset`, 1 to 127; it rises with the level."""
    return Velocity(round(min(127.0, max(1.0, AT_FULL_SCALE + PER_DECIBEL * level(audio, onset, pitch)))))

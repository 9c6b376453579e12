"""MIDI velocity from the sound just after an onset, on a scale that nothing later in the clip can move.

How loud a note is heard is two thirds its own level and one third that of all that sounds with it: partials that notes share, and
those that the room or a model moves about, make its own uncertain, and who plays a chord strikes its notes about alike. On recorded
and on rendered pianos whose velocities are known the two together rank the notes better than the one. Where one note sounds at a
time, all that sounds is the note's: a voice that scoops or trembles is not at its pitch yet.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio
from bridge.units import Pitch, Velocity

FRAMES = 4096
"""What is listened to: 93 ms."""
DELAY = SAMPLE_RATE * 15 // 1000
"""How long after the onset that begins: onsets are found some milliseconds early or late, and what sounded before is to be over."""
HARMONICS = 4
OWN_SHARE = 2 / 3
LOUDEST = -10.0
"""The level in dBFS that gets velocity 127: few notes of separated songs are louder, and the velocities of a recorded Disklavier
(MAPS, chpn-p14) are met in the median at -9. A piano that was recorded 10 dB softer has softer notes: levels are not learnt."""
DECIBELS_PER_DECADE = 40.0
"""General MIDI's law, by which `bridge.music.synth` and most instruments play: amplitude grows with the square of velocity."""

_WINDOW = np.hanning(FRAMES).astype(np.float32)
_FULL_SCALE = float(_WINDOW.sum()) / 2
"""The magnitude of a sine of amplitude 1."""
_FULL_POWER = float(np.square(_WINDOW, dtype=np.float64).sum()) / 2
"""Its energy within the window."""
_SILENCE = 1e-12
"""-120 dB."""

_Windowed = npt.NDArray[np.float32]


@cache
def _bins(pitch: Pitch) -> list[slice]:
    """Within a quarter tone of the fundamental and of each of the next three harmonics."""
    fundamental = 440.0 * 2.0 ** ((pitch - 69) / 12) * FRAMES / SAMPLE_RATE
    quarter_tone = 2.0 ** (1 / 24)
    harmonics = [fundamental * number for number in range(1, HARMONICS + 1)]
    return [slice(int(bin_ / quarter_tone), int(bin_ * quarter_tone) + 2) for bin_ in harmonics]


def level(audio: RecentAudio, onset: int, pitch: Pitch | None) -> float:
    """Return how loud a note that begins at sample `onset` is heard, in dBFS: 0 is a sine of amplitude 1, -120 the least.

    Its own level is the powers of the highest peak within a quarter tone of the fundamental and of each of the next three
    harmonics, summed; without a pitch all that sounds is its own. Silence stands for samples after the clip's end.
    """
    heard: _Windowed = audio.read(onset + DELAY, onset + DELAY + FRAMES) * _WINDOW
    whole = _whole_level(heard)
    return whole if pitch is None else OWN_SHARE * _own_level(heard, pitch) + (1.0 - OWN_SHARE) * whole


def velocity_at(audio: RecentAudio, onset: int, pitch: Pitch | None) -> Velocity:
    """Return the velocity of a note that begins at sample `onset`, 1 to 127; it rises with the level."""
    velocity = 127.0 * 10.0 ** ((level(audio, onset, pitch) - LOUDEST) / DECIBELS_PER_DECADE)
    return Velocity(round(min(127.0, max(1.0, velocity))))


def _own_level(heard: _Windowed, pitch: Pitch) -> float:
    spectrum = fft.rfft(heard)
    powers = np.square(spectrum.real) + np.square(spectrum.imag)
    peaks = [float(powers[bins].max(initial=0.0)) for bins in _bins(pitch)]
    return 10.0 * math.log10(sum(peaks) / _FULL_SCALE**2 + _SILENCE)


def _whole_level(heard: _Windowed) -> float:
    return 10.0 * math.log10(float(np.square(heard, dtype=np.float64).sum()) / _FULL_POWER + _SILENCE)

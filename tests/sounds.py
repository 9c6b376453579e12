"""Audio that tests make: piano-like melodies whose notes are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bridge.music.notes import Note
from bridge.music.synth import AdditiveSynth, Score
from bridge.units import Pitch, Seconds, Velocity

RATE = 44100
SCALE = (60, 64, 67, 72, 67, 64)


def melody(seconds: float, every: float = 0.5, length: float = 0.4, pitches: Sequence[int] = SCALE) -> list[Note]:
    """One note after another, from 0.5 s on."""
    count = int((seconds - 1.0) / every)
    return [
        Note(Seconds(0.5 + every * n), Seconds(length), Pitch(pitches[n % len(pitches)]), Velocity(100), 1.0)
        for n in range(count)
    ]


def write_melody(path: Path, seconds: float, **how: Any) -> list[Note]:
    """Write a stereo melody of that length; return its notes."""
    notes = melody(seconds, **how)
    sound = AdditiveSynth(RATE).render(Score.of(notes), 0, round(seconds * RATE))
    soundfile.write(path, np.stack([sound, sound], axis=1), RATE, subtype="PCM_16")
    return notes

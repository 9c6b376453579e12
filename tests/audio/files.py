"""Audio files that the tests make for themselves."""

import numpy as np
import soundfile

from bridge.app.song import demo_song

SONG = demo_song()
"""11 s of a real song, stereo, 44.1 kHz."""


def noise(frames, channels=2, seed=0, level=0.2):
    """Float32, shape (channels, frames)."""
    return (level * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def save(path, samples, rate=44100, **options):
    """Write in small pieces: libsndfile's encoders do not survive large ones."""
    with soundfile.SoundFile(path, "w", rate, samples.shape[0], **options) as file:
        for i in range(0, samples.shape[1], 8192):
            file.write(samples[:, i : i + 8192].T)
    return path


def decode_all(path):
    """Every frame in one go; float32, shape (channels, frames)."""
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T

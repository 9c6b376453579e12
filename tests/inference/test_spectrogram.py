import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.madmom_models import madmom
from bridge.inference.recent_audio import RecentAudio
from bridge.inference.spectrogram import BANDS, SpectrogramStream, piano_cnn_analysis
from tests.inference.madmom_reference import signal, song


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).normal(0, 0.2, frames).astype(np.float32)


def stream(samples: np.ndarray, chunks: list[int]) -> np.ndarray:
    audio = RecentAudio()
    spectrogram = SpectrogramStream(audio, piano_cnn_analysis())
    found = []
    for size in (*chunks, len(samples)):
        audio.append(samples[audio.frames : audio.frames + size])
        found.append(spectrogram.until(spectrogram.complete))
        audio.forget(spectrogram.needs)
    return np.concatenate([*found, spectrogram.until(spectrogram.last)])


def whole(samples: np.ndarray) -> np.ndarray:
    """madmom's input to its CNN, without the five frames that it repeats at either end."""
    return np.asarray(madmom.features.notes.CNNPianoNoteProcessor().processors[0](signal(samples[None])))[5:-5]


@pytest.mark.parametrize("frames", [1, 2, 881, 882, 883, 2048, 4096, 5 * 882, 44100, 100_001])
def test_any_length_gives_madmoms_frames(frames):
    expected = whole(noise(frames))
    found = stream(noise(frames), [])
    assert found.shape == expected.shape == (-(-frames // 882), BANDS)
    assert np.abs(found - expected).max() < 1e-6


def test_real_music_gives_madmoms_frames():
    samples = song(0, 4).mean(axis=0)
    assert np.abs(stream(samples, [1, 10_000, 3]) - whole(samples)).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30_000), st.lists(st.integers(0, 9000), max_size=12))
def test_any_chunking_gives_the_same_bits(frames, chunks):
    samples = noise(frames)
    assert np.array_equal(stream(samples, chunks), stream(samples, []))


def test_nothing_gives_no_frames():
    assert stream(np.zeros(0, np.float32), []).shape == (0, BANDS)

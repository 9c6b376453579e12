import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.madmom_models import madmom
from bridge.inference.piano_features import FeatureStream, piano_rnn_resolutions
from bridge.inference.recent_audio import RecentAudio
from tests.inference.madmom_reference import signal, song

PROCESSOR = madmom.features.notes.RNNPianoNoteProcessor()
RESOLUTIONS = piano_rnn_resolutions(madmom.features.notes.RNNPianoNoteProcessor())


def stream(samples: np.ndarray, chunks: list[int]) -> np.ndarray:
    audio = RecentAudio()
    features = FeatureStream(audio, RESOLUTIONS)
    found = []
    for size in (*chunks, len(samples)):
        audio.append(samples[audio.frames : audio.frames + size])
        found.append(features.until(features.complete))
        audio.forget(features.needs)
    return np.concatenate([*found, features.until(features.last)])


def whole(samples: np.ndarray) -> np.ndarray:
    """What madmom puts into its network."""
    return np.asarray(PROCESSOR.processors[0](signal(samples[None])))


@pytest.mark.parametrize("frames", [442, 1000, 4096, 50_001])
def test_any_length_gives_madmoms_features(frames):
    samples = np.random.default_rng(frames).normal(0, 0.2, frames).astype(np.float32)
    expected = whole(samples)
    found = stream(samples, [])
    assert found.shape == expected.shape == (-(-frames // 441), 482)
    assert np.abs(found - expected).max() < 2e-6


def test_features_of_real_music_are_madmoms_and_rise():
    samples = song(0, 3).mean(axis=0)
    expected = whole(samples)
    assert (expected[:, -100:] > 0.1).any()
    assert np.abs(stream(samples, [1, 10_000, 3]) - expected).max() < 2e-6


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30_000), st.lists(st.integers(0, 9000), max_size=12))
def test_any_chunking_gives_the_same_bits(frames, chunks):
    samples = np.random.default_rng(frames).normal(0, 0.2, frames).astype(np.float32)
    assert np.array_equal(stream(samples, chunks), stream(samples, []))


def test_nothing_gives_no_features():
    assert stream(np.zeros(0, np.float32), []).shape == (0, 482)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.madmom_models import madmom
from bridge.inference.recent_audio import RecentAudio, mono, require_rate


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 100_000)), max_size=8),
    st.integers(-5000, 400_000),
    st.integers(1, 5000),
)
def test_reads_what_was_appended_and_zeros_around_it(steps, start, length):
    whole = np.arange(1, 1 + sum(size for size, _ in steps), dtype=np.float32)
    audio = RecentAudio()
    forgotten = 0
    for size, keep in steps:
        audio.append(whole[audio.frames : audio.frames + size])
        forgotten = max(forgotten, audio.frames - keep)
        audio.forget(forgotten)
    padded = np.zeros(5000 + 405_000 + whole.size, np.float32)
    padded[5000 : 5000 + whole.size] = whole
    begin = max(start, 0)
    if begin < forgotten and begin < whole.size and start + length > 0:
        with pytest.raises(IndexError):
            audio.read(start, start + length)
    else:
        assert np.array_equal(audio.read(start, start + length), padded[5000 + start : 5000 + start + length])


def test_memory_does_not_grow_with_what_was_forgotten():
    audio = RecentAudio()
    for _ in range(2000):
        audio.append(np.ones(4410, np.float32))
        audio.forget(audio.frames - 10_000)
    assert audio.frames == 8_820_000
    assert audio._buffer.size < 100_000


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
def test_channels_are_averaged_as_madmom_does(channels):
    samples = np.random.default_rng(0).normal(0, 0.3, (channels, 5000)).astype(np.float32)
    signal = madmom.audio.signal.Signal(np.ascontiguousarray(samples.T), sample_rate=44100)
    expected = madmom.audio.signal.SignalProcessor(num_channels=1, sample_rate=44100)(signal)
    assert np.array_equal(mono(samples), np.asarray(expected).reshape(-1))


def test_what_is_not_finite_becomes_silence():
    samples = np.array([[0.5, np.nan, 0.25, np.inf], [0.5, 0.5, 0.75, 0.5]], np.float32)
    assert mono(samples).tolist() == [0.5, 0.0, 0.5, 0.0]


def test_another_sample_rate_is_refused_with_both_rates_named():
    with pytest.raises(BridgeError, match=r"48000 Hz.*44100 Hz") as error:
        require_rate(48000)
    assert error.value.code is ErrorCode.NOT_SUPPORTED

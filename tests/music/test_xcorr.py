import numpy as np
import pytest
import scipy.signal

from bridge.music.xcorr import RawCorrelation


def noise(frames, seed):
    return np.random.default_rng(seed).standard_normal(frames).astype(np.float32)


def low_noise(frames, seed, factor):
    """Noise at a low rate, and the same sound `factor` times as fine."""
    slow = noise(frames, seed) * np.hanning(frames).astype(np.float32)
    slow = scipy.signal.sosfiltfilt(scipy.signal.butter(8, 0.7, output="sos"), slow).astype(np.float32)
    return slow, scipy.signal.resample(slow, frames * factor).astype(np.float32)


def phases(sound, factor):
    return [np.pad(sound, (0, -len(sound) % factor))[r::factor] for r in range(factor)]


def raw_correlation(stem, factor):
    return RawCorrelation(phases(stem, factor), -(-len(stem) // factor), factor)


def every_lag(a, b):
    return scipy.signal.correlate(a.astype(np.float64), b.astype(np.float64), "full", method="fft")


@pytest.mark.parametrize("frames", [1, 2, 3, 999, 4000, 300_000])
def test_the_raw_maximum_is_that_of_all_lags(frames):
    a, b = noise(frames, 1), noise(frames, 2)
    assert raw_correlation(a, 1).maximum(phases(b, 1)) == pytest.approx(every_lag(a, b).max(), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("frames", "factor"), [(500, 2), (5000, 4), (20_000, 3), (60_000, 4)])
@pytest.mark.parametrize("delay", [0, 1, 5, -2])
def test_at_the_full_rate_the_raw_maximum_is_that_of_every_lag_between_the_thinned_ones(frames, factor, delay):
    """The stem has all frequencies, the other sound only low ones."""
    other = low_noise(frames, 4, factor)[1]
    stem = noise(len(other), 3) + np.roll(other, delay)
    assert raw_correlation(stem, factor).maximum(phases(other, factor)) == pytest.approx(
        every_lag(stem, other).max(), rel=1e-4
    )


def test_a_sound_that_does_not_fill_its_last_frames_is_as_good():
    stem, other = noise(19_999, 3), low_noise(5000, 4, 4)[1][:-1]
    assert raw_correlation(stem, 4).maximum(phases(other, 4)) == pytest.approx(every_lag(stem, other).max(), rel=1e-4)


def test_the_raw_maximum_of_a_thinned_sound_is_that_of_the_full_one():
    stem = noise(20_000, 3)
    slow, fine = low_noise(5000, 4, 4)
    raw = raw_correlation(stem, 4)
    assert raw.maximum_thinned(slow) == pytest.approx(raw.maximum(phases(fine, 4)), rel=0.03)
    assert raw.maximum_thinned(slow) == pytest.approx(every_lag(stem, fine)[(len(stem) - 1) % 4 :: 4].max(), rel=1e-3)

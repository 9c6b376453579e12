from itertools import pairwise

import numpy as np
import pytest
import scipy.signal

from bridge.music.features import Decimator, onset_envelope, pitchgram
from bridge.music.similarity import (
    RawCorrelation,
    WaveformCorrelation,
    chroma_cosine,
    onset_correlation,
    pitchgram_correlation,
)

RATE = 11025.0


def noise(frames, seed=0):
    return np.random.default_rng(seed).standard_normal(frames).astype(np.float32)


def low_noise(frames, seed, factor):
    """Noise at a low rate, and the same sound `factor` times as fine."""
    slow = noise(frames, seed) * np.hanning(frames).astype(np.float32)
    slow = scipy.signal.sosfiltfilt(scipy.signal.butter(8, 0.7, output="sos"), slow).astype(np.float32)
    return slow, scipy.signal.resample(slow, frames * factor).astype(np.float32)


@pytest.mark.parametrize(("frames", "factor"), [(1, 1), (2, 4), (999, 4), (4000, 3)])
def test_the_raw_maximum_is_that_of_all_lags(frames, factor):
    a, b = noise(frames, 1), noise(frames, 2)
    expected = scipy.signal.correlate(a.astype(np.float64), b.astype(np.float64), "full").max()
    assert RawCorrelation(a, factor).maximum(b) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_the_raw_maximum_of_a_thinned_sound_is_that_of_the_full_one():
    stem = noise(20_000, 3)
    slow, fine = low_noise(5000, 4, 4)
    raw = RawCorrelation(stem, 4)
    assert raw.maximum_thinned(slow) == pytest.approx(raw.maximum(fine), rel=0.03)


def test_a_waveform_matches_itself_later_by_the_delay():
    sound = noise(200_000)
    found = WaveformCorrelation(sound, RATE).best(np.roll(sound, 300))
    assert found.lag_ms == pytest.approx(1000 * 300 / RATE)
    assert found.value == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("frames", [1, 7, 3000, 70_000])
def test_the_waveform_measure_is_the_normalised_cross_correlation(frames):
    a, b = noise(frames, 1).astype(np.float64), noise(frames, 2).astype(np.float64)
    curve = np.abs(scipy.signal.correlate(b, a, "full")) / np.sqrt((a**2).sum() * (b**2).sum())
    reach = min(round(0.1 * RATE), frames - 1)
    curve = curve[frames - 1 - reach : frames + reach]
    found = WaveformCorrelation(a.astype(np.float32), RATE).best(b.astype(np.float32))
    assert found.value == pytest.approx(curve.max(), rel=1e-4)
    assert found.lag_ms == pytest.approx(1000 * (int(curve.argmax()) - reach) / RATE)


def test_an_inverted_waveform_matches_as_well():
    sound = noise(5000)
    assert WaveformCorrelation(sound, RATE).best(-sound).value == pytest.approx(1.0, abs=1e-5)


def test_silence_is_undefined_in_every_measure():
    sound, silence = noise(20_000), np.zeros(20_000, np.float32)
    for a, b in ((sound, silence), (silence, sound), (silence, silence)):
        assert pitchgram_correlation(pitchgram(a, RATE), pitchgram(b, RATE)) is None
        assert chroma_cosine(pitchgram(a, RATE), pitchgram(b, RATE)) is None
        assert onset_correlation(onset_envelope(a, RATE), onset_envelope(b, RATE), RATE) == (None, None)
        assert WaveformCorrelation(a, RATE).best(b) == (None, None)


@pytest.mark.parametrize("frames", [0, 1, 50, 200, 700])
def test_very_short_sound_gives_numbers_or_none(frames):
    a, b = noise(frames, 1), noise(frames, 2)
    values = [
        pitchgram_correlation(pitchgram(a, RATE), pitchgram(b, RATE)),
        chroma_cosine(pitchgram(a, RATE), pitchgram(b, RATE)),
        *onset_correlation(onset_envelope(a, RATE), onset_envelope(b, RATE), RATE),
        *WaveformCorrelation(a, RATE).best(b),
    ]
    assert all(v is None or np.isfinite(v) for v in values)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_decimation_in_pieces_equals_decimation_at_once_and_delays_nothing(factor):
    frames = 30_000
    tone = np.sin(2 * np.pi * 500 * np.arange(frames) / (RATE * factor)).astype(np.float32)
    whole, parts = Decimator(factor), Decimator(factor)
    at_once = np.concatenate([whole.feed(tone), whole.rest()])
    edges = [0, 1, 2, 77, 5000, 5001, 17_123, frames]
    pieces = [parts.feed(tone[a:b]) for a, b in pairwise(edges)]
    np.testing.assert_allclose(np.concatenate([*pieces, parts.rest()]), at_once, atol=1e-6)
    assert len(at_once) == -(-frames // factor)
    np.testing.assert_allclose(at_once[100:-100], tone[::factor][100:-100], atol=2e-3)


def test_decimation_lets_nothing_fold_down():
    tone = np.sin(2 * np.pi * 9000 * np.arange(44100) / 44100).astype(np.float32)
    assert np.abs(Decimator(4).feed(tone)[100:]).max() < 5e-3

import numpy as np
import pytest
import scipy.signal

from bridge.music.features import pitchgram
from bridge.music.similarity import ChromaCosine, PitchgramCorrelation, onset_correlation
from tests.music.sounds import envelope, waveform_match

RATE = 11025.0


def noise(frames, seed=0):
    return np.random.default_rng(seed).standard_normal(frames).astype(np.float32)


def pitch_measures(a, b):
    stem, other = pitchgram(a, RATE), pitchgram(b, RATE)
    return PitchgramCorrelation(stem).value(other), ChromaCosine(stem).value(other)


def test_the_pitchgram_measure_is_the_correlation_of_log_magnitudes():
    stem, other = (np.random.default_rng(seed).gamma(0.3, size=(9000, 81)).astype(np.float32) for seed in (1, 2))
    other[:3000] += stem[:3000]
    logs = [np.log1p(2.0 * np.sqrt(power / power.mean(dtype=float))).ravel().astype(float) for power in (stem, other)]
    assert PitchgramCorrelation(stem).value(other) == pytest.approx(np.corrcoef(logs)[0, 1], abs=1e-6)


def test_the_chroma_measure_is_the_mean_cosine_weighted_by_the_stem():
    stem, other = (np.random.default_rng(seed).gamma(0.3, size=(500, 81)) for seed in (1, 2))
    stem[7], other[9] = 0.0, 0.0
    chroma = [
        np.stack([power[:, (c - 28) % 12 :: 12].sum(axis=1) for c in range(12)], axis=1) for power in (stem, other)
    ]
    weight, total = stem.sum(axis=1), 0.0
    for i in set(range(500)) - {7, 9}:
        a, b = chroma[0][i], chroma[1][i]
        total += weight[i] * (a @ b) / np.sqrt((a @ a) * (b @ b))
    value = ChromaCosine(stem.astype(np.float32)).value(other.astype(np.float32))
    assert value == pytest.approx(total / weight.sum(), rel=1e-5)


def test_a_waveform_matches_itself_later_by_the_delay():
    sound = noise(200_000)
    found = waveform_match(sound, np.roll(sound, 300), RATE)
    assert found.lag_ms == pytest.approx(1000 * 300 / RATE)
    assert found.value == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("frames", [1, 7, 3000, 70_000, 600_000])
def test_the_waveform_measure_is_the_normalised_cross_correlation(frames):
    a, b = noise(frames, 1).astype(np.float64), noise(frames, 2).astype(np.float64)
    curve = np.abs(scipy.signal.correlate(b, a, "full")) / np.sqrt((a**2).sum() * (b**2).sum())
    reach = min(round(0.1 * RATE), frames - 1)
    curve = curve[frames - 1 - reach : frames + reach]
    found = waveform_match(a.astype(np.float32), b.astype(np.float32), RATE)
    assert found.value == pytest.approx(curve.max(), rel=1e-4)
    assert found.lag_ms == pytest.approx(1000 * (int(curve.argmax()) - reach) / RATE)


def test_an_inverted_waveform_matches_as_well():
    sound = noise(5000)
    assert waveform_match(sound, -sound, RATE).value == pytest.approx(1.0, abs=1e-5)


def test_silence_is_undefined_in_every_measure():
    sound, silence = noise(20_000), np.zeros(20_000, np.float32)
    for a, b in ((sound, silence), (silence, sound), (silence, silence)):
        assert pitch_measures(a, b) == (None, None)
        assert onset_correlation(envelope(a, RATE), envelope(b, RATE), RATE) == (None, None)
        assert waveform_match(a, b, RATE) == (None, None)


@pytest.mark.parametrize("frames", [0, 1, 50, 200, 700])
def test_very_short_sound_gives_numbers_or_none(frames):
    a, b = noise(frames, 1), noise(frames, 2)
    values = [
        *pitch_measures(a, b),
        *onset_correlation(envelope(a, RATE), envelope(b, RATE), RATE),
        *waveform_match(a, b, RATE),
    ]
    assert all(v is None or np.isfinite(v) for v in values)

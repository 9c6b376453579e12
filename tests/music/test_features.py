from itertools import pairwise

import numpy as np
import pytest
import scipy.signal

from bridge.music.features import Decimator, Framing, _onset_bank, _semitone_bank, blocks, pitchgram
from tests.music.sounds import envelope

RATE = 11025.0


def noise(frames, seed=0):
    return np.random.default_rng(seed).standard_normal(frames).astype(np.float32)


def power(sound, framing, bank):
    """All windows at once, in double precision."""
    padded = np.pad(sound.astype(np.float64), framing.window)
    start = framing.window - framing.window // 2
    frames = np.lib.stride_tricks.sliding_window_view(padded[start:], framing.window)[:: framing.hop]
    frames = frames[: -(-len(sound) // framing.hop)]
    return np.abs(np.fft.rfft(frames * scipy.signal.windows.hann(framing.window, sym=False))) ** 2 @ bank


@pytest.mark.parametrize("frames", [1, 5000, 262_144, 600_001])
def test_a_pitchgram_shows_no_seams_between_blocks(frames):
    sound, framing = noise(frames), Framing.pitch(RATE)
    expected = power(sound, framing, _semitone_bank(framing.window, RATE))
    np.testing.assert_allclose(pitchgram(sound, RATE), expected, rtol=1e-4, atol=1e-4 * expected.mean())


@pytest.mark.parametrize(("frames", "rate"), [(3, RATE), (600_001, RATE), (600_001, 12_000.0), (300_000, 8000.0)])
def test_an_onset_envelope_is_the_rise_of_the_log_magnitudes(frames, rate):
    sound, framing = noise(frames) * np.linspace(0, 1, frames, dtype=np.float32) ** 2, Framing.onset(rate)
    bands = np.sqrt(power(sound, framing, _onset_bank(framing.window, rate)))
    loud = np.log1p(10.0 * bands / np.sqrt(np.mean(bands**2)))
    rises = np.maximum(loud[2:] - loud[:-2], 0.0).sum(axis=1)
    got = envelope(sound, rate)
    assert len(got) == len(bands)
    assert not got[:2].any()
    np.testing.assert_allclose(got[2:], rises, atol=2e-3 * max(1.0, rises.max(initial=0.0)))


def test_blocks_hold_what_lies_around_them_and_silence_beyond_the_ends():
    sound = np.arange(1, 400_001, dtype=np.float32)
    cut = list(blocks(lambda begin, end: sound[begin:end], len(sound), 1000))
    assert [b.begin for b in cut] == [0] + [b.end for b in cut[:-1]]
    assert cut[-1].end == len(sound)
    around = np.pad(sound, (1000, 1 << 18))
    for block in cut:
        assert block.at == block.begin - 1000
        assert len(block.samples) >= block.end - block.begin + 2000
        np.testing.assert_array_equal(block.samples, around[block.begin :][: len(block.samples)])


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("frames", [1, 5, 30_001])
def test_decimation_in_pieces_equals_decimation_at_once(factor, frames):
    sound = noise(frames)
    at_once = Decimator(factor).thin(sound)
    thinned = Decimator(factor).thinned(lambda begin, end: sound[begin:end], frames)
    assert len(at_once) == -(-frames // factor)
    edges = sorted({0, 1, 2, 77, 5000, 5001, len(at_once)} & set(range(len(at_once) + 1)))
    pieces = [thinned(a, b) for a, b in pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(pieces), at_once, atol=1e-5)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_decimation_delays_nothing(factor):
    tone = np.sin(2 * np.pi * 500 * np.arange(30_000) / (RATE * factor)).astype(np.float32)
    np.testing.assert_allclose(Decimator(factor).thin(tone)[100:-100], tone[::factor][100:-100], atol=2e-3)


def test_decimation_lets_nothing_fold_down():
    tone = np.sin(2 * np.pi * 9000 * np.arange(44100) / 44100).astype(np.float32)
    assert np.abs(Decimator(4).thin(tone)[100:-100]).max() < 5e-3

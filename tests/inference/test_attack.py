"""Where a note begins, found in waveforms whose attacks are known to the sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.attack import BEFORE, REACH, STEP, onset_at
from bridge.inference.recent_audio import RecentAudio
from tests.inference.mono_sounds import RATE, Tone, blow, pluck

MILLISECOND = RATE // 1000
NEAR = 0.003
"""Seconds; the strings' attack takes as long."""


def audio_of(samples: np.ndarray) -> RecentAudio:
    audio = RecentAudio()
    audio.append(np.asarray(samples, np.float32).reshape(-1))
    return audio


def mixed(*tones: Tone, seconds: float = 1.5) -> RecentAudio:
    """Each tone on a string of its own."""
    return audio_of(sum(pluck([tone], seconds) for tone in tones))


@pytest.mark.parametrize("pitch", [28, 40, 55, 69, 88, 105])
@pytest.mark.parametrize("late", [-25, -13, -2, 7, 18, 25])
def test_a_plucked_string_is_found_from_either_side(pitch, late):
    audio = mixed(Tone(0.5073, 0.8, pitch))
    assert onset_at(audio, round((0.5073 + late / 1000) * RATE), pitch) == pytest.approx(0.5073, abs=NEAR)


@pytest.mark.parametrize("pitch", [50, 62, 79])
def test_a_wind_instrument_is_found_within_its_attack_of_15_ms(pitch):
    audio = audio_of(blow([Tone(0.5, 0.6, pitch)], 1.3))
    assert 0.5 - NEAR < onset_at(audio, round(0.51 * RATE), pitch) < 0.515


@pytest.mark.parametrize("gain", [1e-3, 1.0, 4.0])
def test_loudness_does_not_matter(gain):
    samples = pluck([Tone(0.5, 0.8, 60)], 1.5)
    assert onset_at(audio_of(gain * samples), 22_500, 60) == onset_at(audio_of(samples), 22_500, 60)


def test_a_string_struck_again_is_found_while_it_sounds():
    audio = audio_of(pluck([Tone(0.2, 0.5, 52), Tone(0.7021, 0.5, 52)], 1.5))
    assert onset_at(audio, round(0.69 * RATE), 52) == pytest.approx(0.7021, abs=2 * NEAR)


def test_a_note_is_found_above_one_that_sounds_on():
    audio = mixed(Tone(0.1, 1.2, 48), Tone(0.6037, 0.5, 64, level=0.3))
    assert onset_at(audio, round(0.59 * RATE), 64) == pytest.approx(0.6037, abs=NEAR)


@pytest.mark.parametrize("around", [0, 441, 900])
def test_a_note_that_begins_with_the_clip_begins_at_0_and_not_before(around):
    assert 0.0 <= onset_at(mixed(Tone(0.0, 0.8, 57)), around, 57) < 0.002


def test_in_silence_and_beyond_the_clip_a_note_stays_where_it_was():
    silence = audio_of(np.zeros(RATE))
    assert onset_at(silence, 22_050, 60) == 0.5
    assert onset_at(silence, 2 * RATE, 60) == 2.0


def test_where_a_note_only_fades_it_stays_where_it_was():
    fading = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE) * np.exp(-20 * np.arange(RATE) / RATE)
    assert onset_at(audio_of(fading), 22_050, 69) == 0.5


def test_the_end_of_the_clip_is_no_attack():
    samples = pluck([Tone(0.5, 0.8, 60)], 1.5)[:, : round(0.54 * RATE)]
    assert onset_at(audio_of(samples), round(0.52 * RATE), 60) == pytest.approx(0.5, abs=NEAR)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, RATE), st.integers(21, 108))
def test_nothing_is_moved_farther_than_the_reach(seed, around, pitch):
    noise = np.random.default_rng(seed).standard_normal(RATE) * np.random.default_rng(seed + 1).random()
    found = onset_at(audio_of(noise), around, pitch)
    assert found >= 0.0
    assert abs(found - around / RATE) <= REACH / RATE


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(21, 108))
def test_only_the_audio_around_counts(seed, pitch):
    noise = np.random.default_rng(seed).standard_normal(RATE).astype(np.float32)
    other = noise.copy()
    other[: RATE // 2 - BEFORE] = 0.0
    other[RATE // 2 + BEFORE :] *= 9.0
    assert onset_at(audio_of(noise), RATE // 2, pitch) == onset_at(audio_of(other), RATE // 2, pitch)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(0, 4), st.floats(0.45, 0.55))
def test_a_clip_that_begins_some_tenths_of_a_second_earlier_has_the_same_onset_to_the_last_bit(tenths, tone, onset):
    pitch = 40 + 7 * tone
    samples = pluck([Tone(onset, 0.3, pitch)], 1.0)
    later = np.pad(samples, ((0, 0), (tenths * RATE // 10, 0)))
    around = RATE // 2
    whole = onset_at(audio_of(later), around + tenths * RATE // 10, pitch)
    assert whole == round(tenths / 10 + onset_at(audio_of(samples), around, pitch), 6)


def test_moments_are_a_millisecond_apart():
    assert STEP == MILLISECOND
    found = {onset_at(mixed(Tone(0.5 + ms / 1000, 0.5, 72), seconds=1.2), 22_050, 72) for ms in range(-10, 11)}
    assert len(found) > 15

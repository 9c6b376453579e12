import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio
from bridge.inference.velocity import level, velocity_at


def tone(pitch: int, decibels: float, frames: int = 8192, start: int = 0) -> RecentAudio:
    audio = RecentAudio()
    t = np.arange(frames) / SAMPLE_RATE
    sine = 10 ** (decibels / 20) * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)
    audio.append(np.concatenate([np.zeros(start), sine]).astype(np.float32))
    return audio


@pytest.mark.parametrize("pitch", [33, 48, 60, 81, 108])
@pytest.mark.parametrize("decibels", [0, -20, -50])
def test_a_sine_has_the_level_of_its_amplitude(pitch, decibels):
    assert level(tone(pitch, decibels), 0, pitch) == pytest.approx(decibels, abs=1.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(21, 108), st.floats(-70, 6), st.floats(0.5, 30))
def test_louder_is_never_softer_and_stays_within_midi(pitch, decibels, gain):
    soft, loud = (velocity_at(tone(pitch, d), 0, pitch) for d in (decibels, decibels + gain))
    assert 1 <= soft <= loud <= 127
    assert loud > soft or loud == 127 or soft == 1 or gain < 0.6


def test_ten_decibels_are_twenty_steps():
    assert velocity_at(tone(60, -20), 0, 60) - velocity_at(tone(60, -30), 0, 60) == 20


def test_what_sounds_before_the_onset_or_long_after_does_not_count():
    late = tone(60, -6, start=6000)
    assert level(late, 0, 60) < -100
    assert level(late, 6000, 60) == pytest.approx(-6, abs=1.5)
    assert level(tone(60, -6), 8192, 60) < -100


def test_another_pitch_that_shares_no_harmonic_counts_little():
    assert level(tone(66, -6), 0, 60) < -40


def test_silence_and_the_end_of_the_clip_give_the_least_velocity():
    audio = RecentAudio()
    audio.append(np.zeros(10, np.float32))
    assert velocity_at(audio, 5, 60) == 1

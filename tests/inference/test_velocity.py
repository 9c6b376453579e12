import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio
from bridge.inference.velocity import DELAY, FRAMES, level, velocity_at
from bridge.music.notes import Note
from bridge.music.synth import AdditiveSynth, Score


def sine(pitch: int, decibels: float, frames: int) -> np.ndarray:
    t = np.arange(frames) / SAMPLE_RATE
    return 10 ** (decibels / 20) * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)


def audio_of(*parts: np.ndarray) -> RecentAudio:
    audio = RecentAudio()
    audio.append(np.concatenate(parts).astype(np.float32))
    return audio


def tone(pitch: int, decibels: float, frames: int = 8192, start: int = 0) -> RecentAudio:
    return audio_of(np.zeros(start), sine(pitch, decibels, frames))


@pytest.mark.parametrize("pitch", [33, 48, 60, 81, 108])
@pytest.mark.parametrize("decibels", [0, -20, -50])
def test_a_sine_has_the_level_of_its_amplitude(pitch, decibels):
    assert level(tone(pitch, decibels), 0, pitch) == pytest.approx(decibels, abs=1.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(21, 108), st.floats(-70, 6), st.floats(0.5, 30))
def test_louder_is_never_softer_and_stays_within_midi(pitch, decibels, gain):
    soft, loud = (velocity_at(tone(pitch, d), 0, pitch) for d in (decibels, decibels + gain))
    assert 1 <= soft <= loud <= 127
    assert loud > soft or loud == 127 or soft < 20 or gain < 1


@pytest.mark.parametrize("pitch", [40, 60, 84])
def test_what_is_played_again_is_louder_and_softer_by_as_much_as_what_was_heard(pitch):
    synth = AdditiveSynth(SAMPLE_RATE)

    def again(decibels: float) -> float:
        """The peak, in dB, of the note that is made of a note of this level."""
        heard = 10 ** (decibels / 20) * synth.render(Score.of([Note(0.0, 0.5, pitch, 127, 1.0)]), 0, 8192)
        velocity = velocity_at(audio_of(heard), 0, pitch)
        return 20 * np.log10(np.abs(synth.render(Score.of([Note(0.0, 0.5, pitch, velocity, 1.0)]), 0, 8192)).max())

    loudest = again(0.0)
    for below in (6, 12, 18, 24):
        assert loudest - again(-below) == pytest.approx(below, abs=0.8)


def test_what_sounds_before_the_onset_or_long_after_does_not_count():
    late = tone(60, -6, start=6000)
    assert level(late, 0, 60) < -100
    assert level(late, 6000, 60) == pytest.approx(-6, abs=1.5)
    assert level(tone(60, -6), 8192, 60) < -100


def test_an_onset_found_ten_milliseconds_early_or_late_changes_little():
    found = tone(60, -20, start=6000)
    exact = velocity_at(found, 6000, 60)
    assert abs(velocity_at(found, 5559, 60) - exact) <= 1
    assert abs(velocity_at(found, 6441, 60) - exact) <= 1


def test_nothing_later_than_the_window_counts():
    audio = tone(60, -20, frames=DELAY + FRAMES)
    before = velocity_at(audio, 0, 60)
    audio.append(np.ones(1000, np.float32))
    assert velocity_at(audio, 0, 60) == before


def test_the_softer_of_two_notes_struck_together_is_the_softer_one():
    both = audio_of(sine(60, -12, 8192) + sine(66, -30, 8192))
    assert velocity_at(both, 0, 66) < velocity_at(both, 0, 60) - 20


def test_a_pitch_that_does_not_sound_is_far_softer_than_what_does():
    sounding = tone(66, -6)
    assert level(sounding, 0, 60) < level(sounding, 0, 66) - 25


def test_without_a_pitch_all_that_sounds_is_the_notes():
    both = audio_of(sine(60, -20, 8192) + sine(66, -20, 8192))
    assert level(both, 0, None) == pytest.approx(-17, abs=0.5)


def test_silence_and_the_end_of_the_clip_give_the_least_velocity():
    assert velocity_at(audio_of(np.zeros(10)), 5, 60) == 1
    assert velocity_at(audio_of(np.zeros(10)), 5, None) == 1

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.music.notes import Note
from bridge.music.synth import RELEASE_SECONDS, AdditiveSynth, Score


def note(onset, duration, pitch=60, velocity=100):
    return Note(onset, duration, pitch, velocity, 1.0)


MELODY = [note(0.1 * i, 0.37, 48 + 3 * i, 40 + 5 * i) for i in range(12)] + [note(0.2, None, 40)]


@given(st.lists(st.integers(-3000, 20_000), min_size=2, max_size=8).map(sorted))
@settings(max_examples=40, deadline=None)
def test_any_cut_into_blocks_gives_the_same_samples(edges):
    synth = AdditiveSynth(8000)
    score = Score.of(MELODY)
    blocks = [synth.render(score, a, b) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(blocks), AdditiveSynth(8000).render(score, edges[0], edges[-1]))


def test_a_long_note_is_the_same_in_blocks_as_in_one():
    score = Score.of([note(0.0, 9.0, 40)])
    whole = AdditiveSynth(44100).render(score, 0, 400_000)
    parts = AdditiveSynth(44100)
    blocks = np.concatenate([parts.render(score, i, min(i + 7001, 400_000)) for i in range(0, 400_000, 7001)])
    np.testing.assert_array_equal(blocks, whole)


@pytest.mark.parametrize(("pitch", "hertz"), [(69, 440.0), (57, 220.0), (81, 880.0)])
def test_a_note_sounds_at_its_pitch(pitch, hertz):
    sound = AdditiveSynth(44100).render(Score.of([note(0.0, 1.0, pitch)]), 0, 44100)
    assert np.argmax(np.abs(np.fft.rfft(sound))) == pytest.approx(hertz, abs=1)


def test_a_note_sounds_from_its_onset_to_its_end_and_fades():
    sound = np.abs(AdditiveSynth(10_000).render(Score.of([note(0.5, 0.3)]), 0, 20_000))
    release = round(RELEASE_SECONDS * 10_000)
    assert not sound[:5000].any()
    assert sound[5000:8000].any()
    assert sound[8000 : 8000 + release].any()
    assert not sound[8000 + release :].any()


def test_an_open_note_sounds_on_and_decays():
    sound = np.abs(AdditiveSynth(8000).render(Score.of([note(0.0, None, 45)]), 0, 32_000))
    early, late = sound[:8000].max(), sound[24_000:].max()
    assert 0 < late < early / 3


def test_twice_the_velocity_is_four_times_the_amplitude():
    synth = AdditiveSynth(8000)
    soft, loud = (synth.render(Score.of([note(0.0, 1.0, velocity=v)]), 0, 8000) for v in (50, 100))
    np.testing.assert_allclose(loud, 4 * soft, rtol=1e-5)


def test_notes_add_up():
    synth = AdditiveSynth(8000)
    first, second = note(0.0, 1.0, 60), note(0.25, 0.5, 67)
    both = synth.render(Score.of([first, second]), 0, 8000)
    alone = [synth.render(Score.of([n]), 0, 8000) for n in (first, second)]
    np.testing.assert_allclose(both, alone[0] + alone[1], atol=1e-7)


def test_nothing_lies_above_the_ceiling():
    sound = AdditiveSynth(44100).render(Score.of([note(0.0, 1.0, p) for p in range(30, 127, 8)]), 0, 44100)
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(44100))))
    assert power[5200:].sum() < 1e-5 * power.sum()


@pytest.mark.parametrize("rate", [4000, 11025, 192_000])
def test_every_pitch_and_rate_gives_finite_sound_within_full_scale(rate):
    score = Score.of([note(0.1 * p, 0.2, p, 127) for p in range(128)])
    sound = AdditiveSynth(rate).render(score, 0, 13 * rate)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 0.6
    assert sound.dtype == np.float32


def test_no_notes_are_silence():
    assert not AdditiveSynth(8000).render(Score.of([]), -10, 90).any()
    assert AdditiveSynth(8000).render(Score.of(MELODY), 5, 5).shape == (0,)

"""The bend of a note: frame by frame, and in the notes of a transcription."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.inference.mono_bend import BETWEEN, STEP, BendTracker
from bridge.inference.mono_frames import Frame
from bridge.inference.transcribe_mono import VOICE, MonoTranscriber
from tests.inference.madmom_reference import transcribe
from tests.inference.mono_sounds import Tone, sing

PERIOD = 0.016


def frames_at(cents, voicing=0.9):
    return [Frame(pitch=60 + c / 100, slope=0.0, voicing=voicing, dip=0.0, attack=0.0) for c in cents]


def bend_of(frames):
    tracker = BendTracker(0, 60, PERIOD)
    tracker.follow(frames)
    return tracker.bend()


def heard(bend, times):
    """What the steps sound at, in cents."""
    at, cents = zip(*bend, strict=True)
    return np.array(cents)[np.searchsorted(at, times, side="right") - 1]


def test_a_steady_note_is_bent_once_from_its_onset():
    assert bend_of(frames_at([12.0] * 50)) == ((0.0, pytest.approx(12)),)


def test_the_steps_of_a_vibrato_stay_close_to_it():
    n = np.arange(100)
    cents = 50 * np.sin(2 * np.pi * 5.5 * PERIOD * n)
    bend = bend_of(frames_at(cents))
    assert np.abs(heard(bend, PERIOD * (n + 0.5) + 1e-9) - cents).max() <= STEP
    assert np.abs(np.diff([c for _, c in bend])).max() <= np.abs(np.diff(cents)).max() / BETWEEN + STEP


def test_what_was_not_heard_is_bridged():
    frames = (
        frames_at([0.0] * 10) + frames_at([1200.0] * 3) + frames_at([40.0] * 4, voicing=0.1) + frames_at([0.0] * 10)
    )
    assert bend_of(frames) == ((0.0, pytest.approx(0.0)),)


def test_a_note_that_was_heard_nowhere_has_no_bend():
    assert bend_of(frames_at([0.0] * 5, voicing=0.2)) == ()


@given(st.lists(st.tuples(st.floats(-300, 300), st.floats(0, 1)), max_size=40), st.integers(0, 40))
def test_what_was_said_stays_and_times_rise_from_the_onset(pitches, cut):
    frames = [frames_at([cents], voicing)[0] for cents, voicing in pitches]
    tracker = BendTracker(7, 60, PERIOD)
    tracker.follow(frames[:cut])
    before = tracker.bend()
    tracker.follow(frames[cut:])
    bend = tracker.bend()
    assert bend[: len(before)] == before
    assert bend == bend_of(frames)
    times = [at for at, _ in bend]
    assert times == sorted(set(times))
    assert not times or times[0] == 0.0
    assert all(at <= len(frames) * PERIOD for at in times)


def test_a_vibrato_is_in_the_bend_of_its_note():
    (note,) = transcribe(MonoTranscriber(VOICE), sing([Tone(0.4, 2.0, 64, vibrato=0.5)], 3.0))
    cents = np.array([cents for at, cents in note.bend if 0.5 < at < 1.9])
    assert 35 < cents.max() < 65
    assert -65 < cents.min() < -35
    crossings = np.count_nonzero(np.diff(np.sign(cents)))
    assert abs(crossings - 2 * 5.5 * 1.4) <= 3


def test_a_bend_ends_with_its_note():
    tones = [Tone(0.4, 0.5, 57), Tone(0.9, 0.6, 59, glide=0.1)]
    for note in transcribe(MonoTranscriber(VOICE), sing(tones, 2.0)):
        assert note.bend
        assert note.bend[-1][0] < note.duration


def test_the_bend_of_a_note_that_sounds_is_given_while_it_sounds():
    samples = sing([Tone(0.4, 2.5, 64, vibrato=0.5)], 3.5)
    transcription = MonoTranscriber(VOICE).start(44100)
    behind = [
        (begin + 882) / 44100 - note.onset - note.bend[-1][0]
        for begin in range(0, samples.shape[1], 882)
        for note in transcription.feed(samples[:, begin : begin + 882]).notes
        if note.duration is None and note.onset + 0.5 < begin / 44100
    ]
    assert len(behind) > 20
    assert np.median(behind) < 0.2

"""Note tracking on made-up activations, where every kind of note occurs, against madmom's own tracker on all of them at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.adsr import NoteTracker
from bridge.units import Pitch, Velocity
from tests.inference.madmom_reference import adsr_notes, table, take

SOUND, ONSET, OFFSET = 0, 1, 2


def activations(seed: int, frames: int, hold: int, power: float) -> np.ndarray:
    random = np.random.default_rng(seed).random((-(-frames // hold), 88, 3)) ** power
    return np.repeat(random, hold, axis=0)[:frames].astype(np.float32)


def one_note(*, sounding: range, frames: int = 60, onset: float = 0.9) -> np.ndarray:
    """A note on the key of C4 in the midst of silence."""
    data = np.full((frames, 88, 3), 1e-4, np.float32)
    key = Pitch(60) - 21
    data[sounding.start : sounding.start + 2, key, ONSET] = onset
    data[sounding.start + 1 : sounding.stop, key, SOUND] = 0.95
    data[sounding.stop : sounding.stop + 1, key, OFFSET] = 0.9
    return data


def track(data: np.ndarray, chunks=()):
    """All notes, and the updates that they came in: (frames fed, notes, frames known)."""
    tracker = NoteTracker(lambda frame, pitch: Velocity(1 + (frame + pitch) % 127))
    notes, updates, begin, until = {}, [], 0, 0.0
    for size in (*chunks, len(data)):
        new = tracker.feed(data[begin : begin + size])
        begin = min(begin + size, len(data))
        until = take(new, notes, until, tracker.known / 50)
        updates.append((begin, new, tracker.known))
    new = tracker.finish()
    take(new, notes, until, len(data) / 50)
    updates.append((begin, new, len(data)))
    return sorted(notes.values(), key=lambda note: note.key), updates


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 120),
    hold=st.sampled_from([1, 2, 5, 12]),
    power=st.sampled_from([0.3, 1.0, 3.0]),
    threshold=st.sampled_from([0.0, 0.3, 0.55, 0.9]),
    chunks=st.lists(st.integers(0, 50), max_size=5),
)
def test_notes_are_madmoms_at_any_threshold_and_chunking(*, seed, frames, hold, power, threshold, chunks):
    data = activations(seed, frames, hold, power)
    expected, _ = adsr_notes(data, threshold)
    assert np.array_equal(table(track(data, chunks)[0], threshold), expected.reshape(-1, 3))


def test_where_nothing_sounds_at_frame_0_the_notes_are_those_of_madmom_untouched():
    data = activations(5, 300, 5, 1.0)
    data[:8] = 1e-4
    expected, fragments = adsr_notes(data, 0.0)
    assert fragments == 0
    assert len(expected) > 100
    assert np.array_equal(table(track(data)[0], 0.0), expected)


def test_what_sounds_at_frame_0_is_dropped_and_the_next_note_of_the_key_is_right():
    data = np.concatenate([one_note(sounding=range(5, 30))[10:], one_note(sounding=range(10, 40))])
    expected, fragments = adsr_notes(data)
    assert fragments == 1
    assert expected.tolist() == [[60 / 50, 60, 29 / 50]]
    assert table(track(data)[0], 0.55).tolist() == expected.tolist()


def test_a_note_is_given_open_before_it_ends_and_revised_with_its_duration():
    data = one_note(sounding=range(10, 90), frames=120)
    notes, updates = track(data, [1] * 119)
    given_at = [(fed, note.duration) for fed, new, _ in updates for note in new]
    assert [duration is None for _, duration in given_at] == [True, False]
    assert given_at[0][0] < 60
    assert len(notes) == 1
    assert given_at[1][0] > 90


def test_a_note_that_sounds_at_the_end_ends_there():
    data = one_note(sounding=range(10, 60), frames=60)
    assert table(track(data)[0], 0.5).tolist() == adsr_notes(data, 0.5)[0].tolist() == [[0.2, 60, 1.0]]


def test_confidence_is_the_greatest_onset_activation():
    assert track(one_note(sounding=range(10, 40), onset=0.625))[0][0].confidence == 0.625


def test_all_onsets_of_a_silent_stretch_are_known_though_nothing_was_found():
    _, updates = track(np.full((200, 88, 3), 1e-4, np.float32), [50, 50, 50])
    assert [new for _, new, _ in updates] == [[]] * 5
    assert [known > fed - 15 for fed, _, known in updates] == [True] * 5


def test_the_velocity_is_asked_once_for_a_note_at_its_onset():
    asked = []

    def velocity(frame, pitch):
        asked.append((frame, pitch))
        return Velocity(77)

    tracker = NoteTracker(velocity)
    data = one_note(sounding=range(10, 40))
    notes = [note for begin in range(0, 60, 5) for note in tracker.feed(data[begin : begin + 5])] + tracker.finish()
    assert asked == [(10, 60)]
    assert {note.velocity for note in notes} == {77}


def test_memory_is_bounded_while_time_goes_on():
    tracker = NoteTracker(lambda frame, pitch: Velocity(64))
    data = activations(1, 500, 25, 3.0)
    for _ in range(4):
        tracker.feed(data)
    assert len(tracker._activations) < 300


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_clips_of_few_frames_have_no_notes(frames):
    assert track(activations(0, frames, 1, 1.0))[0] == []

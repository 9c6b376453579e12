"""How frames are cut into notes: exact, on frames made by hand."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.mono_frames import Frame
from bridge.inference.mono_notes import LATEST, SHORTEST, Ended, Found, Segmentation, Segmenter

PERIOD = 0.016


def tone(count, pitch=60.0, voicing=0.95, **other):
    return [Frame(**{"pitch": pitch, "slope": 0.0, "voicing": voicing, "dip": 0.0, "attack": 0.0, **other})] * count


def gap(count):
    return tone(count, 75.0, 0.02)


def struck(pitch=60.0, attack=10.0):
    return tone(1, pitch, attack=attack)


def sung_through(attack, dent=0.75, turn=3):
    return tone(1, attack=attack, dent=dent, turn=turn)


def cut(frames, hold=0.08, attack=0.8):
    """(begin, end, pitch) of each note."""
    segmenter = Segmenter(PERIOD, Segmentation(hold, attack, 36, 88))
    notes = []
    for event in (*segmenter.feed(frames), *segmenter.finish()):
        if isinstance(event, Found):
            notes.append((event.begin, None, event.pitch))
        else:
            notes[-1] = (notes[-1][0], event.end, notes[-1][2])
    return notes


def test_a_tone_between_silences_is_one_note_of_its_length():
    assert cut(gap(10) + tone(20) + gap(10)) == [(10, 30, 60)]


def test_a_change_of_pitch_begins_a_note():
    assert cut(tone(15) + tone(15, 62.0)) == [(0, 15, 60), (15, 30, 62)]


def test_a_short_detour_is_no_note_but_a_longer_one_is():
    def detour(n):
        return tone(20) + tone(n, 61.0) + tone(20)

    assert cut(detour(4)) == [(0, 44, 60)]
    assert [pitch for *_, pitch in cut(detour(14))] == [60, 61, 60]


def test_a_moment_without_voice_is_bridged_and_a_pause_is_not():
    assert cut(tone(20) + gap(1) + tone(20)) == [(0, 41, 60)]
    assert cut(tone(20) + gap(8) + tone(20)) == [(0, 20, 60), (28, 48, 60)]


def test_an_octave_heard_for_a_moment_is_no_note():
    assert cut(tone(20) + tone(2, 72.0) + tone(20)) == [(0, 42, 60)]


def test_a_dip_in_level_divides_a_note():
    assert cut(tone(20) + tone(2, dip=12.0) + tone(20)) == [(0, 20, 60), (22, 42, 60)]


def test_an_attack_divides_a_note_where_it_is_strong_enough():
    frames = tone(20) + struck() + tone(20)
    assert len(cut(frames)) == 2
    assert len(cut(frames, attack=11.0)) == 1


def test_a_weaker_attack_divides_a_note_where_the_pitch_dents_before_it():
    plain = tone(20) + struck(attack=3.5) + tone(20)
    dented = tone(20) + sung_through(3.5) + tone(20)
    assert len(cut(plain, attack=2.0)) == 1
    assert len(cut(dented, attack=2.0)) == 2


def test_a_dent_lets_no_attack_count_that_would_be_weak_anywhere():
    for attack in (0.8, 2.0):
        assert len(cut(tone(20) + sung_through(1.2) + tone(20), attack=attack)) == 1


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_note_struck_again_begins_where_the_pitch_turned_before_the_attack(turn):
    notes = cut(tone(20) + sung_through(10.0, turn=turn) + tone(20))
    assert len(notes) == 2
    assert notes[1][0] in {20 - turn, 20 - turn - 1}


def first_found(frames):
    """The first note, and how many frames it took."""
    segmenter = Segmenter(PERIOD, Segmentation(0.08, 0.8, 36, 88))
    for count, frame in enumerate(frames, 1):
        for event in segmenter.feed([frame]):
            return count, event
    raise AssertionError("no note was found")


@pytest.mark.parametrize("pitch", [59.75, 60.0, 60.28])
def test_a_pitch_off_the_border_between_keys_is_given_soon(pitch):
    count, note = first_found(gap(10) + tone(40, pitch))
    assert (note.begin, note.pitch) == (10, 60)
    assert count <= 10 + round(SHORTEST / PERIOD) + 1


def test_a_pitch_near_the_border_between_keys_waits_to_see_where_the_note_goes():
    count, note = first_found(gap(10) + tone(9, 60.4) + tone(40, 60.62))
    assert note.pitch == 61
    assert count <= 10 + round(LATEST / PERIOD) + 1


def test_the_key_is_that_of_most_of_what_was_heard_not_of_a_scoop():
    scoop = [tone(1, 59.0 + 0.3 * n, slope=0.3)[0] for n in range(5)]
    assert cut(gap(5) + scoop + tone(20, 60.8))[0][2] == 61


def test_an_attack_soon_after_the_beginning_divides_nothing():
    assert len(cut(gap(5) + tone(4) + struck() + tone(20))) == 1


def test_a_glide_belongs_to_the_note_it_leads_to():
    glide = [tone(1, 57.0 + 0.5 * n, slope=0.5)[0] for n in range(6)]
    assert cut(gap(5) + glide + tone(20))[0][2] == 60
    assert len(cut(gap(5) + glide + tone(20))) == 1


def test_nothing_shorter_than_the_shortest_is_a_note():
    shortest = round(SHORTEST / PERIOD)
    changes = [frame for n in range(12) for frame in tone(shortest - 2, 60.0 + 5 * (n % 2))]
    notes = cut(gap(5) + changes + gap(5), hold=0.001)
    assert len(notes) > 2
    assert min(end - begin for begin, end, _ in notes) >= shortest


frames_strategy = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.floats(50, 70),
        st.sampled_from([0.05, 0.4, 0.6, 0.95]),
        st.sampled_from([0.0, 0.0, 4.0]),
        st.sampled_from([0.0, 0.0, 2.0]),
    ),
    max_size=15,
)


@settings(max_examples=60, deadline=None)
@given(parts=frames_strategy)
def test_notes_never_overlap_and_are_decided_within_the_latest(parts):
    segmenter = Segmenter(PERIOD, Segmentation(0.08, 0.8, 36, 88))
    latest = round(LATEST / PERIOD)
    events, known, fed = [], 0, 0
    for count, pitch, voicing, dip, attack in parts:
        blow = tone(1, pitch, voicing, attack=attack, dent=0.5 * (count % 2), turn=count % 5)
        for frame in tone(count, pitch, voicing, dip=dip) + blow:
            found = list(segmenter.feed([frame]))
            fed += 1
            for event in found:
                assert (event.begin if isinstance(event, Found) else event.end) >= known
            assert fed - latest <= segmenter.known <= fed
            known = segmenter.known
            events += found
    events += list(segmenter.finish())
    assert [type(event) for event in events] == [Found, Ended] * (len(events) // 2)
    marks = [event.begin if isinstance(event, Found) else event.end for event in events]
    assert marks == sorted(marks)
    for begin, end in list(pairwise(marks))[::2]:
        assert end - begin >= round(SHORTEST / PERIOD)


@pytest.mark.parametrize("at", [1, 7, 33])
def test_frames_come_one_by_one_or_all_at_once(at):
    frames = gap(4) + tone(14) + tone(9, 63.0) + gap(6) + tone(20, 58.4)
    segmenter = Segmenter(PERIOD, Segmentation(0.08, 0.8, 36, 88))
    parts = [*segmenter.feed(frames[:at]), *segmenter.feed(frames[at:]), *segmenter.finish()]
    whole = Segmenter(PERIOD, Segmentation(0.08, 0.8, 36, 88))
    assert parts == [*whole.feed(frames), *whole.finish()]

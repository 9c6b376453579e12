"""Musical clean-up: short notes, gaps, overlaps, limits and the key's scale."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.midi.shaping import snapped
from bridge.music.tempo import Loop
from bridge.session.playback import Part
from bridge.session.request import Sync
from tests.midi.rig import DRUMS, OTHER_JOB, TEMPO_60, VOCALS, Rig, known, loaded, note, played

# Minimum length


def test_a_note_known_to_be_too_short_is_not_struck_and_an_open_one_is():
    rig = loaded([note(0.1, 60, 0.04), note(0.2, 61, 0.05), note(0.3, 62, None)], overrides={"min_length_ms": 50})
    rig.launch(VOCALS)
    rig.run(0.5)
    assert [p for _, p in rig.times()] == [61, 62]


def test_raising_the_minimum_length_releases_what_is_shorter_and_nothing_else():
    rig = loaded([note(0.0, 60, 0.8), note(0.0, 62, 1.2), note(0.0, 64, None)])
    rig.launch(VOCALS)
    rig.run(0.3)
    rig.set_parameter("min_length_ms", 1000)
    rig.run(0.01)
    assert rig.sounding() == {(3, 62), (3, 64)}


# Legato


@pytest.mark.parametrize(("legato", "end"), [(0, 0.3), (99, 0.3), (100, 0.4), (2000, 0.4)])
def test_a_note_is_held_to_the_next_where_the_gap_is_at_most_the_legato(legato, end):
    rig = loaded([note(0.0, 60, 0.3), note(0.4, 62, 0.2)], overrides={"legato_ms": legato})
    rig.launch(VOCALS)
    rig.run(1.0)
    assert played(rig) == [(0.0, 60, True), (end, 60, False), (0.4, 62, True), (0.6, 62, False)]


def test_a_note_is_not_held_to_one_that_stays_silent():
    notes = [note(0.0, 60, 0.3), note(0.35, 62, 0.2, confidence=0.1), note(0.4, 30, 0.2), note(0.5, 64, 0.2)]
    rig = loaded(notes, overrides={"legato_ms": 300, "low": 40})
    rig.launch(VOCALS)
    rig.run(1.0)
    assert (0.5, 60, False) in played(rig)


def test_a_chord_s_notes_are_held_to_what_follows_and_not_to_one_another():
    notes = [note(0.0, 60, 0.3), note(0.0, 64, 0.2), note(0.1, 67, 0.2), note(0.35, 72, 0.1)]
    rig = loaded(notes, overrides={"legato_ms": 200})
    rig.launch(VOCALS)
    rig.run(1.0)
    assert [(t, p) for t, p, on in played(rig) if not on] == [(0.35, 60), (0.35, 64), (0.35, 67), (0.45, 72)]


def test_legato_acts_at_once_on_what_sounds():
    rig = loaded([note(0.0, 60, 0.5), note(0.6, 62, 0.1)])
    rig.launch(VOCALS)
    rig.run(0.4)
    rig.set_parameter("legato_ms", 200)
    rig.run(0.15)
    assert rig.sounding() == {(3, 60)}
    rig.set_parameter("legato_ms", 0)
    rig.run(0.02)
    assert rig.sounding() == set()


def test_a_note_held_for_one_that_is_withdrawn_is_released():
    rig = loaded([note(0.0, 60, 0.1), note(1.0, 62, 0.1)], complete=False, overrides={"legato_ms": 2000})
    rig.launch(VOCALS)
    rig.run(0.3)
    rig.update(VOCALS, [], [(1.0, 62)], known(2.0), complete=True)
    rig.run(0.02)
    assert rig.sounding() == set()


def test_a_held_note_ends_with_the_loop():
    rig = loaded([note(0.2, 60, 0.6), note(1.1, 62, 0.1)], sync=Sync.TRANSPORT, overrides={"legato_ms": 2000})
    rig.transport(0.0, tempo=TEMPO_60, loop=Loop(0.0, 1.0))
    rig.run(1.1)
    assert played(rig) == [(0.2, 60, True), (0.8, 60, False)]


# One note at a time


def test_in_mono_a_new_note_ends_the_one_that_sounds():
    rig = loaded([note(0.0, 60, 1.0), note(0.3, 62, 1.0), note(0.5, 62, 0.2)], overrides={"mono": 1})
    rig.launch(VOCALS)
    rig.run(2.0)
    assert played(rig) == [
        *((0.0, 60, True), (0.3, 60, False)),
        *((0.3, 62, True), (0.5, 62, False)),
        *((0.5, 62, True), (0.7, 62, False)),
    ]


def test_in_mono_the_surest_of_a_chord_plays_and_of_equally_sure_notes_the_highest():
    notes = [note(0.0, 60), note(0.0, 64, confidence=0.95), note(0.0, 67), note(0.5, 60), note(0.5, 72), note(0.5, 67)]
    rig = loaded(notes, overrides={"mono": 1})
    rig.launch(VOCALS)
    rig.run(1.0)
    assert rig.times() == [(0.0, 64), (0.5, 72)]


def test_in_mono_a_note_that_would_stay_silent_takes_nobody_s_place():
    notes = [note(0.0, 60, 1.0), note(0.0, 100, 1.0), note(0.3, 90, 1.0), note(0.4, 62, 1.0, confidence=0.1)]
    rig = loaded(notes, overrides={"mono": 1, "high": 80})
    rig.launch(VOCALS)
    rig.run(0.6)
    assert rig.sounding() == {(3, 60)}


def test_in_mono_a_note_that_comes_to_be_known_after_a_later_one_was_struck_is_left_out():
    rig = loaded([note(0.1, 60, 1.0)], complete=False, overrides={"mono": 1})
    rig.launch(VOCALS)
    rig.run(0.12)
    rig.update(VOCALS, [note(0.09, 64, 1.0)], (), known(1.0), complete=True)
    rig.run(0.2)
    assert rig.sounding() == {(3, 60)}
    assert rig.times() == [(0.1, 60)]


def test_turning_mono_on_leaves_one_note_of_each_part():
    rig = loaded([note(0.0, 60, 5.0), note(0.0, 64, 5.0), note(0.1, 62, 5.0)])
    loaded([note(0.0, 40, 5.0), note(0.0, 43, 5.0)], OTHER_JOB, rig=rig)
    rig.launch(VOCALS, OTHER_JOB)
    rig.run(0.3)
    rig.set_parameter("mono", 1)
    rig.run(0.01)
    assert rig.sounding() == {(3, 62), (3, 43)}


cleanups = st.fixed_dictionaries(
    {
        "legato_ms": st.sampled_from([0.0, 100.0, 2000.0]),
        "quantise": st.sampled_from([0.0, 0.6, 1.0]),
        "offset_ms": st.sampled_from([-100.0, 0.0, 100.0]),
        "snap": st.sampled_from([0, 1]),
        "key": st.sampled_from([-1, 0, 14]),
    }
)
some_notes = st.lists(
    st.builds(
        note,
        st.integers(0, 39).map(lambda n: n / 20),
        st.integers(58, 66),
        st.sampled_from([0.0, 0.03, 0.3, 1.0, None]),
        st.sampled_from([0.6, 0.9]),
    ),
    max_size=20,
    unique_by=lambda n: n.key,
)


@settings(deadline=None, max_examples=150)
@given(some_notes, cleanups, st.booleans(), st.sampled_from([Sync.NOW, Sync.TRANSPORT]))
def test_in_mono_a_part_never_sounds_two_notes_however_else_it_is_cleaned(notes, cleanup, loop, sync):
    rig = Rig()
    rig.load(Part(VOCALS, 2.0, 0.5, sync, loop=loop, overrides=cleanup | {"mono": 1}))
    rig.update(VOCALS, notes, (), known(2.0), complete=True)
    rig.transport(0.0, tempo=TEMPO_60, loop=Loop(0.0, 1.3) if loop else None)
    rig.launch(VOCALS)
    rig.run(3.5)
    sounding = 0
    for out in rig.notes:
        sounding += 1 if out.on else -1
        assert sounding in (0, 1)
    assert rig.ons or not notes or loop or cleanup["offset_ms"] < 0


@settings(deadline=None, max_examples=150)
@given(some_notes, st.sampled_from([0.0, 0.5, 1.0]), st.booleans())
def test_legato_leaves_no_gap_that_it_can_fill(notes, quantise, mono):
    """Without a loop, and in mono at most one note sounds, so that every gap is seen."""
    rig = loaded(notes, length=2.5, overrides={"legato_ms": 2000, "quantise": quantise, "mono": int(mono)})
    rig.launch(VOCALS)
    rig.run(4.0)
    sounding = set()
    ended = None
    for out in rig.notes:
        if out.on and ended is not None and not sounding:
            assert out.due - ended <= 1e-6
        (sounding.add if out.on else sounding.discard)(out.place)
        ended = out.due
    assert not sounding


# Limits


def test_notes_outside_their_stem_s_limits_are_left_out_and_counted_whatever_they_are_transposed_to():
    rig = loaded([note(0.0, 59), note(0.1, 60), note(0.2, 72), note(0.3, 73)])
    loaded([note(0.0, 36)], DRUMS, rig=rig)
    for name, value in (("low/vocals", 60), ("high/vocals", 72), ("transpose", 24)):
        rig.set_parameter(name, value)
    rig.launch(VOCALS, DRUMS)
    rig.run(0.5)
    assert sorted(p for _, p in rig.times()) == [36, 84, 96]
    assert rig.sequencer.dropped_range == 2


def test_narrowing_the_limits_releases_what_falls_outside():
    rig = loaded([note(0.0, 50, 5.0), note(0.0, 60, 5.0), note(0.0, 70, 5.0)])
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.override(VOCALS, "low", 55)
    rig.set_parameter("high/vocals", 65)
    rig.run(0.01)
    assert rig.sounding() == {(3, 60)}


# The key's scale

C_MAJOR = {0, 2, 4, 5, 7, 9, 11}


@given(st.integers(0, 127), st.integers(0, 23))
def test_snapping_takes_the_nearest_tone_of_the_scale_and_the_lower_of_two(pitch, key):
    # A minor key's scale is that of the major key three semitones above.
    tonic = key if key < 12 else key - 12 + 3
    tones = [p for p in range(128) if (p - tonic) % 12 in C_MAJOR]
    assert snapped(pitch, key) == min(tones, key=lambda tone: (abs(tone - pitch), tone))


@pytest.mark.parametrize(
    ("part", "live", "pitch"),
    [
        ({"key": None}, {"snap": 1}, 61),
        ({"key": 0}, {"snap": 1}, 60),
        ({"key": 0}, {"snap": 0}, 61),
        ({"key": 0}, {"snap": 1, "key": 2}, 61),
        ({"key": 2}, {"snap": 1, "key": 0}, 60),
        ({"key": None}, {"snap": 1, "key": 21}, 60),
        ({"key": 0}, {"snap": 1, "transpose": 1}, 61),
    ],
)
def test_pitches_are_snapped_to_the_given_key_before_the_estimated_one_and_before_transposing(part, live, pitch):
    rig = loaded([note(0.0, 61)], **part)
    for name, value in live.items():
        rig.set_parameter(name, value)
    rig.launch(VOCALS)
    rig.run(0.05)
    assert [p for _, p in rig.times()] == [pitch]


def test_a_key_that_becomes_known_holds_for_the_notes_to_come():
    rig = loaded([note(0.0, 61, 0.1), note(0.3, 61, 0.1)])
    rig.set_parameter("snap", 1)
    rig.launch(VOCALS)
    rig.run(0.2)
    rig.sequencer.set_key([VOCALS, DRUMS], 0)
    rig.run(0.5)
    assert [p for _, p in rig.times()] == [61, 60]


def test_drums_are_not_snapped():
    rig = loaded([note(0.0, 37)], DRUMS, key=0, overrides={"snap": 1})
    rig.launch(DRUMS)
    rig.run(0.05)
    assert [p for _, p in rig.times()] == [37]


def test_a_sounding_note_keeps_the_pitch_it_was_struck_with_and_ends_with_it():
    rig = loaded([note(0.0, 61, 0.3), note(0.4, 61, 0.1)], key=0)
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.set_parameter("snap", 1)
    rig.run(1.0)
    assert played(rig) == [(0.0, 61, True), (0.3, 61, False), (0.4, 60, True), (0.5, 60, False)]

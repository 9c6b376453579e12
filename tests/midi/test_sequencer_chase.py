"""Notes into whose midst the transport comes: with `chase` they begin there, for what is left of them."""

import pytest

from bridge.music.tempo import Loop, TempoMap
from bridge.session.request import Follow, Sync
from tests.midi.rig import TEMPO_60, VOCALS, bends, bent, known, loaded, note, played

CHASE = {"chase": 1}


def locked(notes, overrides=CHASE, **part):
    return loaded(notes, sync=Sync.TRANSPORT, overrides=dict(overrides), **part)


def test_playing_in_the_midst_of_a_note_sounds_what_is_left_of_it_and_none_of_it_is_late():
    rig = locked([note(0.0, 60, 2.0), note(0.5, 62, 0.2), note(1.5, 64, 0.1)])
    rig.transport(1.0)
    rig.run(2.0)
    assert played(rig) == [(0.0, 60, True), (0.5, 64, True), (0.6, 64, False), (1.0, 60, False)]
    assert rig.ons[0].at == rig.ons[0].due
    assert rig.sequencer.dropped_late == rig.emitter.dropped_late == 0


def test_without_chase_a_note_that_began_before_stays_silent_and_is_not_counted():
    rig = locked([note(0.0, 60, 2.0)], {})
    rig.transport(1.0)
    rig.run(2.0)
    assert not rig.out
    assert rig.sequencer.dropped_late == 0


def test_stopping_in_a_note_and_playing_on_sounds_its_rest():
    rig = locked([note(0.0, 60, 2.0)])
    rig.transport(0.0)
    rig.run(0.5)
    rig.transport(0.5, playing=False)
    rig.run(1.0)
    assert not rig.sounding()
    rig.transport(0.5)
    rig.run(2.0)
    assert played(rig) == [(0.0, 60, True), (0.5, 60, False), (1.5, 60, True), (3.0, 60, False)]


@pytest.mark.parametrize("to", [4.5, 0.5])
def test_a_seek_either_way_into_a_note_sounds_its_rest(to):
    rig = locked([note(0.0, 60, 1.0), note(4.0, 60, 1.0)])
    rig.transport(2.0)
    rig.run(0.5)
    rig.transport(to)
    rig.run(1.0)
    assert played(rig) == [(0.5, 60, True), (1.0, 60, False)]


def test_a_note_longer_than_the_loop_is_split_at_its_end_and_goes_on_at_its_start():
    rig = locked([note(0.0, 60, 9.0), note(1.5, 62, 1.0)])
    rig.transport(0.5, tempo=TEMPO_60, loop=Loop(1.0, 2.0))
    rig.run(2.7)
    sixty = [(0.0, 60, True), (1.5, 60, False), (1.5, 60, True), (2.5, 60, False), (2.5, 60, True)]
    assert [p for p in played(rig) if p[1] == 60] == sixty
    assert [p for p in played(rig) if p[1] == 62] == [
        (1.0, 62, True),
        (1.5, 62, False),
        (2.0, 62, True),
        (2.5, 62, False),
    ]


def test_a_note_that_begins_with_the_loop_is_struck_once_a_round():
    rig = locked([note(1.0, 60, 0.5)])
    rig.transport(1.0, tempo=TEMPO_60, loop=Loop(1.0, 2.0))
    rig.run(2.7)
    assert rig.times() == [(0.0, 60), (1.0, 60), (2.0, 60)]


def test_what_is_as_good_as_over_is_not_begun():
    rig = locked([note(0.0, 60, 1.01), note(0.0, 62, 1.03)])
    rig.transport(1.0)
    rig.run(0.5)
    assert [p for _, p in rig.times()] == [62]


def test_an_open_note_however_long_ago_it_began_is_begun():
    rig = locked([note(0.0, 60, None), note(5.0, 62, 0.1)], complete=False)
    rig.update(VOCALS, [], (), known(10.0), complete=False)
    rig.transport(7.0)
    rig.run(0.2)
    assert rig.sounding() == {(3, 60)}
    rig.update(VOCALS, [note(0.0, 60, 7.5)], (), known(10.0), complete=False)
    rig.run(1.0)
    assert played(rig) == [(0.0, 60, True), (0.5, 60, False)]


def test_a_note_that_becomes_known_while_it_should_sound_begins_then_and_only_once():
    rig = locked([], complete=False)
    rig.transport(1.0)
    rig.run(0.5)
    for _ in range(3):
        rig.update(VOCALS, [note(0.5, 60, 2.0)], (), known(2.0), complete=False)
        rig.run(0.1)
    rig.run(2.0)
    assert played(rig) == [(0.5, 60, True), (1.5, 60, False)]


def test_a_late_note_that_begins_after_the_start_is_still_dropped_and_counted():
    rig = locked([], complete=False)
    rig.transport(1.0)
    rig.run(0.5)
    rig.update(VOCALS, [note(1.1, 60, 2.0)], (), known(2.0), complete=False)
    rig.run(0.5)
    assert not rig.out
    assert rig.sequencer.dropped_late == 1


@pytest.mark.parametrize("offset", [-300, 300])
def test_an_offset_moves_what_is_chased_as_it_moves_the_rest(offset):
    rig = locked([note(0.0, 60, 2.0), note(1.1, 62, 2.0)], {"chase": 1, "offset_ms": offset})
    rig.transport(1.0)
    rig.run(4.0)
    moved = offset / 1000
    first = max(0.0, moved)
    second = first if moved < 0 else 0.1 + moved
    assert played(rig) == [
        (first, 60, True),
        (pytest.approx(second), 62, True),
        (pytest.approx(1.0 + moved), 60, False),
        (pytest.approx(2.1 + moved), 62, False),
    ]
    assert rig.sequencer.dropped_late == 0


def test_chase_is_the_part_s_own_or_everyone_s():
    rig = locked([note(0.0, 60, 2.0)], {})
    rig.set_parameter("chase", 1)
    rig.transport(1.0)
    rig.run(0.1)
    assert rig.sounding()


def test_a_silent_note_is_not_chased():
    rig = locked([note(0.0, 60, 2.0, confidence=0.1)])
    rig.transport(1.0)
    rig.run(0.1)
    assert not rig.out


def test_where_one_note_may_sound_the_last_that_began_is_chased_unless_it_is_over():
    overrides = {"chase": 1, "mono": 1}
    rig = locked([note(0.0, 60, 9.0), note(1.0, 62, 5.0), note(1.0, 64, 5.0), note(6.0, 65, 1.0)], overrides)
    rig.transport(2.0)
    rig.run(0.5)
    assert rig.times() == [(0.0, 64)]
    rig.transport(7.5)  # The long note gave way at second 1, and what came after it is over.
    rig.run(0.5)
    assert rig.times() == [(0.0, 64)]


def test_where_one_note_may_sound_a_note_that_begins_there_comes_before_one_to_chase():
    rig = locked([note(0.0, 60, 9.0), note(1.0, 62, 0.5)], {"chase": 1, "mono": 1})
    rig.transport(1.0)
    rig.run(2.0)
    assert rig.times() == [(0.0, 62)]


def test_a_chased_note_begins_as_bent_as_it_is_there():
    rig = locked([bent(0.0, 60, 3.0, (0.0, 0.0), (0.5, 100.0), (2.0, -100.0))], {"chase": 1, "bend": 1})
    rig.transport(1.0)
    rig.run(1.5)
    assert bends(rig) == [(0.0, 3, 4096), (1.0, 3, -4096)]


def test_a_tempo_following_note_is_chased_by_its_beats():
    rig = locked([note(0.0, 60, 4.0)], follow=Follow.TEMPO, tempo=TempoMap.constant(120))
    rig.transport(2.0, tempo=TEMPO_60)  # Beat 2 of the note's 8.
    rig.run(7.0)
    assert played(rig) == [(0.0, 60, True), (6.0, 60, False)]


def test_a_quantised_note_that_is_drawn_before_the_playhead_is_chased():
    rig = locked([note(1.1, 60, 2.0)], {"chase": 1, "quantise": 1.0, "grid": 1})
    rig.transport(1.05, tempo=TEMPO_60)
    rig.run(2.5)
    assert played(rig) == [(0.0, 60, True), (1.95, 60, False)]


def test_a_corrected_clock_chases_nothing():
    rig = locked([note(0.0, 60, 3.0)])
    rig.transport(0.0)
    for k in range(20):
        rig.run(0.1)
        rig.transport((k + 1) * 0.1 + 0.004 * (-1) ** k)
    assert len(rig.ons) == 1


def test_a_note_that_is_open_where_the_analysis_stands_does_not_begin_beyond_it():
    rig = locked([note(0.0, 60, None)], length=20.0, complete=False)
    rig.update(VOCALS, [], (), known(5.0), complete=False)
    rig.transport(10.0)
    rig.run(1.0)
    assert not rig.ons
    rig.update(VOCALS, [], (), known(12.0), complete=False)
    rig.run(0.5)
    assert [o.data[1] for o in rig.ons] == [60], "now it is known to ring so far"
    rig.update(VOCALS, [note(0.0, 60, 11.8)], (), known(12.0), complete=False)
    rig.run(1.0)
    assert not rig.sounding()


def test_a_note_that_a_seam_names_anew_goes_on_and_is_not_struck_again():
    rig = locked([note(0.0, 60, None), note(3.0, 62)], complete=False)
    rig.transport(1.0)
    rig.run(0.3)
    rig.update(VOCALS, [note(0.008, 60, 2.0)], [(0.0, 60)], known(3.0), complete=False)
    rig.run(1.5)
    assert played(rig) == [(0.0, 60, True), (1.008, 60, False)]


def test_a_port_that_must_be_told_early_gets_chased_notes_as_soon_as_it_can_sound_them():
    rig = locked([note(0.0, 60, 2.0)])
    rig.sequencer.lead = 0.09
    rig.transport(1.0)
    rig.run(1.5)
    assert played(rig) == [(0.09, 60, True), (1.0, 60, False)]


def test_among_thousands_of_notes_before_the_playhead_only_those_that_may_ring_are_looked_at():
    many = [note(k / 10, 40 + k % 40, 0.05) for k in range(6000)]
    rig = locked([note(0.0, 100, 599.0), *many], length=600.0)
    rig.transport(590.0)
    rig.run(0.02)
    (during,) = rig.sequencer._parts[VOCALS].passes
    assert [o.data[1] for o in rig.ons][:1] == [100]
    assert len(during.handled) + len(during.todo) < 150

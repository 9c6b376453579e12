"""Parts that lie on the project's timeline and sound whenever the transport passes."""

import pytest

from bridge.music.tempo import Loop, TempoMap
from bridge.session.request import Sync
from tests.midi.rig import START, TEMPO_60, loaded, note


def test_a_locked_part_sounds_at_its_beat_whenever_the_transport_passes():
    rig = loaded([note(0.5)], sync=Sync.TRANSPORT, at=2.0)
    rig.transport(0.0, tempo=TEMPO_60)
    rig.run(3.0)
    rig.transport(1.0, tempo=TEMPO_60)
    rig.run(3.0)
    assert rig.times() == [(2.5, 60), (4.5, 60)]


def test_a_locked_part_sounds_at_its_second():
    rig = loaded([note(0.5)], sync=Sync.TRANSPORT, at_s=2.0)
    rig.transport(0.0, tempo=TempoMap.constant(97))
    rig.run(3.0)
    assert rig.times() == [(2.5, 60)]


def test_a_parked_transport_sounds_nothing():
    rig = loaded([note(0.0)], sync=Sync.TRANSPORT)
    rig.transport(0.0, playing=False)
    rig.run(1.0)
    assert rig.out == []


def test_a_note_at_the_very_start_sounds_though_the_word_of_it_took_a_moment():
    rig = loaded([note(1.0)], sync=Sync.TRANSPORT)
    rig.now += 0.01
    rig.set_transport(type(rig.sequencer._transport)(START, 1.0, True))
    rig.run(0.1)
    assert rig.times() == [(0.0, 60)]


def test_a_seek_chases_no_note_that_began_before_it():
    rig = loaded([note(0.98, 60, duration=3.0), note(1.0, 62), note(1.2, 64)], sync=Sync.TRANSPORT)
    rig.transport(1.0)
    rig.run(1.0)
    assert [p for _, p in rig.times()] == [62, 64]


def test_a_seek_releases_what_sounded_and_plays_from_there():
    rig = loaded([note(0.0, 60, duration=9.0), note(5.0, 62)], sync=Sync.TRANSPORT)
    rig.transport(0.0)
    rig.run(0.5)
    rig.transport(4.9)
    rig.run(0.3)
    assert rig.times() == [(0.0, 60), (0.6, 62)]
    assert round(rig.offs[0].due - START, 6) == 0.5


def test_stopping_releases_and_rolling_again_from_the_same_place_chases_nothing():
    rig = loaded([note(0.0, 60, duration=9.0), note(1.0, 62)], sync=Sync.TRANSPORT)
    rig.transport(0.0)
    rig.run(0.5)
    rig.transport(0.5, playing=False)
    rig.run(0.5)
    assert not rig.sounding()
    rig.transport(0.5)
    rig.run(1.0)
    assert rig.times() == [(0.0, 60), (1.5, 62)]


def test_a_loop_cuts_notes_at_its_end_and_begins_again():
    rig = loaded([note(0.0, 60), note(0.8, 62, duration=2.0), note(1.0, 64)], sync=Sync.TRANSPORT)
    rig.transport(0.0, tempo=TEMPO_60, loop=Loop(0.0, 1.0))
    rig.run(2.9)
    assert rig.times() == [(round(r + o, 6), p) for r in range(3) for o, p in ((0.0, 60), (0.8, 62))]
    assert [round(o.due - START, 6) for o in rig.offs if o.data[1] == 62] == [1.0, 2.0]


def test_a_corrected_clock_moves_the_notes_and_repeats_none():
    rig = loaded([note(k * 0.1, 60 + k, duration=0.05) for k in range(20)], sync=Sync.TRANSPORT)
    rig.transport(0.0)
    for k in range(40):
        rig.run(0.05)
        rig.transport((k + 1) * 0.05 + (0.004 if k % 2 else -0.004))
    rig.run(0.2)
    assert [p for _, p in rig.times()] == [60 + k for k in range(20)]
    assert rig.times() == [(pytest.approx(k * 0.1, abs=0.005), 60 + k) for k in range(20)]


def test_a_clock_corrected_across_the_loop_s_end_repeats_nothing():
    rig = loaded([note(0.0, 60, duration=0.3), note(0.9, 62, duration=0.05)], sync=Sync.TRANSPORT)
    tempo, loop = TEMPO_60, Loop(0.0, 1.0)
    rig.transport(0.0, tempo=tempo, loop=loop)
    rig.run(0.99)
    for k in range(20):  # Every millisecond, a millisecond to and fro.
        rig.run(0.001, tick=0.001)
        rig.transport((0.99 + k * 0.001 + (0.001 if k % 2 else -0.001)) % 1.0, tempo=tempo, loop=loop)
    rig.run(0.5)
    assert [p for _, p in rig.times()] == [60, 62, 60]
    assert len(rig.offs) == 3
    assert rig.offs[-1].due - rig.ons[-1].due == pytest.approx(0.3, abs=0.005)


def test_a_tempo_change_moves_a_time_following_part_with_its_beat():
    rig = loaded([note(0.0), note(1.0, 62)], sync=Sync.TRANSPORT, at=4.0)
    rig.transport(0.0, tempo=TEMPO_60)
    rig.run(2.0)
    rig.transport(1.0, tempo=TempoMap.constant(120))  # Still beat 2, now at second 1.
    rig.run(3.0)
    assert rig.times() == [(3.0, 60), (4.0, 62)]

"""What the live parameters make of the notes."""

import pytest

from bridge.music.tempo import Loop
from bridge.session.request import Sync
from tests.midi.rig import DRUMS, START, TEMPO_60, VOCALS, loaded, note


def test_raising_the_threshold_releases_what_is_less_sure_and_keeps_it_silent():
    rig = loaded(
        [note(0.0, 60, 5.0, confidence=0.6), note(0.0, 62, 5.0, confidence=0.9), note(1.0, 64, confidence=0.6)]
    )
    rig.launch(VOCALS)
    rig.run(0.5)
    rig.set_parameter("threshold", 0.7)
    rig.run(1.0)
    assert rig.sounding() == {(3, 62)}
    assert [p for _, p in rig.times()] == [60, 62]


def test_a_part_s_own_threshold_wins_over_everyone_s_and_that_over_the_transcriber_s():
    notes = [note(0.0, 60, confidence=0.3)]
    own = loaded(notes, overrides={"threshold": 0.2})
    own.set_parameter("threshold", 0.9)
    shared = loaded(notes)
    shared.set_parameter("threshold", 0.2)
    default = loaded(notes)
    for rig, sounds in ((own, True), (shared, True), (default, False)):
        rig.launch(VOCALS)
        rig.run(0.1)
        assert bool(rig.ons) is sounds


def test_mute_silences_its_stem_and_no_other():
    rig = loaded([note(0.0, 60, 5.0), note(1.0, 61)])
    loaded([note(0.0, 36, 5.0)], DRUMS, rig=rig)
    rig.launch(VOCALS, DRUMS)
    rig.run(0.5)
    rig.set_parameter("mute/vocals", 1)
    rig.run(1.0)
    assert rig.sounding() == {(10, 36)}
    assert (1.0, 61) not in rig.times()


def test_channel_and_pitch_of_a_note_off_are_those_of_its_note_on():
    rig = loaded([note(0.0, 60, 0.5), note(1.0, 60, 0.5)])
    rig.launch(VOCALS)
    rig.run(0.2)
    rig.set_parameter("channel/vocals", 7)
    rig.set_parameter("transpose", 12)
    rig.set_parameter("velocity", 0.5)
    rig.run(1.5)
    assert [o.place for o in rig.notes] == [(3, 60), (3, 60), (7, 72), (7, 72)]
    assert [o.data[2] for o in rig.ons] == [80, 40]


def test_drums_are_not_transposed():
    rig = loaded([note(0.0, 36)], DRUMS)
    rig.set_parameter("transpose", 12)
    rig.launch(DRUMS)
    rig.run(0.1)
    assert [o.place for o in rig.ons] == [(10, 36)]


def test_a_pitch_that_no_longer_exists_is_dropped_and_counted():
    rig = loaded([note(0.0, 120), note(0.1, 100)])
    rig.set_parameter("transpose", 12)
    rig.launch(VOCALS)
    rig.run(0.3)
    assert [o.place for o in rig.ons] == [(3, 112)]
    assert rig.sequencer.dropped_range == 1


@pytest.mark.parametrize(("gain", "velocity"), [(0.0, 1), (0.5, 40), (4.0, 127)])
def test_velocity_stays_what_midi_can_say(gain, velocity):
    rig = loaded([note(0.0)])
    rig.set_parameter("velocity", gain)
    rig.launch(VOCALS)
    rig.run(0.1)
    assert [o.data[2] for o in rig.ons] == [velocity]


@pytest.mark.parametrize("offset", [-300, 250])
def test_offset_moves_every_note(offset):
    rig = loaded([note(0.5, 60, 0.1), note(0.7, 62, 0.1)], sync=Sync.TRANSPORT)
    rig.override(VOCALS, "offset_ms", offset)
    rig.transport(0.0)
    rig.run(2.0)
    moved = offset / 1000
    assert rig.times() == [(round(0.5 + moved, 6), 60), (round(0.7 + moved, 6), 62)]
    assert [round(o.due - START - moved, 6) for o in rig.offs] == [0.6, 0.8]


@pytest.mark.parametrize("offset", [-100, 100])
def test_offset_keeps_every_round_of_a_loop_whole_though_its_clock_is_corrected(offset):
    rig = loaded([note(0.06, 60), note(0.95, 62, 0.03)], sync=Sync.TRANSPORT)
    rig.set_parameter("offset_ms", offset)
    where = {"tempo": TEMPO_60, "loop": Loop(0.0, 1.0)}
    rig.transport(0.0, **where)
    for k in range(166):
        rig.run(0.03)
        rig.transport(((k + 1) * 0.03 + 0.001 * (-1) ** k) % 1.0, **where)
    moved = offset / 1000
    expected = [(r + o + moved, p) for r in range(5) for o, p in ((0.06, 60), (0.95, 62)) if r + o + moved < 4.95]
    played = rig.times()[: len(expected)]
    assert [p for _, p in played] == [p for _, p in expected]
    assert [t for t, _ in played] == pytest.approx([t for t, _ in expected], abs=0.003)
    assert rig.sequencer.dropped_late == 0


def test_a_round_that_has_been_opened_ahead_moves_with_the_corrected_clock():
    rig = loaded([note(0.2, 60, 0.3)], sync=Sync.TRANSPORT)
    rig.set_parameter("offset_ms", -100)
    rig.transport(0.0, tempo=TEMPO_60, loop=Loop(0.0, 1.0))
    rig.run(0.95)  # The next round is open: with the offset it begins at 0.9.
    rig.transport(0.92, tempo=TEMPO_60, loop=Loop(0.0, 1.0))
    rig.run(1.0)
    assert rig.times() == [(0.1, 60), (1.13, 60)]
    assert [round(o.due - START, 6) for o in rig.offs] == [0.4, 1.43]


def test_a_program_is_sent_once_before_the_first_note():
    rig = loaded([note(0.0), note(0.2)], program=33)
    rig.launch(VOCALS)
    rig.run(0.5)
    assert [o.data[:2] for o in rig.out][:2] == [bytes((0xC2, 33)), bytes((0x92, 60))]
    assert sum(o.data[0] & 0xF0 == 0xC0 for o in rig.out) == 1

"""Parts that are launched: now, or on the transport's next beat or bar."""

import pytest

from bridge.music.tempo import Loop, TempoMap, TempoPoint
from bridge.session.playback import PartPlayed
from bridge.session.request import Follow, Sync
from tests.midi.rig import DRUMS, START, TEMPO_60, VOCALS, Rig, loaded, note


def test_a_launched_part_plays_its_notes_at_their_onsets_and_says_that_it_has_played():
    rig = loaded([note(0.0, 60), note(0.5, 62, 0.25)], length=1.0)
    rig.launch(VOCALS)
    rig.run(1.2)
    assert rig.times() == [(0.0, 60), (0.5, 62)]
    assert [round(o.due - START, 6) for o in rig.offs] == [0.1, 0.75]
    assert rig.events == [PartPlayed(VOCALS)]


def test_nothing_sounds_before_the_launch():
    rig = loaded([note(0.0)])
    rig.run(1.0)
    assert rig.out == []


def test_rate_stretches_time():
    rig = loaded([note(1.0, duration=0.5)], rate=2.0)
    rig.launch(VOCALS)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.5, 0.75]


def test_a_looping_part_goes_round_without_drift_and_is_never_played_out():
    rig = loaded([note(0.0, 60), note(0.25, 61)], length=0.3, loop=True)
    rig.launch(VOCALS)
    rig.run(30.0)
    expected = [(round(r * 0.3 + o, 6), p) for r in range(100) for o, p in ((0.0, 60), (0.25, 61))]
    assert rig.times()[:200] == expected
    assert rig.events == []


def test_a_note_at_the_end_of_a_round_is_cut_there():
    rig = loaded([note(0.25, 61, duration=5.0)], length=0.5, loop=True)
    rig.launch(VOCALS)
    rig.run(0.9)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.25, 0.5, 0.75]


def test_parts_launched_together_start_together():
    rig = loaded([note(0.0, 60)])
    loaded([note(0.0, 36)], DRUMS, rig=rig)
    rig.launch(VOCALS, DRUMS)
    rig.run(0.1)
    assert len({o.due for o in rig.ons}) == 1
    assert len(rig.ons) == 2


@pytest.mark.parametrize(("sync", "start"), [(Sync.BEAT, 1.0), (Sync.BAR, 3.0)])
def test_a_launch_waits_for_the_beat_or_bar_of_a_rolling_transport(sync, start):
    rig = loaded([note(0.0)], sync=sync)
    rig.transport(1.0, tempo=TEMPO_60)
    rig.run(0.5)
    rig.launch(VOCALS)
    rig.run(4.0)
    assert rig.times() == [(start, 60)]


@pytest.mark.parametrize("sync", [Sync.BEAT, Sync.BAR])
def test_a_launch_on_a_parked_transport_does_not_wait(sync):
    rig = loaded([note(0.0)], sync=sync)
    rig.run(0.3)
    rig.launch(VOCALS)
    rig.run(0.5)
    assert rig.times() == [(0.3, 60)]


def test_a_launch_near_the_loop_s_end_starts_on_the_beat_at_the_loop_s_start():
    rig = loaded([note(0.0)], sync=Sync.BAR)
    rig.transport(3.5, tempo=TEMPO_60, loop=Loop(0.0, 4.0))
    rig.launch(VOCALS)
    rig.run(2.0)
    assert rig.times() == [(0.5, 60)]


def test_a_launch_in_a_loop_without_a_bar_line_starts_with_the_loop():
    rig = loaded([note(0.0)], sync=Sync.BAR)
    rig.transport(2.0, tempo=TEMPO_60, loop=Loop(1.0, 3.0))
    rig.launch(VOCALS)
    rig.run(2.0)
    assert rig.times() == [(1.0, 60)]


def test_a_waiting_launch_follows_a_change_of_tempo():
    rig = loaded([note(0.0)], sync=Sync.BAR)
    rig.transport(1.0, tempo=TEMPO_60)
    rig.launch(VOCALS)
    rig.run(1.0)  # beat 2
    rig.transport(1.0, tempo=TempoMap.constant(120))
    rig.run(4.0)
    assert rig.times() == [(2.0, 60)]


def test_tempo_following_notes_stay_on_the_beat_when_the_tempo_changes():
    rig = loaded([note(float(k), 60 + k) for k in range(4)], follow=Follow.TEMPO, tempo=TEMPO_60, sync=Sync.BEAT)
    rig.transport(0.0, tempo=TEMPO_60)
    rig.launch(VOCALS)
    rig.run(1.5)
    # Beat 1.5 stays where it is; from here on two beats a second.
    rig.transport(1.5, tempo=TempoMap((TempoPoint(0.0, 0.0), TempoPoint(1.5, 1.5)), 120))
    rig.run(2.0)
    assert rig.times() == [(0.0, 60), (1.0, 61), (1.75, 62), (2.25, 63)]


def test_tempo_following_notes_take_the_parked_transport_s_tempo():
    rig = loaded([note(1.0)], follow=Follow.TEMPO, tempo=TEMPO_60)
    rig.transport(0.0, playing=False, tempo=TempoMap.constant(120))
    rig.launch(VOCALS)
    rig.run(1.0)
    assert rig.times() == [(0.5, 60)]


def test_a_launched_tempo_part_runs_on_through_loop_wraps():
    rig = loaded([note(k * 0.5, 60 + k) for k in range(8)], follow=Follow.TEMPO, tempo=TEMPO_60, sync=Sync.BEAT)
    rig.transport(0.0, tempo=TEMPO_60, loop=Loop(0.0, 1.0))
    rig.launch(VOCALS)
    rig.run(4.2)
    assert rig.times() == [(k * 0.5, 60 + k) for k in range(8)]


def test_a_launched_tempo_part_takes_the_tempo_on_the_other_side_of_the_wrap():
    tempo = TempoMap((TempoPoint(0.0, 0.0), TempoPoint(2.0, 2.0)), 120)  # Two beats at 60, then 120.
    rig = loaded([note(float(k), 60 + k) for k in range(6)], follow=Follow.TEMPO, tempo=TEMPO_60, sync=Sync.BEAT)
    rig.transport(1.0, tempo=tempo, loop=Loop(1.0, 3.0))
    rig.launch(VOCALS)
    rig.run(4.2)
    assert [t for t, _ in rig.times()] == [0.0, 1.0, 1.5, 2.5, 3.0, 4.0]


@pytest.mark.parametrize(("sync", "ended"), [(Sync.NOW, False), (Sync.BEAT, True), (Sync.BAR, True)])
def test_a_transport_that_stops_ends_what_was_launched_on_its_beat(sync, ended):
    rig = Rig()
    rig.transport(0.0, tempo=TEMPO_60)
    loaded([note(0.0, duration=3.0)], sync=sync, rig=rig)
    rig.launch(VOCALS)
    rig.run(0.5)
    rig.transport(0.5, playing=False)
    rig.run(0.1)
    assert bool(rig.sounding()) is not ended
    assert (PartPlayed(VOCALS, "stopped") in rig.events) is ended


def test_a_launched_part_plays_though_the_transport_is_set_parked_again():
    rig = loaded([note(0.0), note(0.5)])
    rig.launch(VOCALS)
    rig.run(0.2)
    rig.transport(3.0, playing=False)
    rig.run(0.5)
    assert rig.times() == [(0.0, 60), (0.5, 60)]


def test_a_launch_that_waits_is_not_moved_before_the_time_it_was_given():
    rig = loaded([note(0.0)], sync=Sync.BEAT)
    rig.transport(0.8, tempo=TEMPO_60)
    # The port needs to be told 0.3 s early: beat 1 comes too soon.
    rig.sequencer.launch([VOCALS], rig.now + 0.3)
    rig.run(0.02)
    rig.transport(0.82, tempo=TEMPO_60)
    rig.run(2.0)
    assert rig.times() == [(1.2, 60)]

import pytest

from bridge.music.tempo import Loop, TempoMap, TempoPoint
from bridge.session.playback import Part, PartBehind, PartPlayed
from bridge.session.request import Follow, Sync
from tests.midi.rig import DRUMS, LOOKAHEAD, OTHER_JOB, START, VOCALS, Rig, note

TEMPO_60 = TempoMap.constant(60)


def loaded(notes, part_id=VOCALS, length=10.0, complete=True, rig=None, **part):
    rig = rig or Rig()
    rig.load(Part(part_id, length, 0.5, **part))
    rig.update(
        part_id, notes, length if complete else max((n.onset for n in notes), default=0.0) + 1e-3, complete=complete
    )
    return rig


# Launched parts


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
    rig = loaded([note(float(k), 60 + k) for k in range(4)], follow=Follow.TEMPO, bpm=60, sync=Sync.BEAT)
    rig.transport(0.0, tempo=TEMPO_60)
    rig.launch(VOCALS)
    rig.run(1.5)
    # Beat 1.5 stays where it is; from here on two beats a second.
    rig.transport(1.5, tempo=TempoMap((TempoPoint(0.0, 0.0), TempoPoint(1.5, 1.5)), 120))
    rig.run(2.0)
    assert rig.times() == [(0.0, 60), (1.0, 61), (1.75, 62), (2.25, 63)]


def test_tempo_following_notes_take_the_parked_transport_s_tempo():
    rig = loaded([note(1.0)], follow=Follow.TEMPO, bpm=60)
    rig.transport(0.0, playing=False, tempo=TempoMap.constant(120))
    rig.launch(VOCALS)
    rig.run(1.0)
    assert rig.times() == [(0.5, 60)]


def test_a_launched_tempo_part_runs_on_through_loop_wraps():
    rig = loaded([note(k * 0.5, 60 + k) for k in range(8)], follow=Follow.TEMPO, bpm=60, sync=Sync.BEAT)
    rig.transport(0.0, tempo=TEMPO_60, loop=Loop(0.0, 1.0))
    rig.launch(VOCALS)
    rig.run(4.2)
    assert rig.times() == [(k * 0.5, 60 + k) for k in range(8)]


def test_a_launched_tempo_part_takes_the_tempo_on_the_other_side_of_the_wrap():
    tempo = TempoMap((TempoPoint(0.0, 0.0), TempoPoint(2.0, 2.0)), 120)  # Two beats at 60, then 120.
    rig = loaded([note(float(k), 60 + k) for k in range(6)], follow=Follow.TEMPO, bpm=60, sync=Sync.BEAT)
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


# Parts on the timeline


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


# Notes as they become known


def test_an_open_note_sounds_until_a_revision_says_when_it_ends():
    rig = loaded([note(0.0, duration=None)], complete=False)
    rig.launch(VOCALS)
    rig.run(2.0)
    assert rig.sounding() == {(3, 60)}
    rig.update(VOCALS, [note(0.0, duration=2.5)], 3.0, complete=False)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 2.5]


def test_an_end_that_is_about_to_come_can_still_be_moved_away():
    rig = loaded([note(0.0, duration=0.5)], complete=False)
    rig.launch(VOCALS)
    rig.run(0.49)
    rig.update(VOCALS, [note(0.0, duration=0.8)], 1.0, complete=False)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.8]


def test_an_open_note_revised_to_a_past_end_is_released_at_once():
    rig = loaded([note(0.0, duration=None)], complete=False)
    rig.launch(VOCALS)
    rig.run(2.0)
    rig.update(VOCALS, [note(0.0, duration=1.0)], 3.0, complete=False)
    rig.run(LOOKAHEAD)
    assert not rig.sounding()


def test_an_open_note_of_a_finished_analysis_ends_where_the_analysis_did():
    rig = loaded([note(0.0, duration=None)], length=1.0, complete=False)
    rig.launch(VOCALS)
    rig.run(0.2)
    rig.update(VOCALS, [], 0.5, complete=True)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.5]


def test_a_revision_never_strikes_a_note_again():
    rig = loaded([note(0.0, duration=0.5)], complete=False)
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.update(VOCALS, [note(0.0, duration=0.3, confidence=0.99)], 1.0, complete=False)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.3]


def test_notes_that_come_in_time_play_and_later_ones_are_dropped_and_counted():
    rig = loaded([], complete=False)
    rig.launch(VOCALS)
    rig.run(1.0)
    rig.update(VOCALS, [note(0.90, 60), note(0.96, 61), note(1.5, 62)], 2.0, complete=False)
    rig.run(1.0)
    assert [p for _, p in rig.times()] == [61, 62]
    assert rig.sequencer.dropped_late == 1


def test_a_playhead_ahead_of_the_analysis_is_reported_once_a_second():
    rig = loaded([], complete=False)
    rig.launch(VOCALS)
    rig.run(2.5)
    behind = [e for e in rig.events if isinstance(e, PartBehind)]
    assert len(behind) == 3
    assert behind[1].seconds == pytest.approx(behind[0].seconds + 1.0, abs=0.02)


def test_a_part_whose_notes_are_late_has_played_only_when_it_is_complete():
    rig = loaded([], length=0.5, complete=False)
    rig.launch(VOCALS)
    rig.run(2.0)
    assert PartPlayed(VOCALS) not in rig.events
    rig.update(VOCALS, [], 0.5, complete=True)
    rig.run(0.1)
    assert PartPlayed(VOCALS) in rig.events


def test_what_is_said_of_a_part_that_is_gone_does_nothing():
    rig = loaded([note(0.0)])
    rig.unload([VOCALS])
    rig.update(VOCALS, [note(0.1)], 1.0, complete=True)
    rig.override(VOCALS, "threshold", 0.1)
    rig.launch(VOCALS)
    rig.run(0.5)
    assert rig.out == []


# Live parameters


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


# Unloading


def test_unloading_releases_only_that_part_s_notes():
    rig = loaded([note(0.0, 60, 5.0), note(0.0, 64, 5.0)])
    loaded([note(0.0, 60, 5.0), note(0.0, 67, 5.0)], OTHER_JOB, rig=rig)
    rig.launch(VOCALS, OTHER_JOB)
    rig.run(0.5)
    before = len(rig.out)
    rig.unload([VOCALS])
    rig.run(0.1)
    assert [(o.place, o.on) for o in rig.out[before:]] == [((3, 64), False)]
    assert rig.sounding() == {(3, 60), (3, 67)}


def test_a_part_loaded_again_replaces_the_old_one():
    rig = loaded([note(0.0, 60, 5.0)])
    rig.launch(VOCALS)
    rig.run(0.5)
    loaded([note(0.0, 72)], rig=rig)
    rig.run(1.0)
    assert not rig.sounding()
    assert rig.times() == [(0.0, 60)]


def test_a_part_loaded_while_the_transport_rolls_over_it_joins_in():
    rig = Rig()
    rig.transport(0.0)
    rig.run(1.0)
    loaded([note(0.5, 60), note(1.5, 62)], sync=Sync.TRANSPORT, rig=rig)
    rig.run(1.0)
    assert rig.times() == [(1.5, 62)]
    assert rig.sequencer.dropped_late == 0

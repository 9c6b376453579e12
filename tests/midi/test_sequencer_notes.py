"""Notes that become known, are revised and withdrawn while their part plays; parts that go."""

import pytest

from bridge.music.notes import Extent
from bridge.session.playback import Part, PartBehind, PartPlayed
from bridge.session.request import Sync
from tests.midi.rig import LOOKAHEAD, OTHER_JOB, START, VOCALS, Rig, known, loaded, note


def test_an_open_note_sounds_until_a_revision_says_when_it_ends():
    rig = loaded([note(0.0, duration=None)], complete=False)
    rig.launch(VOCALS)
    rig.run(2.0)
    assert rig.sounding() == {(3, 60)}
    rig.update(VOCALS, [note(0.0, duration=2.5)], (), known(3.0), complete=False)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 2.5]


def test_an_end_that_is_about_to_come_can_still_be_moved_away():
    rig = loaded([note(0.0, duration=0.5)], complete=False)
    rig.launch(VOCALS)
    rig.run(0.49)
    rig.update(VOCALS, [note(0.0, duration=0.8)], (), known(1.0), complete=False)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.8]


def test_an_open_note_revised_to_a_past_end_is_released_at_once():
    rig = loaded([note(0.0, duration=None)], complete=False)
    rig.launch(VOCALS)
    rig.run(2.0)
    rig.update(VOCALS, [note(0.0, duration=1.0)], (), known(3.0), complete=False)
    rig.run(LOOKAHEAD)
    assert not rig.sounding()


def test_a_part_whose_last_note_was_revised_to_a_past_end_has_played():
    rig = loaded([note(0.0, duration=None)], length=0.5, complete=False)
    rig.launch(VOCALS)
    rig.run(0.3)
    rig.update(VOCALS, [note(0.0, duration=0.1)], (), known(0.5), complete=True)
    rig.run(0.5)
    assert rig.events[-1] == PartPlayed(VOCALS)


def test_an_open_note_of_a_finished_analysis_ends_where_the_analysis_did():
    rig = loaded([note(0.0, duration=None)], length=1.0, complete=False)
    rig.launch(VOCALS)
    rig.run(0.2)
    rig.update(VOCALS, [], (), known(0.5), complete=True)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.5]


def test_a_revision_never_strikes_a_note_again():
    rig = loaded([note(0.0, duration=0.5)], complete=False)
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.update(VOCALS, [note(0.0, duration=0.3, confidence=0.99)], (), known(1.0), complete=False)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.3]


def test_notes_that_come_in_time_play_and_later_ones_are_dropped_and_counted():
    rig = loaded([], complete=False)
    rig.launch(VOCALS)
    rig.run(1.0)
    rig.update(VOCALS, [note(0.90, 60), note(0.96, 61), note(1.5, 62)], (), known(2.0), complete=False)
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
    rig.update(VOCALS, [], (), known(0.5), complete=True)
    rig.run(0.1)
    assert PartPlayed(VOCALS) in rig.events


def test_what_is_said_of_a_part_that_is_gone_does_nothing():
    rig = loaded([note(0.0)])
    rig.unload([VOCALS])
    rig.update(VOCALS, [note(0.1)], (), known(1.0), complete=True)
    rig.override(VOCALS, "threshold", 0.1)
    rig.launch(VOCALS)
    rig.run(0.5)
    assert rig.out == []


# Where the analysis has been


@pytest.mark.parametrize(
    ("extents", "seconds"),
    [
        ([], 2.5),
        ([Extent(0.0, 1.0)], 1.5),
        ([Extent(4.0, 6.0)], 2.5),
        ([Extent(0.0, 1.0), Extent(4.0, 6.0)], 1.5),
        ([Extent(0.0, 1.0), Extent(1.5, 2.0), Extent(4.0, 6.0)], 0.5),
        ([Extent(2.0, 3.0)], None),
        ([Extent(0.0, 2.5 + 1e-9), Extent(2.5 + 1e-8, 9.0)], None),
    ],
)
def test_behind_counts_from_the_last_known_extent_before_the_playhead(extents, seconds):
    rig = Rig()
    rig.load(Part(VOCALS, 10.0, 0.5, sync=Sync.TRANSPORT))
    rig.update(VOCALS, [], (), extents, complete=False)
    rig.transport(2.5)
    rig.run(0.002)
    assert rig.events == ([] if seconds is None else [PartBehind(VOCALS, pytest.approx(seconds, abs=0.01))])


def test_a_playhead_is_behind_only_in_the_gaps_of_what_is_known():
    rig = Rig()
    rig.load(Part(VOCALS, 6.0, 0.5))
    rig.update(VOCALS, [], (), [Extent(0.0, 2.0), Extent(4.0, 6.0)], complete=False)
    rig.launch(VOCALS)
    rig.run(1.9)
    assert rig.events == []
    rig.run(1.9)
    assert [e.seconds for e in rig.events] == pytest.approx([0.0, 1.0], abs=0.02)
    rig.update(VOCALS, [note(5.0)], (), [Extent(0.0, 2.0), Extent(3.0, 6.0)], complete=False)
    rig.run(3.0)
    assert len(rig.events) == 2
    assert rig.times() == [(5.0, 60)]


def test_an_open_note_of_a_finished_analysis_ends_with_the_last_extent_and_with_the_clip_at_most():
    for end, off in ((0.6, 0.6), (7.0, 1.0)):
        rig = loaded([note(0.0, duration=None)], length=1.0, complete=False)
        rig.launch(VOCALS)
        rig.run(0.2)
        rig.update(VOCALS, [], (), [Extent(0.0, 0.3), Extent(0.5, end)], complete=True)
        rig.run(1.2)
        assert [round(o.due - START, 6) for o in rig.notes] == [0.0, off]


# Notes that are withdrawn


def test_a_withdrawn_note_is_not_struck_in_any_round():
    rig = loaded([note(0.1, 60), note(0.2, 62)], length=0.4, loop=True)
    rig.launch(VOCALS)
    rig.run(0.05)
    rig.update(VOCALS, [], [(0.2, 62)], known(0.4), complete=True)
    rig.run(0.8)
    assert [p for _, p in rig.times()] == [60, 60]


def test_a_withdrawn_note_that_sounds_goes_on_to_its_own_end_and_sounds_no_more_after_that():
    rig = loaded([note(0.0, duration=0.3)], length=0.5, loop=True, complete=False)
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.update(VOCALS, [], [(0.0, 60)], known(0.5), complete=True)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.3]


def test_a_withdrawn_note_without_an_end_is_released_at_once_and_no_other():
    rig = loaded([note(0.0, 60, duration=None), note(0.0, 62, duration=None)], complete=False)
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.update(VOCALS, [], [(0.0, 60)], known(0.5), complete=False)
    rig.run(LOOKAHEAD)
    assert rig.sounding() == {(3, 62)}


def test_a_note_given_again_in_time_sounds_once():
    rig = loaded([note(0.5)])
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.update(VOCALS, [], [(0.5, 60)], known(10.0), complete=False)
    rig.run(0.1)
    rig.update(VOCALS, [note(0.5)], (), known(10.0), complete=True)
    rig.run(1.0)
    assert rig.times() == [(0.5, 60)]


def test_a_note_given_again_after_it_was_struck_sounds_again_only_in_the_next_round():
    rig = loaded([note(0.1, duration=None)], length=0.5, loop=True, complete=False)
    rig.launch(VOCALS)
    rig.run(0.12)
    rig.update(VOCALS, [], [(0.1, 60)], known(0.5), complete=False)
    rig.run(0.02)
    rig.update(VOCALS, [note(0.1, duration=0.2)], (), known(0.5), complete=True)
    rig.run(0.5)
    assert rig.times() == [(0.1, 60), (0.6, 60)]


def test_a_note_given_again_while_it_sounds_ends_where_the_new_word_says():
    rig = loaded([note(0.0, duration=0.3)], complete=False)
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.update(VOCALS, [], [(0.0, 60)], known(1.0), complete=False)
    rig.run(0.1)
    rig.update(VOCALS, [note(0.0, duration=0.8)], (), known(1.0), complete=True)
    rig.run(1.0)
    assert [round(o.due - START, 6) for o in rig.notes] == [0.0, 0.8]


def test_a_live_parameter_still_silences_a_withdrawn_note_that_sounds():
    rig = loaded([note(0.0, 60, 5.0, confidence=0.6), note(0.0, 62, 5.0)], complete=False)
    rig.launch(VOCALS)
    rig.run(0.1)
    rig.update(VOCALS, [], [(0.0, 60), (0.0, 62)], known(1.0), complete=False)
    rig.set_parameter("threshold", 0.7)
    rig.run(0.1)
    assert rig.sounding() == {(3, 62)}


def test_withdrawing_what_was_never_given_changes_nothing():
    rig = loaded([note(0.5, 60)])
    rig.launch(VOCALS)
    rig.update(VOCALS, [], [(0.5, 61), (0.4, 60), (9.0, 60)], known(10.0), complete=True)
    rig.update(OTHER_JOB, [], [(0.5, 60)], known(10.0), complete=True)
    rig.run(1.0)
    assert rig.times() == [(0.5, 60)]


# Parts that go


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

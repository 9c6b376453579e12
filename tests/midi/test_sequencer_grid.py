"""Onsets drawn to the grid, with strength and swing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.midi.grid import Grid
from bridge.music.tempo import Loop, TempoMap, TempoPoint
from bridge.session.request import Follow, Sync
from tests.midi.rig import TEMPO_60, VOCALS, known, loaded, note, played


@settings(max_examples=300)
@given(
    st.floats(-50, 50),
    st.floats(-50, 50),
    st.floats(0, 1),
    st.integers(1, 8),
    st.floats(0.5, 0.75),
)
def test_the_grid_keeps_the_order_of_onsets_and_moves_none_past_its_nearest_point(one, other, strength, notes, swing):
    grid = Grid(strength, notes, swing)
    earlier, later = sorted((one, other))
    assert grid.draw(earlier) <= grid.draw(later) + 1e-9
    assert abs(grid.draw(one) - one) <= 0.75 / notes + 1e-9
    assert Grid(1.0, notes, swing).draw(grid.nearest(one)) == pytest.approx(grid.nearest(one), abs=1e-9)


@pytest.mark.parametrize(
    ("notes", "swing", "points"),
    [
        (1, 0.75, [0, 1, 2]),
        (2, 0.5, [0, 0.5, 1, 1.5, 2]),
        (2, 0.75, [0, 0.75, 1, 1.75, 2]),
        (3, 0.75, [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2]),
        (4, 0.6, [0, 0.3, 0.5, 0.8, 1, 1.3, 1.5, 1.8, 2]),
    ],
)
def test_swing_moves_every_second_point_of_grids_that_halve_the_beat(notes, swing, points):
    grid = Grid(1.0, notes, swing)
    drawn = {round(grid.draw(n / 1000), 9) for n in range(2001)}
    assert sorted(drawn) == pytest.approx(points)


def test_a_locked_part_is_drawn_to_the_project_s_beats_and_durations_stay():
    rig = loaded([note(0.13, 60, 0.2), note(0.62, 62, 0.3)], sync=Sync.TRANSPORT, at_s=0.05)
    rig.set_parameter("quantise", 1.0)
    rig.transport(0.0, tempo=TEMPO_60)
    rig.run(2.0)
    assert played(rig) == [(0.25, 60, True), (0.45, 60, False), (0.75, 62, True), (1.05, 62, False)]


def test_half_the_strength_moves_onsets_half_the_way():
    rig = loaded([note(1.1)], sync=Sync.TRANSPORT, overrides={"quantise": 0.5, "grid": 1})
    rig.transport(0.0, tempo=TEMPO_60)
    rig.run(2.0)
    assert rig.times() == [(1.05, 60)]


@pytest.mark.parametrize(
    ("part", "due"),
    [
        # A beat of the project at 90 bpm is 2/3 s long, from the launch at 0.3 s on.
        ({"rate": 2.0}, 0.3 + 2 / 3),
        # A beat of the clip at 120 bpm is half a second of it; it plays at 3/4 of its tempo.
        ({"follow": Follow.TEMPO, "tempo": TempoMap.constant(120)}, 0.3 + 2 * 2 / 3),
    ],
)
def test_a_launched_part_is_drawn_to_beats_from_its_launch_or_its_own(part, due):
    rig = loaded([note(1.1)], overrides={"quantise": 1.0, "grid": 1}, **part)
    rig.transport(0.2, tempo=TempoMap.constant(90))
    rig.run(0.3)
    rig.launch(VOCALS)
    rig.run(3.0)
    assert [t for t, _ in rig.times()] == pytest.approx([due])


def test_a_loop_plays_what_the_grid_draws_into_it_and_not_what_it_draws_out():
    notes = [note(0.97, 60), note(1.5, 62), note(1.97, 64)]
    rig = loaded(notes, sync=Sync.TRANSPORT, overrides={"quantise": 1.0})
    rig.transport(1.0, tempo=TEMPO_60, loop=Loop(1.0, 2.0))
    rig.run(2.2)
    assert rig.times() == [(0.0, 60), (0.5, 62), (1.0, 60), (1.5, 62), (2.0, 60)]


def test_a_launched_part_ends_only_when_its_last_note_has_been_drawn_past_the_clip_s_end():
    rig = loaded([note(0.9, 60, 0.05)], length=0.95, overrides={"quantise": 1.0, "grid": 1})
    rig.transport(0.0, tempo=TEMPO_60)
    rig.launch(VOCALS)
    rig.run(1.5)
    assert played(rig) == [(1.0, 60, True), (1.05, 60, False)]
    assert len(rig.events) == 1


def test_every_round_of_a_loop_is_drawn_to_the_beats_from_the_launch():
    """The clip is 1.4 beats long: the rounds begin at 0, 1.4, 2.8 and 4.2, where the grid draws a note to before the round."""
    rig = loaded([note(0.05, 60), note(1.2, 62)], length=1.4, loop=True, overrides={"quantise": 1.0, "grid": 1})
    rig.transport(0.0, tempo=TEMPO_60)
    rig.launch(VOCALS)
    rig.run(4.1)
    assert [t for t, _ in rig.times()] == pytest.approx([0.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0])
    assert rig.sequencer.dropped_late == 0


def test_turning_the_grid_on_moves_what_is_to_come_and_keeps_a_sounding_note_s_length():
    rig = loaded([note(0.1, 60, 0.5), note(1.1, 62, 0.5)], sync=Sync.TRANSPORT)
    rig.transport(0.0, tempo=TEMPO_60)
    rig.run(0.3)
    rig.set_parameter("quantise", 1.0)
    rig.set_parameter("grid", 1)
    rig.run(2.0)
    assert played(rig) == [(0.1, 60, True), (0.6, 60, False), (1.0, 62, True), (1.5, 62, False)]


def test_what_the_grid_draws_into_the_past_is_late_like_any_other_note():
    rig = loaded([], sync=Sync.TRANSPORT, complete=False, overrides={"quantise": 1.0, "grid": 1})
    rig.transport(0.0, tempo=TEMPO_60)
    rig.run(1.03)
    rig.update(VOCALS, [note(1.2, 60, 0.5)], (), known(2.0), complete=False)
    rig.run(0.05)
    rig.update(VOCALS, [note(1.3, 62, 0.5)], (), known(2.0), complete=False)
    rig.run(1.0)
    assert rig.times() == [(1.0, 60)]
    assert rig.sequencer.dropped_late == 1


def test_what_the_grid_of_tracked_beats_draws_to_before_the_launch_sounds_with_it():
    # The clip's first beat is at second 0.6, so beat -1 lies before its start.
    tempo = TempoMap((TempoPoint(0.6, 0.0),), 60)
    rig = loaded(
        [note(0.02, 60), note(0.65, 62)], follow=Follow.TEMPO, tempo=tempo, overrides={"quantise": 1, "grid": 1}
    )
    rig.transport(0.0, playing=False, tempo=TEMPO_60)
    rig.launch(VOCALS)
    rig.run(1.0)
    assert rig.times() == [(0.0, 60), (0.6, 62)]
    assert rig.sequencer.dropped_late == 0

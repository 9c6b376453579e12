"""Where a clip's seconds fall in host time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.music.bars import Signature
from bridge.music.beat_track import BeatTrack
from bridge.music.ramps import Over
from bridge.music.sound import Stem
from bridge.music.tempo import Loop, TempoChange, TempoMap, TempoPoint, Transport
from bridge.session.clip_clock import launch_time, launched, locked
from bridge.session.playback import Part
from bridge.session.request import Follow, Sync

HOST = 1000.0


def part(**fields):
    return Part(("job", Stem.VOCALS), 10.0, 0.5, **fields)


projects = st.lists(
    st.tuples(st.integers(1, 40), st.floats(30, 300), st.sampled_from([None, *Over])), min_size=1, max_size=5
).map(
    lambda steps: TempoMap.of_changes(
        [TempoChange(sum(s[0] for s in steps[:k]) - 8, bpm, over) for k, (_, bpm, over) in enumerate(steps)]
    )
)
tracks = st.lists(st.floats(0.25, 1.2), min_size=2, max_size=12).map(
    lambda lengths: BeatTrack(tuple(sum(lengths[: k + 1]) for k in range(len(lengths))), (1,), 1.0).tempo_map()
)
places = st.one_of(
    st.just({}), st.floats(-20, 60).map(lambda at: {"at": at}), st.floats(-10, 30).map(lambda at: {"at_s": at})
)
follows = st.one_of(
    st.sampled_from([0.5, 1.0, 2.0]).map(lambda rate: {"rate": rate}),
    tracks.map(lambda own: {"follow": Follow.TEMPO, "tempo": own}),
)
clocks = st.one_of(
    st.builds(
        lambda fields, place, project, seconds: locked(
            part(sync=Sync.TRANSPORT, **fields, **place), project, HOST, seconds
        ),
        follows,
        places,
        projects,
        st.floats(-20, 60),
    ),
    st.builds(
        lambda fields, project, seconds, playing, clip: launched(
            part(**fields), Transport(HOST - 1, seconds, playing, project), HOST, clip
        ),
        follows,
        projects,
        st.floats(-20, 60),
        st.booleans(),
        st.floats(0, 10),
    ),
)


@settings(deadline=None)
@given(clocks, st.floats(-5, 20))
def test_clip_seconds_become_host_time_and_the_same_clip_seconds_again(clock, clip):
    assert clock.clip_at(clock.host_at(clip)) == pytest.approx(clip, abs=1e-9)


@settings(deadline=None)
@given(clocks, st.floats(HOST - 30, HOST + 60))
def test_host_time_becomes_clip_seconds_and_the_same_host_time_again(clock, host):
    assert clock.host_at(clock.clip_at(host)) == pytest.approx(host, abs=1e-9)


@settings(deadline=None)
@given(clocks, st.floats(-5, 20), st.floats(1e-4, 5))
def test_later_clip_seconds_are_due_later(clock, clip, step):
    assert clock.host_at(clip + step) > clock.host_at(clip)


@settings(deadline=None)
@given(clocks, st.floats(0.1, 10))
def test_a_second_round_starts_where_the_first_one_ends(clock, length):
    assert clock.after(length).host_at(0.0) == pytest.approx(clock.host_at(length), abs=1e-9)


@settings(deadline=None)
@given(tracks, projects, st.floats(-8, 30), st.floats(0, 8))
def test_tracked_beats_fall_on_the_project_s_wherever_its_tempo_goes(own, project, at, beats):
    clock = locked(part(sync=Sync.TRANSPORT, follow=Follow.TEMPO, tempo=own, at=at), project, HOST, 0.0)
    origin = own.beats_at(0.0)
    due = clock.host_at(own.seconds_at(origin + beats))
    assert project.beats_at(due - HOST) == pytest.approx(at + beats, abs=1e-8)


def test_a_clip_s_start_lies_at_its_place_whether_a_beat_was_tracked_there_or_not():
    own = BeatTrack((0.7, 1.2, 1.7), (0,), 1.0).tempo_map()
    clock = locked(part(sync=Sync.TRANSPORT, follow=Follow.TEMPO, tempo=own, at=4.0), TempoMap.constant(60), HOST, 0.0)
    assert clock.host_at(0.0) == pytest.approx(HOST + 4.0)
    assert clock.host_at(0.7) == pytest.approx(HOST + 4.0 + 1.4)


def test_a_part_without_a_tempo_cannot_follow_one():
    with pytest.raises(ValueError, match="none of its own"):
        locked(part(sync=Sync.TRANSPORT, follow=Follow.TEMPO), TempoMap.constant(60), HOST, 0.0)


@pytest.mark.parametrize(
    ("position", "waits"), [(0.0, 0.0), (0.5, 3.5), (6.0, 2.0), (8.5, 2.5), (14.25, 0.25), (-1.0, 1.0)]
)
def test_a_launch_waits_for_the_bar_of_the_signature_that_holds(position, waits):
    tempo = TempoMap((TempoPoint(0.0, 0.0),), 60, 4.0, (Signature(8.0, 3, 4), Signature(14.0, 1, 8)))
    transport = Transport(HOST, position, True, tempo)
    assert launch_time(part(sync=Sync.BAR), transport, HOST) == pytest.approx(HOST + waits)


def test_a_launch_waits_for_the_bar_by_the_ramp_that_leads_to_it():
    tempo = TempoMap.of_changes([TempoChange(0, 60, Over.SECONDS), TempoChange(8, 180)])
    transport = Transport(HOST, 0.1, True, tempo)
    assert launch_time(part(sync=Sync.BAR), transport, HOST) == pytest.approx(HOST + tempo.seconds_at(4) - 0.1)


def test_a_launch_after_the_last_bar_line_of_a_loop_waits_for_the_one_behind_its_start():
    tempo = TempoMap((TempoPoint(0.0, 0.0),), 60, 4.0, (Signature(5.0, 3, 4),))
    transport = Transport(HOST, 9.0, True, tempo, Loop(6.0, 10.0))
    assert launch_time(part(sync=Sync.BAR), transport, HOST) == pytest.approx(HOST + 1.0 + 2.0)

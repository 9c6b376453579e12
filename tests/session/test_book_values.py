"""The job book: values, tempo and key of a job, on their way to its parts."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import BridgeError
from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.sound import Stem
from bridge.session.events import (
    Accepted,
    Behind,
    JobState,
    KeyFound,
    Stage,
    TempoFound,
)
from bridge.session.plan import folder_name
from bridge.session.playback import PartBehind
from bridge.session.request import Follow
from bridge.units import Bpm, JobId, Seconds
from tests.session.desk import Desk, request
from tests.session.fakes import note, stretch


async def test_a_value_for_one_job_reaches_its_parts_now_and_later(desk: Desk) -> None:
    await desk.running(stems=(Stem.VOCALS, Stem.BASS), parameters={"threshold": 0.3})
    desk.engine.find(stretch("a", 3.0, stem=Stem.VOCALS))
    desk.book.override(JobId("a"), "threshold", 0.8)
    assert desk.player.calls[-1] == ("override", (("a", Stem.VOCALS), "threshold", 0.8))
    desk.engine.find(stretch("a", 3.0, stem=Stem.BASS))
    assert desk.player.loaded[JobId("a"), Stem.BASS].overrides == {"threshold": 0.8}


async def test_a_value_for_a_stem_that_the_job_does_not_have_is_refused(desk: Desk) -> None:
    desk.start()
    with pytest.raises(BridgeError, match="no bass, only vocals"):
        desk.book.override(JobId("a"), "channel/bass", 5)


async def test_the_playhead_catching_up_is_told_as_behind(desk: Desk) -> None:
    await desk.running()
    desk.engine.find(stretch("a", 3.0))
    desk.book.behind(PartBehind((JobId("a"), Stem.VOCALS), Seconds(0.7)))
    assert desk.heard[-1] == Behind(JobId("a"), Seconds(0.7))


async def test_a_tempo_following_job_is_ready_by_the_tempo_it_plays_at(desk: Desk) -> None:
    await desk.running(follow=Follow.TEMPO, bpm=Bpm(60.0))  # The project's 120 plays it at double speed.
    desk.now += 4.0  # analysed at 1.5 x real time: enough for time, not for double speed
    desk.engine.find(stretch("a", 6.0, of=60.0))
    assert "launch" not in desk.player.names()


async def test_states_tell_stage_and_fraction(desk: Desk) -> None:
    await desk.running()
    assert list(desk.book.states(JobId("a"))) == [("a", JobState.RUNNING, Stage.SEPARATING, 0.0)]


def test_a_folder_is_named_by_clip_and_job_safely_and_differently() -> None:
    def name(job: str) -> str:
        return folder_name(replace(request(job), path=Path("/x/My Song.mp3")))

    assert name("take 1").startswith("My Song take 1")
    odd = [
        name(job) for job in ("a/../../b", "a_.._.._b", "a:.._.._b", "Take", "take", "歌" * 99, "x" * 200, "x" * 201)
    ]
    assert len({n.lower() for n in odd}) == len(odd)
    assert all(not set("/:") & set(n) and len(n.encode()) < 140 for n in odd)


async def test_the_key_of_the_clip_reaches_the_parts_that_play_and_those_to_come(desk: Desk) -> None:
    await desk.running(stems=(Stem.VOCALS, Stem.BASS))
    desk.engine.find(stretch("a", 2.0, note(0.5)))
    desk.engine.find(KeyFound(JobId("a"), KeyEstimate(21, 0.9)))
    assert ("set_key", ((("a", Stem.VOCALS),), 21)) in desk.player.calls
    desk.engine.find(stretch("a", 2.0, note(0.5), stem=Stem.BASS))
    assert desk.player.loaded["a", Stem.BASS].key == 21
    assert KeyFound(JobId("a"), KeyEstimate(21, 0.9)) in desk.heard


@pytest.mark.parametrize(
    ("everyone", "own", "stems", "first"),
    [
        (False, {}, (Stem.VOCALS,), False),
        (True, {}, (Stem.VOCALS,), True),
        (True, {}, (Stem.DRUMS,), False),
        (True, {"snap": 0.0}, (Stem.VOCALS,), False),
        (False, {"snap": 1.0}, (Stem.VOCALS,), True),
    ],
)
async def test_only_what_is_snapped_waits_for_the_key(
    desk: Desk, *, everyone: bool, own: dict[str, float], stems: tuple[Stem, ...], first: bool
) -> None:
    desk.snapping = everyone
    desk.start(parameters=own, stems=stems)
    work = await asyncio.wait_for(desk.engine.started.get(), 5)
    assert work.key_first is first


async def test_a_jobs_own_hold_comes_before_everyones(desk: Desk) -> None:
    desk.start(parameters={"hold_ms": 40.0}, stems=(Stem.VOCALS,))
    assert (await asyncio.wait_for(desk.engine.started.get(), 5)).holds == {Stem.VOCALS: 40.0}


async def test_parts_follow_the_beats_that_were_tracked(desk: Desk) -> None:
    await desk.running(follow=Follow.TEMPO)
    track = BeatTrack((Seconds(0.5), Seconds(1.0), Seconds(1.6)), (0,), 0.7)
    desk.engine.find(TempoFound(JobId("a"), track), stretch("a", 2.0, note(0.5)))
    assert desk.player.loaded["a", Stem.VOCALS].tempo == track.tempo_map()
    assert TempoFound(JobId("a"), track) in desk.heard
    desk.start(follow=Follow.TEMPO)
    assert desk.heard.count(Accepted(JobId("a"))) == 1, "the same request again is still the same"

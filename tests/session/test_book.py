"""The job book: what is promised to whoever asked for a job."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.sound import Stem
from bridge.music.tempo import PARKED, Transport
from bridge.session.book import QUEUE_LENGTH, REPEAT_WINDOW, JobBook
from bridge.session.events import (
    Accepted,
    Behind,
    Cancelled,
    Done,
    Failed,
    JobEvent,
    JobState,
    KeyFound,
    Ready,
    Stage,
    TempoFound,
    Unloaded,
)
from bridge.session.parameters import DEFAULT_CHANNELS
from bridge.session.plan import Surroundings, folder_name
from bridge.session.playback import PartBehind, PartPlayed
from bridge.session.request import Follow, JobRequest, Sync
from bridge.units import Bpm, HostTime, JobId, Seconds
from tests.session.fakes import RecordingAudience, RecordingPlayer, ScriptedEngine, note, stretch


def request(job: str = "a", **changes: object) -> JobRequest:
    return replace(JobRequest(JobId(job), Path("/music/song.wav")), **changes)  # type: ignore[arg-type]


@dataclass
class Desk:
    """A book with everything around it in the test's hand."""

    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    player: RecordingPlayer = field(default_factory=RecordingPlayer)
    now: float = 100.0
    heard: list[JobEvent] = field(default_factory=list)
    threshold: float | None = None
    snapping: bool = False
    transport: Transport = PARKED

    def __post_init__(self) -> None:
        settings = Surroundings(
            folder=Path("/out"),
            now=lambda: HostTime(self.now),
            project_bpm=lambda: Bpm(120.0),
            channels=lambda: DEFAULT_CHANNELS,
            threshold=lambda: self.threshold,
            hold_ms=lambda: 80.0,
            snapping=lambda: self.snapping,
            transport=lambda: self.transport,
        )
        self.book = JobBook(self.engine, self.player, settings)

    def start(self, job: str = "a", **changes: object) -> None:
        self.book.start(request(job, **changes), RecordingAudience(self.heard))

    async def running(self, job: str = "a", **changes: object) -> None:
        """Start a job and bring it to where its analysis separates."""
        self.start(job, **changes)
        await asyncio.wait_for(self.engine.started.get(), 5)
        self.engine.separating(job)

    async def settle(self) -> None:
        """Let the book's own task run until it waits again."""
        for _ in range(5):
            await asyncio.sleep(0)

    def endings(self, job: str = "a") -> list[JobEvent]:
        return [e for e in self.heard if e.id == job and isinstance(e, Done | Failed | Cancelled | Unloaded)]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    task = asyncio.create_task(desk.book.run())
    yield desk
    task.cancel()


async def test_a_job_is_accepted_played_done_and_unloaded_once_each(desk: Desk) -> None:
    await desk.running()
    desk.now += 1
    desk.engine.find(stretch("a", 6.0, note(1.0)), stretch("a", 10.0, note(8.0), complete=True))
    desk.engine.end()
    await desk.settle()
    assert desk.player.names() == ["load", "update", "launch", "update"]
    desk.book.played(PartPlayed((JobId("a"), Stem.VOCALS)))
    assert desk.endings() == [Done(JobId("a")), Unloaded(JobId("a"), "played")]
    assert desk.heard[0] == Accepted(JobId("a"))


async def test_playback_waits_until_it_cannot_overtake_a_slow_analysis(desk: Desk) -> None:
    await desk.running()
    for until in range(5, 65, 5):
        desk.now += 10  # half of real time: 5 s of clip take 10 s
        desk.engine.find(stretch("a", until, of=60.0))
        if "launch" in desk.player.names():
            break
    ready = next(e for e in desk.heard if isinstance(e, Ready))
    assert ready.speed == pytest.approx(0.5)
    assert ready.lead == until
    assert until >= 60 - 60 * 0.5, "playback of 60 s would end before the analysis"
    assert until < 60, "it need not wait for the end either"


async def test_a_transport_job_is_loaded_at_once_and_never_launched(desk: Desk) -> None:
    await desk.running(sync=Sync.TRANSPORT, at=8.0)
    desk.now += 100
    desk.engine.find(stretch("a", 2.0, note(1.0)))
    desk.now += 1
    desk.engine.find(stretch("a", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    assert "launch" not in desk.player.names()
    assert desk.player.loaded[JobId("a"), Stem.VOCALS].at == 8.0
    assert desk.endings() == [Done(JobId("a"))]  # It stays loaded until someone ends it.
    desk.book.unload(JobId("a"))
    assert desk.endings()[1:] == [Unloaded(JobId("a"), "unloaded")]


async def test_all_stems_are_launched_together(desk: Desk) -> None:
    await desk.running(stems=(Stem.VOCALS, Stem.BASS))
    desk.now += 0.1
    desk.engine.find(stretch("a", 6.0, stem=Stem.VOCALS))
    assert "launch" not in desk.player.names()
    desk.engine.find(stretch("a", 6.0, stem=Stem.BASS))
    assert desk.player.calls[-1] == ("launch", ((("a", Stem.VOCALS), ("a", Stem.BASS)),))


async def test_cancel_while_queued_says_cancelled_and_unloaded_and_nothing_runs(desk: Desk) -> None:
    await desk.running("first")
    desk.start("b")
    desk.book.cancel(JobId("b"))
    assert desk.endings("b") == [Cancelled(JobId("b")), Unloaded(JobId("b"), "cancelled")]
    desk.engine.end()
    await desk.settle()
    assert desk.engine.started.empty()


async def test_cancel_while_separating_ends_its_notes_first_and_says_each_ending_once(desk: Desk) -> None:
    await desk.running()
    desk.now += 1
    desk.engine.find(stretch("a", 6.0, note(1.0)))
    desk.book.cancel(JobId("a"))
    assert desk.player.calls[-1] == ("unload", ((("a", Stem.VOCALS),),))
    assert desk.engine.cancelled == ["a"]
    desk.engine.find(stretch("a", 10.0, note(8.0), complete=True))  # It had found this already.
    desk.engine.leave_cancelled()
    await desk.settle()
    assert desk.endings() == [Cancelled(JobId("a")), Unloaded(JobId("a"), "cancelled")]
    assert desk.player.names().count("update") == 1


async def test_an_analysis_that_ended_as_it_was_cancelled_still_ends_once(desk: Desk) -> None:
    await desk.running()
    desk.book.cancel(JobId("a"))
    desk.engine.end()
    await desk.settle()
    assert desk.endings() == [Cancelled(JobId("a")), Unloaded(JobId("a"), "cancelled")]


async def test_cancel_after_done_yields_only_unloaded(desk: Desk) -> None:
    await desk.running()
    desk.engine.find(stretch("a", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    desk.book.cancel(JobId("a"))
    assert desk.endings() == [Done(JobId("a")), Unloaded(JobId("a"), "cancelled")]


async def test_cancel_of_an_ended_or_unknown_job_is_refused(desk: Desk) -> None:
    desk.start()
    desk.book.cancel(JobId("a"))
    for job in ("a", "never"):
        with pytest.raises(BridgeError, match=repr(job)) as refusal:
            desk.book.cancel(JobId(job))
        assert refusal.value.code is ErrorCode.NO_SUCH_JOB


async def test_cancel_of_all_ends_the_queued_the_running_and_the_playing(desk: Desk) -> None:
    await desk.running("played")
    desk.engine.find(stretch("played", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    await desk.running("analysed")
    desk.start("queued")
    desk.book.cancel(None)
    desk.engine.leave_cancelled()
    await desk.settle()
    assert desk.endings("played")[1:] == [Unloaded(JobId("played"), "cancelled")]
    for job in ("analysed", "queued"):
        assert desk.endings(job) == [Cancelled(JobId(job)), Unloaded(JobId(job), "cancelled")]
    assert not desk.player.loaded


async def test_a_failure_silences_the_job_and_the_next_one_runs(desk: Desk) -> None:
    await desk.running("a")
    desk.start("b")
    desk.now += 1
    desk.engine.find(stretch("a", 6.0, note(1.0)))
    desk.engine.end(BridgeError(ErrorCode.WORKER_CRASHED, "gone"))
    await desk.settle()
    assert desk.endings() == [
        Failed(JobId("a"), ErrorCode.WORKER_CRASHED, "gone"),
        Unloaded(JobId("a"), "failed"),
    ]
    assert not desk.player.loaded
    assert (await desk.engine.started.get()).request.id == "b"


async def test_an_unforeseen_fault_fails_the_job_and_not_the_book(desk: Desk) -> None:
    await desk.running("a")
    desk.engine.end(ZeroDivisionError("what"))
    await desk.settle()
    failed = desk.endings()[0]
    assert isinstance(failed, Failed)
    assert failed.code is ErrorCode.INTERNAL
    await desk.running("b")


async def test_a_repeated_request_is_answered_again_and_runs_once(desk: Desk) -> None:
    await desk.running()
    again = RecordingAudience()
    desk.book.start(request(), again)
    assert again.answered == [Accepted(JobId("a"))]
    desk.engine.find(stretch("a", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    desk.book.played(PartPlayed((JobId("a"), Stem.VOCALS)))
    desk.now += REPEAT_WINDOW / 2
    desk.book.start(request(), again)
    assert again.answered[1:] == [Accepted(JobId("a")), Done(JobId("a")), Unloaded(JobId("a"), "played")]
    assert again.told == []
    assert [s[1] for s in desk.book.states(None)] == [JobState.DONE]


@pytest.mark.parametrize("ending", ["cancelled", "unloaded", "panic"])
async def test_a_request_repeated_after_somebody_ended_it_runs_again(desk: Desk, ending: str) -> None:
    await desk.running()
    desk.engine.find(stretch("a", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    desk.book.end(JobId("a"), ending)
    desk.start()
    assert [s[1] for s in desk.book.states(None)] == [JobState.QUEUED]


async def test_a_request_repeated_later_runs_again(desk: Desk) -> None:
    await desk.running()
    desk.engine.end(BridgeError(ErrorCode.NO_MODEL, "none"))
    await desk.settle()
    desk.now += REPEAT_WINDOW + 1
    desk.start()
    assert [s[1] for s in desk.book.states(None)] == [JobState.QUEUED]


async def test_a_lost_player_fails_what_it_held_and_leaves_the_rest(desk: Desk) -> None:
    await desk.running("loaded", sync=Sync.TRANSPORT)
    desk.engine.find(stretch("loaded", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    await desk.running("playing")
    desk.engine.find(stretch("playing", 3.0))
    desk.start("queued")
    desk.book.player_lost("the player process ended")
    assert desk.endings("loaded") == [Done(JobId("loaded")), Unloaded(JobId("loaded"), "failed")]
    assert desk.endings("playing") == [
        Failed(JobId("playing"), ErrorCode.MIDI_UNAVAILABLE, "the player process ended"),
        Unloaded(JobId("playing"), "failed"),
    ]
    desk.engine.leave_cancelled()
    assert (await asyncio.wait_for(desk.engine.started.get(), 5)).request.id == "queued"
    assert desk.endings("queued") == []


async def test_values_set_while_a_job_waits_hold_for_its_files_too(desk: Desk) -> None:
    await desk.running("first")
    desk.start("a", parameters={"threshold": 0.4})
    desk.book.override(JobId("a"), "channel/vocals", 5)
    desk.engine.end()
    work = await asyncio.wait_for(desk.engine.started.get(), 5)
    assert work.channels[Stem.VOCALS] == 5
    assert work.thresholds == {Stem.VOCALS: 0.4}


async def test_an_active_id_with_other_arguments_is_refused_and_a_finished_one_taken(desk: Desk) -> None:
    desk.start()
    with pytest.raises(BridgeError) as refusal:
        desk.start(rate=2.0)
    assert refusal.value.code is ErrorCode.ID_IN_USE
    desk.book.cancel(JobId("a"))
    desk.start(rate=2.0)
    assert [s[1] for s in desk.book.states(None)] == [JobState.QUEUED]


async def test_the_queue_is_eight_deep_then_busy(desk: Desk) -> None:
    await desk.running("running")
    for n in range(QUEUE_LENGTH):
        desk.start(f"q{n}")
    with pytest.raises(BridgeError) as refusal:
        desk.start("one too many")
    assert refusal.value.code is ErrorCode.BUSY
    assert len(list(desk.book.states(None))) == QUEUE_LENGTH + 1
    desk.book.cancel(JobId("q3"))
    desk.start("now there is room")


async def test_stop_ends_what_was_launched_and_leaves_transport_jobs_and_analyses(desk: Desk) -> None:
    await desk.running("stays", sync=Sync.TRANSPORT)
    desk.engine.find(stretch("stays", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    await desk.running("stopped")
    desk.now += 1
    desk.engine.find(stretch("stopped", 6.0, note(1.0)))
    desk.book.stop(None)
    assert desk.endings("stopped") == [Unloaded(JobId("stopped"), "stopped")]
    desk.engine.find(stretch("stopped", 10.0, note(8.0), complete=True))
    desk.engine.end()
    await desk.settle()
    assert desk.endings("stopped")[1:] == [Done(JobId("stopped"))]
    assert list(desk.player.loaded) == [("stays", Stem.VOCALS)]


async def test_a_newer_transport_job_replaces_the_same_clip_when_it_has_notes(desk: Desk) -> None:
    await desk.running("old", sync=Sync.TRANSPORT, at=0.0)
    desk.engine.find(stretch("old", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    await desk.running("new", sync=Sync.TRANSPORT, at=4.0)
    assert desk.endings("old") == [Done(JobId("old"))]
    desk.engine.find(stretch("new", 6.0))
    assert desk.endings("old")[1:] == [Unloaded(JobId("old"), "replaced")]
    assert list(desk.player.loaded) == [("new", Stem.VOCALS)]


async def test_another_region_or_stem_of_the_file_is_not_replaced(desk: Desk) -> None:
    await desk.running("old", sync=Sync.TRANSPORT)
    desk.engine.find(stretch("old", 10.0, complete=True))
    desk.engine.end()
    await desk.settle()
    await desk.running("region", sync=Sync.TRANSPORT, start=Seconds(3.0))
    desk.engine.find(stretch("region", 6.0))
    desk.engine.end()
    await desk.settle()
    await desk.running("bass", sync=Sync.TRANSPORT, stems=(Stem.BASS,))
    desk.engine.find(stretch("bass", 6.0, stem=Stem.BASS))
    assert len(desk.player.loaded) == 3


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

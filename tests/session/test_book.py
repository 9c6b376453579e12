"""The job book: what is promised to whoever asked for a job."""

import asyncio

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session.book import QUEUE_LENGTH, REPEAT_WINDOW
from bridge.session.events import (
    Accepted,
    Done,
    Failed,
    JobState,
    Ready,
    Unloaded,
)
from bridge.session.playback import PartPlayed
from bridge.session.request import Sync
from bridge.units import JobId, Seconds
from tests.session.desk import Desk, request
from tests.session.fakes import RecordingAudience, note, stretch


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

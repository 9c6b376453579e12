"""The job book: what cancelling says and silences, in every stage."""

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session.events import (
    Cancelled,
    Done,
    Unloaded,
)
from bridge.units import JobId
from tests.session.desk import Desk
from tests.session.fakes import note, stretch


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

"""The desk of the watched folder where the disk or the book does not do what it should."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.app import watch_desk
from bridge.app.admission import Refuse
from bridge.app.intake_settings import WatchSettings
from bridge.app.watch_desk import WatchDesk
from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.osc.codec import OscMessage
from bridge.session.events import Accepted, Done, Failed, Result
from bridge.session.job import Audience
from bridge.session.request import JobRequest
from bridge.units import JobId


@dataclass
class Server:
    """Stands for the OSC server and for the reporter that nobody asked."""

    refused: list[BridgeError] = field(default_factory=list)
    published: list[OscMessage] = field(default_factory=list)

    def reporter(self, peer: object) -> "Server":
        return self

    def refuse(self, job: str, address: str, error: BridgeError) -> None:
        self.refused.append(error)

    def publish(self, topic: object, message: OscMessage, reporter: object) -> None:
        self.published.append(message)


class Watched:
    """A desk on a folder, with a book that does what the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server()
        self.asked: list[JobRequest] = []
        self.silenced: list[JobId] = []
        self.book: Callable[[JobRequest, Audience, Refuse], None] = self.succeed
        settings = WatchSettings(folder=str(folder), settle_s=0.1, poll_s=0.1)
        self._desk = WatchDesk(settings, self.server, self._admit, self.silenced.append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._desk.run())
        yield
        assert not task.done(), "watching ended of its own"
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def succeed(self, request: JobRequest, audience: Audience, _: Refuse) -> None:
        result = self.folder.parent / "result"
        result.write_bytes(b"result")
        audience.tell(Accepted(request.id))
        audience.tell(Result(request.id, Stem.VOCALS, 1, result.with_suffix(""), result.with_suffix(""), "model"))
        audience.tell(Done(request.id))

    def _admit(self, request: JobRequest, audience: Audience, refuse: Refuse) -> None:
        self.asked.append(request)
        self.book(request, audience, refuse)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"x")
    return Watched(folder)


async def until(predicate: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not predicate():
            await asyncio.sleep(0.01)


async def test_each_job_has_an_id_of_its_own_and_is_silenced_once_it_is_accepted(watched: Watched) -> None:
    (watched.folder / "b.wav").write_bytes(b"x")
    async with watched.running():
        await until(lambda: (watched.folder / "b.stem-vocals").exists() and (watched.folder / "a.stem-vocals").exists())
        await until(lambda: len(watched.silenced) == 2)
    ids = [request.id for request in watched.asked]
    assert ids == watched.silenced
    assert len(set(ids)) == 2


async def test_without_a_folder_nothing_is_watched() -> None:
    async with asyncio.timeout(5):
        await WatchDesk(WatchSettings(), Server(), lambda *_: None, lambda _: None).run()


async def test_a_busy_book_is_asked_again_without_a_word(watched: Watched) -> None:
    def busy(*_: object) -> None:
        raise BridgeError(ErrorCode.BUSY, "later")

    watched.book = busy
    async with watched.running():
        await until(lambda: len(watched.asked) >= 3)
        watched.book = watched.succeed
        await until((watched.folder / "a.stem-vocals").exists)
    assert watched.server.refused == []
    assert not (watched.folder / "a.error.txt").exists()


async def test_a_job_that_fails_leaves_its_reason_and_is_not_asked_again(watched: Watched) -> None:
    def fail(request: JobRequest, audience: Audience, _: Refuse) -> None:
        audience.tell(Accepted(request.id))
        audience.tell(Failed(request.id, ErrorCode.NO_MODEL, "no weights"))

    watched.book = fail
    async with watched.running():
        await until((watched.folder / "a.error.txt").exists)
        await asyncio.sleep(0.5)
    assert (watched.folder / "a.error.txt").read_text() == "no_model: no weights\n"
    assert len(watched.asked) == 1
    assert [m.address for m in watched.server.published] == ["/bridge/job/accepted", "/bridge/job/failed"]


async def test_a_clock_that_lacks_what_a_job_needs_is_an_error_of_the_file(watched: Watched) -> None:
    def refuse_now(*_: object) -> None:
        raise BridgeError(ErrorCode.NOT_SUPPORTED, "no place in the song")

    watched.book = refuse_now
    async with watched.running():
        await until((watched.folder / "a.error.txt").exists)
    assert [e.message for e in watched.server.refused] == ["no place in the song"]


async def test_a_drive_that_hangs_is_said_once_and_holds_nobody_up(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    real = watch_desk.scan
    monkeypatch.setattr(watch_desk, "PATIENCE", 0.2)
    monkeypatch.setattr(watch_desk, "scan", lambda folder: let_go.wait(30) and real(folder))
    async with watched.running():
        await until(lambda: watched.server.refused)
        await asyncio.sleep(0.5)
        assert [e.code for e in watched.server.refused] == [ErrorCode.DISK]
        assert "has not answered for 0.2 s" in watched.server.refused[0].message
        let_go.set()
        await until((watched.folder / "a.stem-vocals").exists)


async def test_a_folder_that_goes_away_while_a_job_runs_gets_its_results_when_it_is_back(watched: Watched) -> None:
    away = watched.folder.with_name("away")

    def go_away(request: JobRequest, audience: Audience, refuse: Refuse) -> None:
        watched.folder.rename(away)
        watched.book = watched.succeed
        watched.succeed(request, audience, refuse)

    watched.book = go_away
    async with watched.running():
        await until(lambda: len(watched.server.refused) >= 2)
        away.rename(watched.folder)
        await until((watched.folder / "a.stem-vocals").exists)
    assert len(watched.asked) == 2
    assert {e.code for e in watched.server.refused} == {ErrorCode.DISK}


async def test_a_folder_that_takes_no_results_is_said_and_its_files_are_not_done_for_ever(watched: Watched) -> None:
    (watched.folder / "a.stem-vocals").mkdir()
    async with watched.running():
        await until(lambda: watched.server.refused)
        await asyncio.sleep(0.5)
    assert len(watched.asked) == 1
    assert "cannot be written to" in watched.server.refused[0].message


async def test_a_fault_is_logged_and_watching_goes_on(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    def stumble(*_: object) -> None:
        watched.book = watched.succeed
        raise RuntimeError("stumbled")

    watched.book = stumble
    async with watched.running():
        await until((watched.folder / "a.stem-vocals").exists)
    assert "stumbled" in caplog.text


async def test_a_bounce_that_is_gone_when_its_job_is_refused_leaves_nothing_behind(watched: Watched) -> None:
    def gone(request: JobRequest, _: Audience, refuse: Refuse) -> None:
        request.path.unlink(missing_ok=True)
        refuse(BridgeError(ErrorCode.FILE_NOT_FOUND, "gone"))

    watched.book = gone
    async with watched.running():
        await until(lambda: watched.asked)
        await asyncio.sleep(1.0)
    assert not list(watched.folder.glob("*.txt"))
    assert watched.server.refused == []

"""The door of the job book, with real files and ones that block."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.app import admission
from bridge.app.admission import Admission
from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import PARKED
from bridge.session.book import JobBook
from bridge.session.events import Accepted, Cancelled, Unloaded
from bridge.session.parameters import DEFAULT_CHANNELS
from bridge.session.plan import Surroundings
from bridge.session.request import JobRequest
from bridge.units import Bpm, HostTime, JobId
from tests.session.fakes import RecordingAudience, RecordingPlayer, ScriptedEngine
from tests.sounds import write_melody


class Door:
    """An admission to a real book, with what it said."""

    def __init__(self, folder: Path) -> None:
        self.audio = folder / "melody.wav"
        write_melody(self.audio, 3.0)
        around = Surroundings(
            folder=folder,
            now=lambda: HostTime(0.0),
            project_bpm=lambda: Bpm(120.0),
            channels=lambda: DEFAULT_CHANNELS,
            threshold=lambda: None,
            hold_ms=lambda: 80.0,
            snapping=lambda: False,
            transport=lambda: PARKED,
        )
        self.book = JobBook(ScriptedEngine(), RecordingPlayer(), around)
        self.admission = Admission(self.book)
        self.audience = RecordingAudience()
        self.refused: list[BridgeError] = []

    def ask(self, job: str, path: Path | None = None) -> None:
        request = JobRequest(JobId(job), path or self.audio)
        self.admission.start(request, self.audience, self.refused.append)

    async def until(self, count: int) -> None:
        """Wait until so many requests are decided."""
        async with asyncio.timeout(10):
            while len(self.refused) + sum(isinstance(e, Accepted) for e in self.audience.told) < count:
                await asyncio.sleep(0.001)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    return Door(tmp_path)


async def test_a_job_whose_file_is_audio_is_accepted(door: Door) -> None:
    door.ask("a")
    await door.until(1)
    assert door.audience.told[0] == Accepted(JobId("a"))
    assert door.refused == []


async def test_what_is_no_audio_is_refused_without_a_word_to_the_book(door: Door, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    for path in (tmp_path / "none.wav", tmp_path / "text.wav", tmp_path):
        door.ask(path.name, path)
    await door.until(3)
    assert {e.code for e in door.refused} == {ErrorCode.FILE_NOT_FOUND, ErrorCode.BAD_AUDIO}
    assert door.audience.told == []


async def test_a_pipe_is_refused_and_holds_nobody_up(door: Door, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for n in range(20):
        door.ask(f"pipe {n}", tmp_path / "pipe.wav")
    door.ask("audio")
    await door.until(21)
    assert {e.code for e in door.refused} == {ErrorCode.FILE_NOT_FOUND}
    assert [e.id for e in door.audience.told if isinstance(e, Accepted)] == ["audio"]


async def test_a_dead_disk_delays_its_own_job_alone_and_is_said(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    real = admission.probe
    monkeypatch.setattr(admission, "probe", lambda path: let_go.wait(30) if path.name == "dead.wav" else real(path))
    monkeypatch.setattr(admission, "PATIENCE", 0.3)
    door.ask("dead", tmp_path / "dead.wav")
    door.ask("alive")
    await door.until(1)
    assert [e.id for e in door.audience.told if isinstance(e, Accepted)] == ["alive"]
    await door.until(2)
    assert "dead.wav" in door.refused[0].message
    let_go.set()


async def test_a_cancel_right_behind_waits_for_the_decision(door: Door) -> None:
    door.ask("a")
    door.ask("b")
    door.admission.end(JobId("a"), door.book.cancel)
    assert door.audience.told == []
    await door.until(2)
    assert [e for e in door.audience.told if isinstance(e, Cancelled | Unloaded)] == [
        Cancelled(JobId("a")),
        Unloaded(JobId("a"), "cancelled"),
    ]


async def test_a_panic_right_behind_ends_all_that_are_undecided(door: Door) -> None:
    door.ask("a")
    door.ask("b")
    door.admission.end(None, lambda job: door.book.end(job, "panic"))
    await door.until(2)
    assert {e.id for e in door.audience.told if isinstance(e, Unloaded) and e.reason == "panic"} == {"a", "b"}


async def test_the_same_request_twice_at_once_makes_one_job(door: Door) -> None:
    door.ask("a")
    door.ask("a")
    await door.until(1)
    async with asyncio.timeout(5):
        while not door.audience.answered:
            await asyncio.sleep(0.001)
    assert door.audience.answered == [Accepted(JobId("a"))]
    assert len(list(door.book.states(None))) == 1


async def test_a_refused_request_delivered_twice_is_refused_twice(door: Door, tmp_path: Path) -> None:
    door.ask("a", tmp_path / "none.wav")
    door.ask("a", tmp_path / "none.wav")
    await door.until(2)
    assert [e.code for e in door.refused] == [ErrorCode.FILE_NOT_FOUND] * 2
    assert door.audience.told == []


async def test_ending_all_behind_a_request_that_is_refused_adds_no_word(door: Door, tmp_path: Path) -> None:
    door.ask("a", tmp_path / "none.wav")
    door.admission.end(None, door.book.cancel)
    door.ask("b")
    await door.until(2)
    assert len(door.refused) == 1


async def test_what_is_asked_about_an_undecided_job_waits_for_it(door: Door) -> None:
    door.ask("a")
    door.admission.about(JobId("a"), lambda: door.book.override(JobId("a"), "threshold", 0.3), door.refused.append)
    door.admission.about(JobId("a"), lambda: door.book.override(JobId("a"), "mute/bass", 1), door.refused.append)
    await door.until(2)
    assert ["no bass" in e.message for e in door.refused] == [True]


async def test_a_repeat_of_a_living_job_needs_no_look_at_the_disk(door: Door) -> None:
    door.ask("a")
    await door.until(1)
    door.audio.unlink()
    door.ask("a")
    assert door.audience.answered == [Accepted(JobId("a"))]


async def test_too_many_at_once_are_refused_as_busy(door: Door) -> None:
    for n in range(admission.AT_A_TIME):
        door.ask(str(n))
    with pytest.raises(BridgeError) as refusal:
        door.ask("one too many")
    assert refusal.value.code is ErrorCode.BUSY

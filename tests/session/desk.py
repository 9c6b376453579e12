"""A job book with everything around it in the test's hand."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.music.tempo import PARKED, Transport
from bridge.session.book import JobBook
from bridge.session.events import (
    Cancelled,
    Done,
    Failed,
    JobEvent,
    Unloaded,
)
from bridge.session.parameters import DEFAULT_CHANNELS
from bridge.session.plan import Surroundings
from bridge.session.request import JobRequest
from bridge.units import Bpm, HostTime, JobId
from tests.session.fakes import RecordingAudience, RecordingPlayer, ScriptedEngine


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

"""Recording stand-ins for the rooms around the session: what they were told, in order."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.music.notes import Extent, Note, NoteKey
from bridge.music.sound import Stem
from bridge.music.tempo import Transport
from bridge.session.events import JobEvent, Progress, Stage, StretchNotes
from bridge.session.playback import Part, PartId
from bridge.session.work import JobCancelled, Work
from bridge.units import JobId, Pitch, Seconds, Velocity


def note(onset: float, pitch: int = 60, duration: float | None = 0.5, confidence: float = 0.9) -> Note:
    return Note(Seconds(onset), None if duration is None else Seconds(duration), Pitch(pitch), Velocity(80), confidence)


def stretch(
    job: str,
    until: float,
    *notes: Note,
    stem: Stem = Stem.VOCALS,
    of: float = 10.0,
    withdrawn: tuple[NoteKey, ...] = (),
    complete: bool = False,
) -> StretchNotes:
    return StretchNotes(
        JobId(job),
        stem,
        notes=notes,
        withdrawn=withdrawn,
        known=(Extent(Seconds(0.0), Seconds(until)),),
        analysed=Seconds(until),
        duration=Seconds(of),
        threshold=0.55,
        complete=complete,
    )


@dataclass
class RecordingPlayer:
    """Fulfils `Player`; `calls` holds (name, arguments) in order."""

    calls: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)
    loaded: dict[PartId, Part] = field(default_factory=dict)

    def load(self, part: Part) -> None:
        self.calls.append(("load", (part,)))
        self.loaded[part.id] = part

    def update(
        self,
        part: PartId,
        notes: Sequence[Note],
        withdrawn: Sequence[NoteKey],
        known: Sequence[Extent],
        *,
        complete: bool,
    ) -> None:
        assert part in self.loaded, "notes for a part that was never loaded, or is unloaded"
        self.calls.append(("update", (part, tuple(notes), tuple(withdrawn), known[-1].end, complete)))

    def launch(self, parts: Sequence[PartId]) -> None:
        assert all(part in self.loaded for part in parts)
        self.calls.append(("launch", (tuple(parts),)))

    def unload(self, parts: Sequence[PartId]) -> None:
        for part in parts:
            self.loaded.pop(part, None)
        if parts:
            self.calls.append(("unload", (tuple(parts),)))

    def override(self, part: PartId, name: str, value: float) -> None:
        self.calls.append(("override", (part, name, value)))

    def set_key(self, parts: Sequence[PartId], key: int) -> None:
        assert all(part in self.loaded for part in parts)
        self.calls.append(("set_key", (tuple(parts), key)))

    def set_parameter(self, name: str, value: float) -> None:
        self.calls.append(("set_parameter", (name, value)))

    def set_transport(self, transport: Transport) -> None:
        self.calls.append(("set_transport", (transport,)))

    def panic(self) -> None:
        self.calls.append(("panic", ()))

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@dataclass
class RecordingAudience:
    """Fulfils `Audience`."""

    told: list[JobEvent] = field(default_factory=list)
    answered: list[JobEvent] = field(default_factory=list)

    def tell(self, event: JobEvent) -> None:
        self.told.append(event)

    def answer(self, event: JobEvent) -> None:
        self.answered.append(event)


class ScriptedEngine:
    """Fulfils `Engine`: the test says what each analysis finds and how it ends."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[Work] = asyncio.Queue()
        self.cancelled: list[JobId] = []
        self._emit: Callable[[JobEvent], None] | None = None
        self._ending: asyncio.Future[None] | None = None

    async def run(self, work: Work, emit: Callable[[JobEvent], None]) -> None:
        self._emit = emit
        self._ending = asyncio.get_running_loop().create_future()
        self.started.put_nowait(work)
        await self._ending

    def cancel(self, job: JobId) -> None:
        self.cancelled.append(job)

    def set_transport(self, transport: Transport) -> None:
        pass

    def find(self, *events: JobEvent) -> None:
        assert self._emit is not None
        for event in events:
            self._emit(event)

    def separating(self, job: str) -> None:
        self.find(Progress(JobId(job), Stage.SEPARATING, 0.0))

    def end(self, error: Exception | None = None) -> None:
        assert self._ending is not None
        if error is None:
            self._ending.set_result(None)
        else:
            self._ending.set_exception(error)

    def leave_cancelled(self) -> None:
        self.end(JobCancelled())

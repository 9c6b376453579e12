import asyncio
from collections.abc import Callable
from typing import Self

import pytest

from bridge.midi.client import PlayerProcess
from bridge.midi.options import PlayerOptions
from bridge.session.playback import NotesSent, Part, PlayerEvent, PortChanged
from tests.jack_peer import JackServer, MidiReceiver, jack_server
from tests.midi.rig import known, note


class Played:
    """A player process and everything it has reported; waits for reports, never for time."""

    def __init__(self, options: PlayerOptions) -> None:
        self.events: list[PlayerEvent] = []
        self._news = asyncio.Event()
        self.player = PlayerProcess(options, self._take)

    def _take(self, event: PlayerEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def __aenter__(self) -> Self:
        await self.player.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.player.close()

    async def until(self, predicate: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not predicate():
                self._news.clear()
                await self._news.wait()

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    async def until_event(self, kind: type, number: int = 1, **fields: object):
        """The `number`th event of a kind with these fields."""

        def matching():
            return [e for e in self.of(kind) if all(getattr(e, k) == v for k, v in fields.items())]

        await self.until(lambda: len(matching()) >= number)
        return matching()[number - 1]

    async def port(self) -> str:
        """The full name of the port that is open now; a server keeps a dead client's name for a while."""
        await self.until(lambda: self.of(PortChanged) and self.of(PortChanged)[-1].available)
        return self.of(PortChanged)[-1].name

    @property
    def notes(self) -> list:
        return [note for event in self.of(NotesSent) for note in event.notes]

    def play(self, part, notes, length=60.0, **fields) -> None:
        """Load, fill and launch a part."""
        self.player.load(Part(part, length, 0.5, **fields))
        self.player.update(part, notes, (), known(length), complete=True)
        self.player.launch([part])


async def arrives(receiver: MidiReceiver, predicate: Callable[[], object]) -> None:
    """Wait, beside the event loop, for what a receiver gets."""
    assert await asyncio.to_thread(receiver.wait_for, predicate, 10), receiver.events


def chord(*pitches, duration=50.0):
    return [note(0.0, pitch, duration) for pitch in pitches]


@pytest.fixture(scope="session")
def server():
    """One server for the tests that leave it alive."""
    with jack_server() as server:
        yield server


@pytest.fixture
def own_server():
    """A server to be killed."""
    with jack_server() as server:
        yield server


@pytest.fixture
async def played(server: JackServer):
    async with Played(PlayerOptions(backend="jack", jack_server=server.name)) as played:
        yield played


@pytest.fixture
async def receiver(server: JackServer, played: Played):
    with MidiReceiver(server, await played.port()) as receiver:
        await arrives(receiver, lambda: receiver.connected)
        yield receiver

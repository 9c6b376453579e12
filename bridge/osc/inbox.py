"""One fair queue for all senders: a flood from one does not delay another's ping."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from bridge.osc.clients import Peer

BUDGET = 0.001
"""Seconds of handling before the event loop gets to do something else."""


class Source(Protocol):
    """A sender whose packets wait."""

    @property
    def peer(self) -> Peer: ...

    def take(self) -> bytes | None:
        """Give the next packet, or None when nothing waits; `Inbox.wake` puts the source back in line."""


class Inbox:
    """Takes one packet from each source in turn, for a bounded time at once."""

    def __init__(self, receive: Callable[[bytes, Peer], None]) -> None:
        self._receive = receive
        self._line: deque[Source] = deque()
        self._waiting: set[Peer] = set()
        self._scheduled: asyncio.Handle | None = None

    def wake(self, source: Source) -> None:
        """Put a source in line unless it stands there."""
        if source.peer not in self._waiting:
            self._waiting.add(source.peer)
            self._line.append(source)
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._serve)

    def close(self) -> None:
        """Forget what waits."""
        self._line.clear()
        self._waiting.clear()
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _serve(self) -> None:
        self._scheduled = None
        deadline = time.perf_counter() + BUDGET
        while self._line:
            source = self._line.popleft()
            packet = source.take()
            if packet is None:
                self._waiting.discard(source.peer)
            else:
                self._line.append(source)
                self._receive(packet, source.peer)
            if self._line and time.perf_counter() >= deadline:
                self._scheduled = asyncio.get_running_loop().call_soon(self._serve)
                return

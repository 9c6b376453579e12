"""What comes in: the port's side of it, and the way from the port's thread to the daemon.

A port's thread only stamps and queues. Another one makes whole messages of it and reports them in batches, so that neither a flood nor a
daemon that is slow to read keeps that thread, or the one that sends notes.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import sleep
from typing import Protocol

from bridge.midi.port_input_messages import MessageReader
from bridge.session.playback import MidiReceived
from bridge.units import HostTime, Seconds

EVERY = Seconds(0.004)
"""Reports come no closer; what comes in alone is reported at once."""
MOST = 4096
"""Pieces that may wait, a thousand times what any instrument sends in that time; of more the latest are lost."""

Take = Callable[[HostTime, bytes], None]
"""Takes a piece of the incoming bytes and when it arrived; never blocks."""


class MidiInput(Protocol):
    """An open input port; gives what it gets to a `Take`, on a thread of its system's."""

    @property
    def backend(self) -> str:
        """jack, alsa, coremidi or windows."""

    @property
    def name(self) -> str:
        """The port's full name, as a patchbay shows it."""

    def tend(self) -> str | None:
        """Do what must be done now and then (every tick is fine); a reason where the port is lost, else None."""

    def close(self) -> None:
        """Close the port."""


class InputReports:
    """From pieces to reports, on a thread of its own.

    Args:
        say: takes the reports; must not block.

    """

    def __init__(self, say: Callable[[MidiReceived], None]) -> None:
        self._say = say
        # In C and without a lock of its own to wait for: a process callback puts things here.
        self._queue: SimpleQueue[tuple[HostTime, bytes] | None] = SimpleQueue()
        self._reader = MessageReader()
        self._thread = Thread(target=self._run, name="midi-in", daemon=True)
        self._thread.start()

    def take(self, host: HostTime, data: bytes) -> None:
        """Queue a piece; from any thread."""
        if self._queue.qsize() < MOST:
            self._queue.put((host, data))

    def close(self, timeout: Seconds) -> None:
        """Report what is left, and end."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            pieces = [self._queue.get()]
            pieces += [self._queue.get() for _ in range(self._queue.qsize())]
            messages = tuple(message for piece in pieces if piece for message in self._reader.read(*piece))
            if messages:
                self._say(MidiReceived(messages))
            if None in pieces:
                return
            sleep(EVERY)

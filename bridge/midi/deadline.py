"""A thread that sends on time where the system offers no callback: it sleeps until shortly before a deadline, then spins.

Sleeping alone wakes up to a few milliseconds late; spinning alone would take a core.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter

from bridge.midi.messages import Order, Sent
from bridge.midi.port_outgoing import Outgoing
from bridge.units import HostTime, Seconds

SPIN = Seconds(0.0015)
"""How long before a deadline sleeping ends."""


class DeadlineSender:
    """Outgoing messages on a thread of their own.

    Args:
        send: writes one message to the system; what it raises means that the port is lost.
        tolerance: see `Outgoing`.

    """

    def __init__(self, send: Callable[[bytes], None], tolerance: Seconds) -> None:
        self._send = send
        self._outgoing = Outgoing(tolerance)
        self._inbox: deque[Order | Event] = deque()
        self._outbox: deque[Sent] = deque()
        self._wake = Event()
        self._closing = False
        self.lost: str | None = None
        self._thread = Thread(target=self._run, name="midi-out", daemon=True)
        self._thread.start()

    @property
    def dropped_late(self) -> int:
        return self._outgoing.dropped_late

    @property
    def dropped_clock(self) -> int:
        return self._outgoing.dropped_clock

    def post(self, orders: Iterable[Order]) -> None:
        self._inbox.extend(orders)
        self._wake.set()

    def sent(self) -> list[Sent]:
        return [self._outbox.popleft() for _ in range(len(self._outbox))]

    def drain(self, timeout: Seconds) -> bool:
        """Wait until all that is due of what was posted so far has been sent."""
        reached = Event()
        self._inbox.append(reached)
        self._wake.set()
        return reached.wait(timeout)

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        with _fine_timer():
            try:
                while not self._closing:
                    self._wait(self._turn())
            except Exception as error:  # noqa: BLE001
                self.lost = f"sending failed: {type(error).__name__}: {error}"

    def _turn(self) -> HostTime | None:
        """Take what was posted, send what is due, and say when the next message is."""
        reached = []
        while self._inbox:
            posted = self._inbox.popleft()
            if isinstance(posted, Event):
                reached.append(posted)
            else:
                self._outgoing.accept(posted)
        now = HostTime(perf_counter())
        for emission in self._outgoing.take(now, now):
            self._send(emission.data)
            self._outbox.append(Sent(emission, HostTime(perf_counter())))
        for event in reached:
            event.set()
        return self._outgoing.next_due()

    def _wait(self, until: HostTime | None) -> None:
        left = None if until is None else until - perf_counter() - SPIN
        if left is None or left > 0:
            self._wake.wait(left)
            self._wake.clear()
        else:
            while until is not None and perf_counter() < until and not self._inbox:
                pass


@contextmanager
def _fine_timer() -> Iterator[None]:
    """Let Windows' timer tick every millisecond; a wait is as coarse as its ticks, 15.6 ms unless told. Others are fine."""
    if sys.platform != "win32":
        yield
        return
    import ctypes  # noqa: PLC0415

    ctypes.windll.winmm.timeBeginPeriod(1)
    try:
        yield
    finally:
        ctypes.windll.winmm.timeEndPeriod(1)

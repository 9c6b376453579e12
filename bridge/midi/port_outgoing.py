"""What a port has to send: notes, as their emitter gives them, and clock messages at their times between them.

The two know nothing of each other: no clock message counts as the end of a note, and no panic takes the beat from those who follow it.
Pure and single-threaded, as the emitter is.
"""

from heapq import heappop, heappush, merge

from bridge.midi.emitter import Emitter
from bridge.midi.messages import ClearClock, ClockMessage, Emission, Order
from bridge.units import HostTime, Seconds

_START, _CONTINUE, _STOP = 0xFA, 0xFB, 0xFC
_AT_ONCE = HostTime(0.0)


class Outgoing:
    """Takes orders, gives messages when they are due.

    Args:
        tolerance: what would leave later than this is dropped: a note-on with its note-off, a clock message unless it is a stop.

    """

    def __init__(self, tolerance: Seconds) -> None:
        self.notes = Emitter(tolerance)
        self.dropped_clock = 0
        self._tolerance = tolerance
        self._clock: list[tuple[HostTime, int, bytes]] = []
        """A heap; the number keeps what is due at one time in the order in which it was said."""
        self._entries = 0
        self._rolling = False
        """Whether the last word that left was a start or continue."""

    @property
    def dropped_late(self) -> int:
        """Notes that came due so long before they could leave that they were dropped."""
        return self.notes.dropped_late

    def accept(self, order: Order) -> None:
        """Take one order."""
        match order:
            case ClockMessage(due, data):
                self._push(due, data)
            case ClearClock():
                self._clock.clear()
                if self._rolling:
                    self._push(_AT_ONCE, bytes((_STOP,)))
            case _:
                self.notes.accept(order)

    def next_due(self) -> HostTime | None:
        """When the next message is due, 0 where that is at once; None while there is none."""
        note = self.notes.next_due()
        if not self._clock:
            return note
        clock = self._clock[0][0]
        return clock if note is None else min(clock, note)

    def take(self, until: HostTime, now: HostTime) -> list[Emission]:
        """Give the messages due up to `until`, in the order in which they must leave; `now` is when they can leave."""
        notes = self.notes.take(until, now)
        clock = self._ticks(until, now)
        # Merged, not sorted: the emitter's order among its own messages is not that of their times alone.
        return list(merge(clock, notes, key=_due)) if clock else notes

    def _ticks(self, until: HostTime, now: HostTime) -> list[Emission]:
        out = []
        while self._clock and self._clock[0][0] <= until:
            due, _, data = heappop(self._clock)
            if due == _AT_ONCE:
                due = now
            if now - due > self._tolerance and data[0] != _STOP:
                self.dropped_clock += 1
                continue
            if data[0] in (_START, _CONTINUE, _STOP):
                self._rolling = data[0] != _STOP
            out.append(Emission(due, data, None, on=False))
        return out

    def _push(self, due: HostTime, data: bytes) -> None:
        self._entries += 1
        heappush(self._clock, (due, self._entries, data))


def _due(emission: Emission) -> HostTime:
    return emission.due

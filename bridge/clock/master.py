"""Tempo out: our transport as MIDI clock, song position pointer, start, stop and continue (MIDI 1.0, system messages).

Messages for exact host times, computed ahead and in windows of any length. A slave starts with the first tick after a start or continue,
and its place is a whole sixteenth note; so it is told the next sixteenth, and that tick comes when we are there.
"""

from collections import deque
from math import ceil, inf
from typing import NamedTuple

from bridge.clock.midi_clock import CONTINUE, POSITION, SIXTEENTH, START, STOP, TICK, TICKS
from bridge.music.tempo import Transport
from bridge.units import Beats, HostTime, Seconds

LAST_POSITION = 0x3FFF
"""Sixteenth notes; further on (1,024 bars of 4/4) a pointer cannot point."""
_SEEK = Seconds(0.05)
"""A transport that differs by more than this has jumped; by less, its next ticks come a little sooner or later."""
_LEAD = Seconds(0.001)
"""Between a start or continue and its tick: slaves need a moment, and the MIDI cable 1 ms for three bytes."""
_NEARLY = 1e-6
"""Sixteenths by which a place may miss one and still be on it."""
_SAME = 1e-6
"""Seconds: a tick that is no further before the loop's end is the one that the loop's start stands for."""


class Timed(NamedTuple):
    """A MIDI message and the host time at which it is to leave."""

    host: HostTime
    data: bytes


class MidiClockMaster:
    """Gives out every message once, in order; what was given out is not taken back."""

    def __init__(self) -> None:
        self._transport: Transport | None = None
        self._until = HostTime(-inf)
        """All before this has been given out."""
        self._queue: deque[Timed] = deque()
        """What comes before the next tick."""
        self._tick: int | None = None
        """The next tick's number since beat 0; None while none is due."""
        self._host = HostTime(inf)
        """When it is due, the loop's end left aside."""
        self._anchor = (HostTime(0.0), Seconds(0.0))
        """From which ticks are counted, so that a thousand of them do not drift."""
        self._rolling = False
        """Whether the slaves were told to roll."""

    @property
    def idle(self) -> bool:
        """Whether nothing is to come: then nothing need be given out ahead, and a start takes effect at once."""
        return self._tick is None and not self._queue

    def change(self, transport: Transport, host: HostTime) -> list[Timed]:
        """Follow this transport from `host` on, or from where messages were given out to; return what was due until then."""
        out = self.until(host)
        before, self._transport = self._transport, transport
        host = self._until
        if before is None or not self._goes_on(before, transport, host):
            self._halt(host)
            if transport.playing:
                self._begin(host, transport.position(host))
        return out

    def until(self, end: HostTime) -> list[Timed]:
        """All messages that are due before `end` and were not given out yet, in order."""
        out: list[Timed] = []
        while self._transport is not None:
            wrap = self._transport.wrap_after(self._until)
            following = self._queue[0].host if self._queue else self._host
            if wrap is not None and following >= wrap - _SAME:
                halts = HostTime(max(self._until, wrap - _LEAD))
                if halts >= end:
                    break
                self._go_round(wrap, halts, out)
            elif following >= end:
                break
            elif self._queue:
                self._give(self._queue.popleft(), out)
            else:
                self._give(Timed(self._host, bytes((TICK,))), out)
                self._count()
        self._until = max(self._until, end)
        return out

    def _give(self, message: Timed, out: list[Timed]) -> None:
        self._until = max(self._until, message.host)
        if message.data[0] != TICK and message.data[0] != POSITION:
            self._rolling = message.data[0] != STOP
        out.append(message)

    def _go_round(self, wrap: HostTime, halts: HostTime, out: list[Timed]) -> None:
        """Send the slaves to the loop's start: they are halted just before, for some heed no pointer while they roll."""
        self._halt(halts)
        for message in self._queue:
            self._give(message, out)
        self._queue.clear()
        bounds = self._transport.loop_seconds if self._transport else None
        if bounds is not None:
            self._begin(wrap, bounds[0])
        self._until = wrap

    def _halt(self, host: HostTime) -> None:
        self._tick, self._host = None, HostTime(inf)
        if self._queue and self._queue[0].data[0] == STOP:
            host = self._queue[0].host
        self._queue.clear()
        if self._rolling:
            self._queue.append(Timed(host, bytes((STOP,))))

    def _begin(self, host: HostTime, seconds: Seconds) -> None:
        """Point the slaves to the next sixteenth and set them going; they stay where the pointer does not reach."""
        if self._transport is None:
            return
        place = self._transport.tempo.beats_at(seconds) * TICKS / SIXTEENTH
        sixteenth = max(0, ceil(place - _NEARLY))
        if sixteenth > LAST_POSITION:
            return
        self._anchor = host, seconds
        self._tick = sixteenth * SIXTEENTH - 1
        self._count()
        ahead = HostTime(max(host, self._host - _LEAD))
        if sixteenth == 0:
            self._queue.append(Timed(ahead, bytes((START,))))
        else:
            self._queue.append(Timed(host, bytes((POSITION, sixteenth & 0x7F, sixteenth >> 7))))
            self._queue.append(Timed(ahead, bytes((CONTINUE,))))

    def _count(self) -> None:
        """Go on to the next tick."""
        if self._tick is None or self._transport is None:
            return
        self._tick += 1
        host, seconds = self._anchor
        self._host = HostTime(max(host, host + self._transport.tempo.seconds_at(Beats(self._tick / TICKS)) - seconds))

    def _goes_on(self, before: Transport, transport: Transport, host: HostTime) -> bool:
        """Whether the slaves need no word: the next tick stays the next, a little sooner or later."""
        if not before.playing or not transport.playing or self._tick is None or self._queue:
            return False
        seconds = transport.position(host)
        due = transport.tempo.seconds_at(Beats(self._tick / TICKS)) - seconds
        tick = 60 / (TICKS * transport.tempo.bpm_at(seconds))
        if abs(_distance(before, transport, host)) > _SEEK or not -_SEEK <= due <= tick + _SEEK:
            return False
        self._anchor = host, seconds
        self._tick -= 1
        self._count()
        return True


def _distance(one: Transport, other: Transport, host: HostTime) -> Seconds:
    """How far ahead of one transport another is, in seconds of its tempo; the shorter way round a loop that both have."""
    beats = other.beats(host) - one.beats(host)
    if one.loop is not None and one.loop == other.loop and one.loop_seconds and other.loop_seconds:
        length = one.loop.end - one.loop.start
        beats -= round(beats / length) * length
    return Seconds(beats * 60 / other.tempo.bpm_at(other.position(host)))

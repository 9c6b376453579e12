"""MIDI clock: 24 ticks a quarter note, with start, stop, continue and the song position pointer (MIDI 1.0, system messages).

A start or continue takes effect with the tick after it; the pointer counts sixteenth notes. Ticks alone have a tempo and no place.
"""

from collections import deque

from bridge.clock.line import Line
from bridge.clock.observation import Listener, Observation
from bridge.clock.tempo_learner import plausible
from bridge.units import Beats, Bpm, HostTime, Seconds

TICKS = 24
"""In a quarter note."""
SIXTEENTH = 6
"""Ticks; the unit of the song position pointer."""
TICK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
_SETTLED = 24
"""Ticks that a tempo is measured over before it is stated."""
_GONE = Seconds(2.0)
"""A sender that was silent for so long while it rolled may be anywhere."""
_SLOWEST = Seconds(0.5)
"""Ticks further apart (5 quarter notes a minute) are none of one tempo."""


class MidiClockSource(Listener):
    """Fed with what comes in at a MIDI port."""

    name = "midi"
    label = "MIDI clock"
    silence = _SLOWEST

    def __init__(self, pointer: int = SIXTEENTH) -> None:
        """`pointer` is what the song position counts, in ticks; Ardour 7 counts single ones against the specification."""
        super().__init__()
        self._pointer = pointer
        self._ticks = 0
        """Since beat 0, at the latest tick."""
        self._next: int | None = None
        """Where the next tick is, after a start, a continue or a pointer."""
        self._located = False
        self._idle = Line()
        """Measures the tempo while nothing rolls."""
        self._idle_ticks = 0
        self._last_tick = HostTime(0.0)
        self._recent: deque[HostTime] = deque(maxlen=_SETTLED)
        """The latest ticks of those that follow each other."""
        self._bpm = Bpm(120.0)

    @property
    def located(self) -> bool:
        return self._located

    def alive(self, now: HostTime) -> bool:
        # Many keyboards tick all day, and nobody means them to lead.
        return super().alive(now) and (self.wanted or self._located or self._playing)

    def stop(self) -> None:
        super().stop()
        self._located, self._next, self._idle_ticks = False, None, 0

    def receive(self, host: HostTime, data: bytes) -> bool:
        """Take a message that arrived at `host`; False where it is none of the MIDI clock's."""
        match data[:1]:
            case b"\xf8":
                self._tick(host)
            case b"\xfa":
                self._playing, self._next, self._located = True, 0, True
            case b"\xfb":
                self._continue()
            case b"\xfc":
                self._halt(host)
            case b"\xf2" if len(data) == len("abc"):
                self._point(host, (data[1] | data[2] << 7) * self._pointer)
            case _:
                return False
        self._heard = host
        return True

    def _continue(self) -> None:
        if not self._playing and self._next is None:
            self._next = self._ticks
        self._playing = True

    def _tick(self, host: HostTime) -> None:
        silent, self._last_tick = Seconds(host - self._last_tick), host
        if self._playing and self._next is None and silent > _GONE:
            # Whether it went on meanwhile nobody knows: it is somewhere again with its next start, continue or pointer.
            self._playing = self._located = False
            self._idle_ticks = 0
            self._report(Observation(host, playing=False, beats=Beats(self._ticks / TICKS)))
        if not self._playing:
            self._measure(host, silent)
            return
        moved = self._next is not None
        if self._next is not None:
            self._ticks = self._next
            self._recent.clear()
        elif silent > _SLOWEST and len(self._recent) > 1:
            # The cable was out for a moment: the sender has gone on, or it would not tick from here without a word.
            period = (self._recent[-1] - self._recent[0]) / (len(self._recent) - 1)
            self._ticks += max(1, round(silent / period))
            self._recent.clear()
        else:
            self._ticks += 1
        self._recent.append(host)
        self._next = None
        self._report(Observation(host, playing=True, beats=Beats(self._ticks / TICKS), moved=moved))

    def _halt(self, host: HostTime) -> None:
        if not self._playing:
            return
        # A continue without a pointer goes on with the tick that would have been next.
        self._next = self._ticks + 1 if self._next is None else self._next
        self._playing, self._idle_ticks = False, 0
        self._report(Observation(host, playing=False, beats=Beats(self._ticks / TICKS)))

    def _point(self, host: HostTime, ticks: int) -> None:
        self._next, self._located = ticks, True
        if not self._playing:
            self._ticks = ticks
            self._report(Observation(host, playing=False, beats=Beats(ticks / TICKS)))

    def _measure(self, host: HostTime, silent: Seconds) -> None:
        """Many senders tick while they are parked, and so tell the tempo that they will start at."""
        if self._idle_ticks == 0 or silent > _SLOWEST:
            self._idle.restart(host, 0.0, None, self._bpm / 60)
            self._idle_ticks = 0
        else:
            self._idle.observe(host, self._idle_ticks / TICKS, None)
        self._idle_ticks += 1
        if self._idle_ticks < _SETTLED:
            return
        bpm = plausible(Bpm(60 * self._idle.speed), self._idle.doubt, self._bpm)
        if bpm != self._bpm or self._idle_ticks == _SETTLED:
            self._bpm = bpm
            self._report(Observation(host, playing=False, bpm=bpm))

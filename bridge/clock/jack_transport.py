"""JACK transport: the frame that the server is at, read without a process callback. Never starts a server.

The library's own estimate of the present frame is read between two looks at the host's clock, so that neither the distance between
JACK's clock and ours nor a busy machine matters: a look that took long is thrown away.
"""

from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from bridge.clock.jack_connection import JackConnection, library
from bridge.clock.observation import Listener, Observation, Report
from bridge.errors import BridgeError, ErrorCode
from bridge.units import Beats, Bpm, HostTime, Seconds

if TYPE_CHECKING:
    import jack

_RETRY = Seconds(1.0)
_TRUSTED = Seconds(0.0002)
"""A look that took longer is none."""
_JUMP = Seconds(0.02)
"""The frame is exact to a cycle's jitter: further off than this, the transport was moved."""
_HUNG = Seconds(1.0)
"""A server that has begun no cycle for so long has hung."""
_FASTEST = 2000
"""Beats a minute."""
_MOST_BARS = 1_000_000
_LONGEST_BAR = 64
"""Beats that a bar has at most."""
_BBT = 0x10
"""The bit of `jack_position_t.valid` that says that a timebase master tells bars, beats and ticks."""


class JackTransportSource(Listener):
    """The transport of a running JACK server, by name or the default one."""

    name = "jack"
    label = "JACK transport"
    asks: ClassVar[bool] = True

    def __init__(self, server: str | None = None) -> None:
        super().__init__()
        self._server = server
        self._connection: JackConnection | None = None
        self._running = self._new = False
        self._tried = HostTime(-inf)
        self._used = False
        """Whether somebody has moved this server's transport: many servers run on which nobody ever does."""
        self._tempo_told = False
        """Whether there is a timebase master who tells bars, beats and a tempo."""
        self._expected: tuple[HostTime, Seconds] | None = None
        self._cycle = (-1, HostTime(0.0))
        """The latest cycle's time as JACK has it, and when it was new."""

    @property
    def tells_tempo(self) -> bool:
        return self._tempo_told

    def start(self, report: Report) -> None:
        library()
        super().start(report)
        self._running = True

    def stop(self) -> None:
        super().stop()
        self._running = False
        self._leave()

    def alive(self, now: HostTime) -> bool:
        connection = self._connection
        if connection is None or connection.client is None or connection.ended or now - self._cycle[1] > _HUNG:
            return False
        return self._used or self.wanted

    def tick(self, now: HostTime) -> None:
        connection = self._connection
        if connection is None:
            if self._running and now - self._tried >= _RETRY:
                self._tried, self._new = now, True
                self._connection = JackConnection(self._server)
        elif connection.ended:
            self._leave()
        elif connection.client is not None:
            if self._new:
                self._new = self._used = False
                self._expected, self._cycle = None, (-1, now)
            self._look(connection.client)

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave()

    def _look(self, client: "jack.Client") -> None:
        rolling_state = library().ROLLING
        before = perf_counter()
        state, position = client.transport_query_struct()
        frame = client.transport_frame
        after = perf_counter()
        if after - before > _TRUSTED:
            return
        host = HostTime((before + after) / 2)
        if position.usecs != self._cycle[0]:
            self._cycle = position.usecs, host
        rolling = state == int(rolling_state)
        seconds = Seconds(frame / position.frame_rate)
        moved = False
        if self._expected is not None:
            then, there = self._expected
            reached = there + (host - then if rolling and self._playing else 0.0)
            moved = abs(seconds - reached) > _JUMP
        self._used = self._used or rolling or moved
        self._expected, self._playing, self._heard = (host, seconds), rolling, host
        beats: Beats | None = None
        bpm: Bpm | None = None
        per_bar: float | None = None
        self._tempo_told = bool(position.valid & _BBT) and believable(position)
        if self._tempo_told:
            quarter = 4 / position.beat_type
            bpm = Bpm(position.beats_per_minute * quarter)
            per_bar = position.beats_per_bar * quarter
            # The musical position is that of the cycle's first frame.
            beats = Beats(told_beats(position) + (frame - position.frame) / position.frame_rate * bpm / 60)
        self._report(Observation(host, rolling, seconds, beats, bpm, None, per_bar, moved))

    # JACK's transport belongs to all of its clients

    def play(self) -> None:
        self._connected("play").transport_start()

    def halt(self) -> None:
        self._connected("stop").transport_stop()

    def locate(self, beats: Beats, seconds: Seconds) -> None:
        client = self._connected(f"go to beat {beats:g}")
        client.transport_frame = max(0, round(seconds * client.samplerate))

    def _connected(self, wish: str) -> "jack.Client":
        connection = self._connection
        if connection is None or connection.client is None or connection.ended:
            where = f"JACK server {self._server!r}" if self._server else "JACK server"
            raise BridgeError(ErrorCode.NOT_SUPPORTED, f"cannot {wish}: no {where} answers")
        return connection.client


def believable(position: Any) -> bool:
    """Whether what a timebase master tells can be music; the frame is the server's own, and holds in any case."""
    return bool(
        1 <= position.beats_per_minute <= _FASTEST
        and 1 <= position.beat_type <= _LONGEST_BAR
        and 0 < position.beats_per_bar <= _LONGEST_BAR
        and 0 < position.ticks_per_beat < inf
        and abs(position.bar_start_tick) < inf
        and abs(position.bar) < _MOST_BARS
    )


def told_beats(position: Any) -> Beats:
    """Return where a timebase master has the first frame of a cycle, in quarter notes; `position` is a `jack_position_t`.

    The ticks before the bar are what tells bars of several lengths, but not every master counts them, and Ardour 7 counts something
    else: they hold where so many bars can have so many.
    """
    bars = position.bar_start_tick / position.ticks_per_beat
    if not 0 < bars <= (position.bar - 1) * _LONGEST_BAR:
        bars = (position.bar - 1) * position.beats_per_bar
    return Beats((bars + position.beat - 1 + position.tick / position.ticks_per_beat) * 4 / position.beat_type)

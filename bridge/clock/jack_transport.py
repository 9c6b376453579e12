"""JACK transport: the frame that the server is at, read without a process callback. Never starts a server.

The library's own estimate of the present frame is read between two looks at the host's clock, so that neither the distance between
JACK's clock and ours nor a busy machine matters: a look that took long is thrown away.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from math import inf
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bridge.clock.observation import Listener, Observation, Report
from bridge.errors import BridgeError, ErrorCode
from bridge.units import Beats, Bpm, HostTime, Seconds

if TYPE_CHECKING:
    import jack

_CLIENT = "StemBridge clock"
_RETRY = Seconds(1.0)
_TRUSTED = Seconds(0.0002)
"""A look that took longer is none."""
_JUMP = Seconds(0.02)
"""The frame is exact to a cycle's jitter: further off than this, the transport was moved."""
_HUNG = Seconds(1.0)
"""A server that has begun no cycle for so long has hung."""
_LONGEST_BAR = 64
"""Beats that a bar has at most."""
_BBT = 0x10
"""The bit of `jack_position_t.valid` that says that a timebase master tells bars, beats and ticks."""


def _quiet(_: str) -> None:
    """The library would write to standard error whenever no server answers."""


class JackTransportSource(Listener):
    """The transport of a running JACK server, by name or the default one."""

    name = "jack"
    label = "JACK transport"

    def __init__(self, server: str | None = None) -> None:
        super().__init__()
        self._server = server
        self._client: jack.Client | None = None
        self._lost = False
        self._opening: Future[Any] | None = None
        self._opener: ThreadPoolExecutor | None = None
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
        _library()
        super().start(report)
        self._opener = self._opener or ThreadPoolExecutor(1, "jack-open")

    def stop(self) -> None:
        super().stop()
        self._close()
        if self._opener is not None:
            # One that is opening finds nobody waiting: it is closed where it is done.
            if self._opening is not None:
                self._opening.add_done_callback(_close_unwanted)
                self._opening = None
            self._opener.shutdown(wait=False)
            self._opener = None

    def alive(self, now: HostTime) -> bool:
        if self._client is None or self._lost or now - self._cycle[1] > _HUNG:
            return False
        return self._used or self.wanted

    def tick(self, now: HostTime) -> None:
        if self._lost:
            self._close()
        if self._client is None:
            self._open(now)
        else:
            self._look(self._client)

    def _open(self, now: HostTime) -> None:
        """Try now and then, on a thread of its own: a server that hangs answers late."""
        if self._opening is not None:
            if not self._opening.done():
                return
            opened, self._opening = self._opening, None
            if opened.exception() is None:
                self._client, self._lost, self._used = opened.result(), False, False
                self._expected, self._cycle = None, (-1, now)
                self._client.set_shutdown_callback(self._shut_down)
                # Only an active client is told of the server's end.
                self._client.activate()
        elif self._opener is not None and now - self._tried >= _RETRY:
            self._tried = now
            self._opening = self._opener.submit(_open_client, self._server)

    def _close(self) -> None:
        client, self._client, self._lost = self._client, None, False
        if client is not None:
            client.close()

    def _shut_down(self, *_: object) -> None:
        """On JACK's thread."""
        self._lost = True

    def _look(self, client: "jack.Client") -> None:
        rolling_state = _library().ROLLING
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
        self._tempo_told = bool(position.valid & _BBT) and position.beats_per_minute > 0 and position.beat_type > 0
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
        if self._client is None or self._lost:
            where = f"JACK server {self._server!r}" if self._server else "JACK server"
            raise BridgeError(ErrorCode.NOT_SUPPORTED, f"cannot {wish}: no {where} answers")
        return self._client


def told_beats(position: Any) -> Beats:
    """Return where a timebase master has the first frame of a cycle, in quarter notes; `position` is a `jack_position_t`.

    The ticks before the bar are what tells bars of several lengths, but not every master counts them, and Ardour 7 counts something
    else: they hold where so many bars can have so many.
    """
    bars = position.bar_start_tick / position.ticks_per_beat
    if not 0 < bars <= (position.bar - 1) * _LONGEST_BAR:
        bars = (position.bar - 1) * position.beats_per_bar
    return Beats((bars + position.beat - 1 + position.tick / position.ticks_per_beat) * 4 / position.beat_type)


def _library() -> ModuleType:
    """JACK-Client, where there is a libjack."""
    try:
        return import_module("jack")
    except (ImportError, OSError) as error:
        message = f"the clock source jack needs JACK's library, which cannot be loaded: {error}"
        raise BridgeError(ErrorCode.NOT_SUPPORTED, message) from error


def _open_client(server: str | None) -> "jack.Client":
    jack = _library()
    jack.set_error_function(_quiet)
    jack.set_info_function(_quiet)
    return jack.Client(_CLIENT, no_start_server=True, servername=server)


def _close_unwanted(opening: "Future[jack.Client]") -> None:
    if opening.exception() is None:
        opening.result().close()

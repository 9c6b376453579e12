"""Ableton Link through aalink (GPL-3, an extra that is imported only when Link is asked for).

Link aligns tempo and phase of all its peers; their beat numbers differ. A place in the song there is only where we ourselves say what
beat the present one is, or where a peer starts playing: then that is the beat that was located last.
"""

from importlib import import_module
from math import inf
from time import perf_counter
from typing import Any, ClassVar

from bridge.clock.observation import Listener, Observation, Report
from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Transport
from bridge.units import Beats, Bpm, HostTime, Seconds

QUANTUM = Beats(4.0)
"""Beats after which the phase of all peers comes round."""
_TRUSTED = Seconds(0.0005)
"""A look that took longer is none."""
_DECIMALS = 3
"""Of a tempo: Link keeps a beat in whole microseconds, so that 133 comes back as 132.99995."""
_SLOWEST, _FASTEST = 20.0, 999.0
"""Tempi that Link has."""
_A_MOMENT = Beats(0.25)
_ALIGNED = 0.005
"""Seconds by which a session that we lead may be off."""


def open_link(bpm: Bpm, quantum: Beats) -> Any:
    """Join the Link session of this network, from a running event loop.

    Raises:
        BridgeError: NOT_SUPPORTED where aalink is not installed.

    """
    try:
        aalink = import_module("aalink")
    except ImportError as error:
        raise BridgeError(
            ErrorCode.NOT_SUPPORTED,
            "Ableton Link needs the aalink package (GPL-3), which is not installed: pip install 'stembridge[link]'",
        ) from error
    link = aalink.Link(float(bpm))
    link.quantum = float(quantum)
    link.start_stop_sync_enabled = True
    link.enabled = True
    return link


class LinkSource(Listener):
    """Follows the Link session of the network; any peer may play, stop and re-time it, so may we."""

    name = "link"
    label = "Ableton Link"
    asks: ClassVar[bool] = True
    automatic = False
    """It would be heard on every network interface."""

    def __init__(self, bpm: Bpm = Bpm(120.0), quantum: Beats = QUANTUM) -> None:
        super().__init__()
        self._initial, self._quantum = bpm, quantum
        self._link: Any = None
        self._origin = 0.0
        """Link's beat at which our beat 0 is."""
        self._begin = Beats(0.0)
        """Where the next play begins."""
        self._located = False

    @property
    def located(self) -> bool:
        return self._located

    def start(self, report: Report) -> None:
        self._link = self._link or open_link(self._initial, self._quantum)
        super().start(report)

    def stop(self) -> None:
        super().stop()
        if self._link is not None:
            self._link.enabled = False
            self._link = None
        self._located = False

    def alive(self, now: HostTime) -> bool:
        del now
        return self._link is not None and self._link.num_peers > 0

    def tick(self, now: HostTime) -> None:
        del now
        if not (look := self._look()):
            return
        host, beat = look
        playing = bool(self._link.playing)
        moved = playing and not self._playing
        if moved:
            # Peers begin with the session's next bar, or have begun with this one a moment ago.
            phase = beat % self._quantum
            self._origin = beat - phase - self._begin + (self._quantum if phase > _A_MOMENT else 0.0)
            self._located = True
        self._playing = playing
        bpm = Bpm(round(self._link.tempo, _DECIMALS))
        place = Beats(beat - self._origin) if playing else self._begin
        self._report(Observation(host, playing, beats=place, bpm=bpm, moved=moved))

    def _look(self) -> tuple[HostTime, float] | None:
        before = perf_counter()
        beat = float(self._link.beat)
        after = perf_counter()
        return None if after - before > _TRUSTED else (HostTime((before + after) / 2), beat)

    def play(self) -> None:
        self._link.playing = True

    def halt(self) -> None:
        self._link.playing = False

    def locate(self, beats: Beats, seconds: Seconds) -> None:
        """Say what beat it is; while it plays, to the nearest one that keeps the phase."""
        del seconds
        self._begin, self._located = beats, True
        if self._playing and (look := self._look()):
            self._origin = look[1] - beats - ((look[1] - beats + self._quantum / 2) % self._quantum - self._quantum / 2)

    def set_tempo(self, bpm: Bpm) -> None:
        self._link.tempo = float(bpm)


class LinkLeader:
    """Carries our transport into the Link session: tempo, start and stop, and the phase of the beat."""

    def __init__(self, quantum: Beats = QUANTUM) -> None:
        self._quantum = quantum
        self._link: Any = None
        self._told: tuple[float, bool] = (-inf, False)

    def start(self, bpm: Bpm) -> None:
        """Join; raises BridgeError NOT_SUPPORTED as `open_link` does."""
        self._link = self._link or open_link(bpm, self._quantum)

    def stop(self) -> None:
        """Leave the session as it is."""
        if self._link is not None:
            self._link.enabled = False
            self._link = None
        self._told = (-inf, False)

    def tick(self, transport: Transport) -> None:
        """Bring the session to where we are now: call it at every change, and now and then for loops and drift."""
        if self._link is None:
            return
        now = HostTime(perf_counter())
        bpm = float(transport.tempo.bpm_at(transport.position(now)))
        if not _SLOWEST <= bpm <= _FASTEST:
            return
        if (bpm, transport.playing) != self._told:
            self._link.tempo = bpm
            self._link.playing = transport.playing
            self._told = bpm, transport.playing
        if not transport.playing:
            return
        wanted = transport.beats(HostTime(perf_counter()))
        half = self._quantum / 2
        off = (self._link.beat - wanted + half) % self._quantum - half
        if abs(off) * 60 / bpm > _ALIGNED:
            self._link.force_beat(float(wanted))

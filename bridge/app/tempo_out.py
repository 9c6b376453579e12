"""Tempo out: our transport as MIDI clock on the port, and into the Link session, for those who play along without a DAW."""

from collections.abc import Callable
from typing import Protocol

from bridge.clock.link import LinkLeader
from bridge.clock.master import MidiClockMaster, Timed
from bridge.music.tempo import Transport
from bridge.units import Bpm, HostTime, Seconds

AHEAD = Seconds(0.06)
"""Clock messages are with the player so long before their time: a busy event loop makes none late, and a stop takes no longer."""
LOOK_EVERY = Seconds(0.02)


class ClockPort(Protocol):
    """What of the player is needed here."""

    def send_clock(self, messages: list[Timed]) -> None: ...

    def clear_clock(self) -> None: ...


class TempoOut:
    """Off until it is switched on. All calls belong to the event loop's thread."""

    def __init__(self, port: ClockPort, now: Callable[[], HostTime], transport: Transport, leader: LinkLeader) -> None:
        self._port = port
        self._now = now
        self._transport = transport
        self._master: MidiClockMaster | None = None
        self._leader = leader
        self._link = False

    @property
    def midi(self) -> bool:
        """Whether MIDI clock leaves."""
        return self._master is not None

    @property
    def link(self) -> bool:
        """Whether the Link session is led."""
        return self._link

    def send_midi(self, *, on: bool) -> None:
        """Begin to send MIDI clock, song position, start, stop and continue, or end it; who rolled by it is stopped."""
        if on and self._master is None:
            self._begin()
        elif not on and self._master is not None:
            self._port.clear_clock()
            self._master = None

    def lead_link(self, *, on: bool) -> None:
        """Lead the Link session, or leave it as it is.

        Raises:
            BridgeError: NOT_SUPPORTED where aalink is not installed.

        """
        if on:
            self._leader.start(Bpm(self._transport.tempo.bpm_at(self._transport.position(self._now()))))
            self._leader.tick(self._transport)
        else:
            self._leader.stop()
        self._link = on

    def port_opened(self) -> None:
        """Begin anew: nothing that was said before has reached this port."""
        if self._master is not None:
            self._begin()

    def _begin(self) -> None:
        self._master = MidiClockMaster()
        self._send(self._master.change(self._transport, self._now()))
        self.tick()

    def follow(self, transport: Transport) -> None:
        """The project runs so from now on."""
        self._transport = transport
        if self._master is not None:
            # A start counts from the beat at which it was said, a moment ago: else it would be a start in the midst of a sixteenth.
            self._send(self._master.change(transport, HostTime(max(transport.host, self._now() - AHEAD))))
        self.tick()

    def tick(self) -> None:
        """Hand over what is due soon; call it every `LOOK_EVERY`."""
        if self._master is not None and not self._master.idle:
            self._send(self._master.until(HostTime(self._now() + AHEAD)))
        if self._link:
            self._leader.tick(self._transport)

    def _send(self, messages: list[Timed]) -> None:
        if messages:
            self._port.send_clock(messages)

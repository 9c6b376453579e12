"""Keeps a port open: opens one, notices that it is lost, and opens it again when its system is back."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Thread
from time import perf_counter

from bridge.midi.messages import Sent
from bridge.midi.options import PlayerOptions
from bridge.midi.port import MidiPort
from bridge.midi.port_attempt import Attempt
from bridge.midi.ports import open_port, open_real_port
from bridge.session.playback import PortChanged
from bridge.units import Seconds

RETRY_EVERY = 0.5
"""Seconds between tries to open a port that is not there."""
LOOK_EVERY = 2.0
"""Seconds between looks for a MIDI system while messages are only recorded for want of one."""
FIRST_ANSWER = 3.0
"""Seconds that the MIDI system may take to answer before the player starts without a port."""


class PortKeeper:
    """The player's port, or the lack of one.

    Args:
        options: which port.
        say: takes what happens to it.

    """

    def __init__(self, options: PlayerOptions, say: Callable[[PortChanged], None]) -> None:
        self._options = options
        self._say = say
        self._stopgap = False
        self._look_at = 0.0
        self._dropped_late = self._dropped_clock = self._xruns = 0
        self._sent: list[Sent] = []
        self.port: MidiPort | None = None
        self._attempt: Attempt[MidiPort | None] | None = Attempt(partial(open_port, options))
        if self._attempt.ended(FIRST_ANSWER) and self._attempt.port is not None:
            self._take(self._attempt.port)
            self._attempt = None
        else:
            message = f"{self._attempt.problem}; waiting for it"
            say(PortChanged(options.backend, options.port, available=False, message=message))

    @property
    def dropped_late(self) -> int:
        """Over all ports that there were."""
        return self._dropped_late + (0 if self.port is None else self.port.dropped_late)

    @property
    def dropped_clock(self) -> int:
        """Over all ports that there were."""
        return self._dropped_clock + (0 if self.port is None else self.port.dropped_clock)

    @property
    def xruns(self) -> int:
        """Over all ports that there were."""
        return self._xruns + (0 if self.port is None else self.port.xruns)

    def sent(self) -> list[Sent]:
        """Give what has left since the last call, by whichever port."""
        sent, self._sent = self._sent, []
        return sent if self.port is None else sent + self.port.sent()

    def tend(self, *, idle: bool) -> bool:
        """Look after the port; true where it has just been lost. A recording gives way to a real port only while idle."""
        now = perf_counter()
        if self.port is not None:
            reason = self.port.tend()
            if reason is not None:
                self._lose(self.port, reason)
                return True
        if self._attempt is not None:
            if self._attempt.ended():
                found, self._attempt = self._attempt.port, None
                if found is not None:
                    self._adopt(found, idle=idle)
        elif now >= self._look_at:
            if self.port is None:
                self._look_at = now + RETRY_EVERY
                self._attempt = Attempt(partial(open_port, self._options))
            elif self._stopgap and idle:
                self._look_at = now + LOOK_EVERY
                self._attempt = Attempt(partial(open_real_port, self._options))
        return False

    def close(self, timeout: Seconds) -> None:
        """Close the port, or leave it to the system where its server hangs."""
        if self.port is not None:
            closing = self._let_go(self.port)
            closing.join(timeout)

    def _adopt(self, found: MidiPort, *, idle: bool) -> None:
        if self.port is None:
            self._take(found)
        elif idle:
            self._let_go(self.port)
            self._take(found)
        else:  # Something has begun to play meanwhile; it stays in one recording.
            found.close()

    def _take(self, port: MidiPort) -> None:
        self.port = port
        self._stopgap = self._options.backend == "auto" and port.backend == "recording"
        if self._stopgap:
            message = f"no MIDI system answers: messages are recorded to {port.name}, and nothing sounds"
            self._look_at = perf_counter() + LOOK_EVERY
        else:
            message = f"the port {port.name} is open"
            # What was chosen once is waited for when it is lost: its instruments are connected there.
            self._options = replace(self._options, backend=port.backend)
        self._say(PortChanged(port.backend, port.name, available=True, message=message))

    def _lose(self, port: MidiPort, reason: str) -> None:
        self._let_go(port)
        self._look_at = perf_counter() + RETRY_EVERY
        message = f"{reason}; trying again every {RETRY_EVERY} s"
        self._say(PortChanged(port.backend, port.name, available=False, message=message))

    def _let_go(self, port: MidiPort) -> Thread:
        self._sent += port.sent()
        self._dropped_late += port.dropped_late
        self._dropped_clock += port.dropped_clock
        self._xruns += port.xruns
        self.port = None
        # Closing a client whose server died can take long; no note waits for it.
        closing = Thread(target=port.close, name="close-port", daemon=True)
        closing.start()
        return closing

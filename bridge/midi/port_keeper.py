"""Keeps a port open: opens one, notices that it is lost, and opens it again when its system is back."""

from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from time import perf_counter

from bridge.errors import BridgeError
from bridge.midi.messages import Sent
from bridge.midi.options import PlayerOptions
from bridge.midi.port import MidiPort
from bridge.midi.ports import open_port, open_real_port
from bridge.session.playback import PortChanged

RETRY_EVERY = 0.5
"""Seconds between tries to open a port that is not there."""
LOOK_EVERY = 2.0
"""Seconds between looks for a MIDI system while messages are only recorded for want of one."""


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
        self._dropped_late = self._xruns = 0
        self._sent: list[Sent] = []
        self.port: MidiPort | None = None
        try:
            self._take(open_port(options))
        except BridgeError as error:
            say(PortChanged(options.backend, options.port, available=False, message=f"{error.message}; waiting for it"))

    @property
    def dropped_late(self) -> int:
        """Over all ports that there were."""
        return self._dropped_late + (0 if self.port is None else self.port.dropped_late)

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
        if now < self._look_at:
            return False
        if self.port is None:
            self._look_at = now + RETRY_EVERY
            try:
                self._take(open_port(self._options))
            except BridgeError:
                return False
        elif self._stopgap and idle:
            self._look_at = now + LOOK_EVERY
            real = open_real_port(self._options)
            if real is not None:
                self._let_go(self.port)
                self._take(real)
        return False

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

    def _let_go(self, port: MidiPort) -> None:
        self._sent += port.sent()
        self._dropped_late += port.dropped_late
        self._xruns += port.xruns
        self.port = None
        # Closing a client whose server died can take long; no note waits for it.
        Thread(target=port.close, name="close-port", daemon=True).start()

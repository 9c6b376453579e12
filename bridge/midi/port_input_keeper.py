"""Keeps the input port open beside the output: on the same system, for as long as there is one."""

from collections.abc import Callable
from functools import partial
from threading import Thread
from time import perf_counter

from bridge.midi.options import PlayerOptions
from bridge.midi.port_attempt import Attempt
from bridge.midi.port_input import MidiInput, Take
from bridge.midi.ports import open_input
from bridge.session.playback import InputChanged
from bridge.units import Seconds

RETRY_EVERY = 2.0
"""Seconds between tries to open an input that is not there."""


class InputKeeper:
    """The player's input, or the lack of one.

    Args:
        options: which port; none where it has no name.
        take: called with what comes in, on a thread of the system's.
        say: takes what happens to the port; a problem that goes on is said once.

    """

    def __init__(self, options: PlayerOptions, take: Take, say: Callable[[InputChanged], None]) -> None:
        self._options = options
        self._take = take
        self._say = say
        self._said: InputChanged | None = None
        self._look_at = 0.0
        self._trying = ""
        """The backend of the attempt."""
        self._attempt: Attempt[MidiInput] | None = None
        self._port: MidiInput | None = None

    def tend(self, output: str | None) -> None:
        """Look after the port; `output` is the backend by which notes leave, None while there is none."""
        wanted = output if self._options.input and output != "recording" else None
        if self._port is not None:
            reason = self._port.tend() if self._port.backend == wanted else "the output port is gone"
            if reason is not None:
                self._lose(self._port, reason)
        elif self._attempt is not None:
            if self._attempt.ended():
                self._adopt(self._attempt, wanted)
                self._attempt = None
        elif wanted is not None and perf_counter() >= self._look_at:
            self._look_at = perf_counter() + RETRY_EVERY
            self._trying = wanted
            self._attempt = Attempt(partial(open_input, wanted, self._options, self._take))

    def close(self, timeout: Seconds) -> None:
        """Close the port, or leave it to the system where its server hangs."""
        if self._port is not None:
            self._let_go(self._port).join(timeout)

    def _adopt(self, ended: Attempt[MidiInput], wanted: str | None) -> None:
        if ended.port is None:
            self._tell(self._trying, self._options.input, f"{ended.problem}; trying again every {RETRY_EVERY:g} s")
        elif ended.port.backend != wanted:
            self._let_go(ended.port)
        else:
            self._port = ended.port
            message = f"the input {ended.port.name} is open"
            self._tell(ended.port.backend, ended.port.name, message, available=True)

    def _lose(self, port: MidiInput, reason: str) -> None:
        self._let_go(port)
        self._tell(port.backend, port.name, f"{reason}; the input is opened again as soon as it can be")

    def _let_go(self, port: MidiInput) -> Thread:
        self._port = None
        # Closing a client whose server died can take long; no note waits for it.
        closing = Thread(target=port.close, name="close-input", daemon=True)
        closing.start()
        return closing

    def _tell(self, backend: str, name: str, message: str, *, available: bool = False) -> None:
        said, self._said = self._said, InputChanged(backend, name, available, message)
        if self._said != said:
            self._say(self._said)

"""What the player process is told when it starts."""

from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BridgeError, ErrorCode

BACKENDS = ("auto", "jack", "alsa", "coremidi", "windows", "recording")
"""Ways of reaching instruments; auto takes the first that is there, in this order."""


@dataclass(frozen=True, slots=True)
class PlayerOptions:
    """How the player sends; raises BridgeError BAD_ARGUMENT for a backend that does not exist."""

    backend: str = "auto"
    """One of `BACKENDS`."""
    port: str = "StemBridge"
    """Name of the virtual port; on Windows, of an existing one (or the beginning of its name)."""
    jack_server: str | None = None
    """None takes `JACK_DEFAULT_SERVER` from the environment, or the default server."""
    lookahead_ms: float = 20.0
    """How far ahead messages are handed to the port; what is said later than that takes effect later."""
    late_tolerance_ms: float = 50.0
    """A note-on or clock message later than this is dropped."""
    offset_ms: float = 0.0
    """Added to the live parameter of that name: how much later every note shall leave; below 0 earlier, for a slow instrument."""
    input: str = "StemBridge in"
    """Name of the virtual input port; on Windows, of an existing one (or the beginning of its name). Empty for none."""
    recording: Path | None = None
    """Where the recording backend writes; None takes a file in the user's data folder."""
    realtime: bool = True
    """Ask for SCHED_FIFO."""

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            expected = ", ".join(BACKENDS)
            message = f"no MIDI backend is called {self.backend!r}; there are: {expected}"
            raise BridgeError(ErrorCode.BAD_ARGUMENT, message)

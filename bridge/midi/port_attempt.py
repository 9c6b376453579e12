"""Opening a port without waiting for it: a server that hangs gives no answer at all, not even an error."""

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

from bridge.errors import BridgeError

Port = TypeVar("Port")


class Attempt(Generic[Port]):
    """Opens a port in a thread of its own."""

    def __init__(self, opening: Callable[[], Port]) -> None:
        self.port: Port | None = None
        self.problem = "it does not answer"
        self._opening = opening
        self._thread = Thread(target=self._open, name="open-port", daemon=True)
        self._thread.start()

    def ended(self, wait: float = 0.0) -> bool:
        """Whether there is a port, or a problem."""
        self._thread.join(wait)
        return not self._thread.is_alive()

    def _open(self) -> None:
        try:
            self.port = self._opening()
        except BridgeError as error:
            self.problem = error.message

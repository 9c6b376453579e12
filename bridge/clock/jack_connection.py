"""A JACK client that is opened and closed on threads of its own: a server that hangs answers neither, and nothing may wait for it."""

from functools import cache
from importlib import import_module
from threading import Lock, Thread
from types import ModuleType
from typing import TYPE_CHECKING

from bridge.errors import BridgeError, ErrorCode

if TYPE_CHECKING:
    import jack

_CLIENT = "StemBridge clock"


@cache
def library() -> ModuleType:
    """JACK-Client, where there is a libjack, told once to be quiet; raises BridgeError NOT_SUPPORTED."""
    try:
        jack = import_module("jack")
    except (ImportError, OSError) as error:
        message = f"the clock source jack needs JACK's library, which cannot be loaded: {error}"
        raise BridgeError(ErrorCode.NOT_SUPPORTED, message) from error
    # Once: to replace a function while another thread of JACK's is in it would free it there.
    jack.set_error_function(_quiet)
    jack.set_info_function(_quiet)
    return jack


def _quiet(_: str) -> None:
    """The library would write to standard error whenever no server answers."""


class JackConnection:
    """Opens at once; starts no server.

    Args:
        server: its name; None for the default one.

    """

    def __init__(self, server: str | None) -> None:
        self.client: jack.Client | None = None
        """Active, as soon as it is open."""
        self.ended = False
        """No server has answered, or it has gone."""
        self._server = server
        self._left = False
        self._lock = Lock()
        Thread(target=self._open, name="jack-open", daemon=True).start()

    def leave(self) -> None:
        """Close it, or what is still opening as soon as it is open."""
        with self._lock:
            client, self.client, self._left = self.client, None, True
        if client is not None:
            Thread(target=client.close, name="jack-close", daemon=True).start()

    def _open(self) -> None:
        jack = library()
        try:
            client = jack.Client(_CLIENT, no_start_server=True, servername=self._server)
        except jack.JackError:
            self.ended = True
            return
        try:
            client.set_shutdown_callback(self._shut_down)
            # Only an active client is told of the server's end.
            client.activate()
        except jack.JackError:
            self.ended = True
            client.close()
            return
        with self._lock:
            if not self._left:
                self.client = client
                return
        client.close()

    def _shut_down(self, *_: object) -> None:
        """On JACK's thread."""
        self.ended = True

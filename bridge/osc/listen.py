"""Taking one port number for UDP and TCP at once, or for UDP alone."""

import socket
import sys

from bridge.errors import BridgeError, ErrorCode

_ATTEMPTS = 20
"""Free UDP ports that are tried for a TCP port of the same number."""


def bind_both(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a bound UDP and a bound TCP socket; port 0 takes any number that is free on both.

    Raises:
        BridgeError: UNREACHABLE, saying what holds the port or what is wrong with the host.

    """
    for attempt in range(1, _ATTEMPTS + 1):
        udp: socket.socket | None = None
        try:
            udp = _bind(socket.SOCK_DGRAM, host, port)
            return udp, _bind(socket.SOCK_STREAM, host, udp.getsockname()[1])
        except OSError as error:
            if udp is not None:
                udp.close()
                if port == 0 and attempt < _ATTEMPTS:
                    continue
            raise BridgeError(
                ErrorCode.UNREACHABLE,
                f"cannot listen on {host}:{port}, {'TCP' if udp else 'UDP'}: {error.strerror or error}; is another"
                " StemBridge running? Stop it, or give osc.port in the settings another number",
            ) from error
    raise AssertionError("unreachable")


def bind_udp(host: str, port: int) -> socket.socket:
    """Return a socket bound to a UDP port.

    Raises:
        BridgeError: UNREACHABLE, saying that somebody holds it.

    """
    try:
        return _bind(socket.SOCK_DGRAM, host, port)
    except OSError as error:
        raise BridgeError(
            ErrorCode.UNREACHABLE,
            f"cannot listen on {host}:{port}, UDP: {error.strerror or error}; another program listens there",
        ) from error


def _bind(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        elif kind is socket.SOCK_STREAM:
            # A restarted daemon gets its port back while old connections time out; a second daemon does not.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind is socket.SOCK_STREAM:
            sock.listen()
    except OSError:
        sock.close()
        raise
    return sock

"""OSC over TCP: many connections, each read in turn with everybody else, none able to hold up or fill up the daemon."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from bridge.errors import BridgeError
from bridge.osc.clients import Peer
from bridge.osc.framing import Deframer, Framing, frame
from bridge.osc.inbox import Inbox

log = logging.getLogger("bridge.osc")

MAX_CONNECTIONS = 64
MAX_UNSENT = 2**20
"""Bytes that may wait for a slow reader before it is hung up on."""


class Connection(asyncio.Protocol):
    """One TCP client; reading stops while its frames wait, so a fast sender feels the brake and not our memory."""

    def __init__(self, port: "TcpPort") -> None:
        self.peer = Peer("tcp", "", 0)
        self._port = port
        self._deframer = Deframer()
        self._transport: asyncio.Transport | None = None
        self._at_end = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take up a client, unless it has hung up already or there are too many."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = transport.get_extra_info("peername")
        if address is None:
            transport.abort()
            return
        self.peer = Peer("tcp", *address[:2])
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._port.join(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take more of the stream and get in line."""
        self._deframer.feed(data)
        if self._transport is not None:
            self._transport.pause_reading()
            self._port.inbox.wake(self)

    def eof_received(self) -> bool:
        """The client will say no more; what it said is answered before the connection closes."""
        self._at_end = True
        self._port.inbox.wake(self)
        return True

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the client."""
        self._transport = None
        self._port.leave(self)

    def take(self) -> bytes | None:
        """Give the next packet; when there is none, read on, or close after the last one."""
        if self._transport is None or self._transport.is_closing():
            return None
        try:
            packet = self._deframer.next()
        except BridgeError as error:
            self._port.refuse(error, self.peer)
            self._transport.close()
            return None
        if packet is None:
            if self._at_end:
                self._transport.close()
            else:
                self._transport.resume_reading()
        return packet

    def send(self, packet: bytes) -> None:
        """Send in the client's own framing; one that does not read is hung up on."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(frame(packet, self._deframer.framing or Framing.SLIP))
        waiting = self._transport.get_write_buffer_size()
        if waiting > MAX_UNSENT:
            log.warning("%s does not read its messages: hung up with %d bytes unsent", self.peer, waiting)
            self._transport.abort()

    def close(self) -> None:
        """Hang up after what was sent."""
        if self._transport is not None:
            self._transport.close()


class TcpPort:
    """The listening socket and its connections."""

    def __init__(
        self, inbox: Inbox, refuse: Callable[[BridgeError, Peer], None], forget: Callable[[Peer], None]
    ) -> None:
        self.inbox = inbox
        self.refuse = refuse
        """Tells a client what was wrong with a frame."""
        self._forget = forget
        self._connections: dict[Peer, Connection] = {}
        self._server: asyncio.Server | None = None

    def __len__(self) -> int:
        return len(self._connections)

    async def listen(self, sock: socket.socket) -> None:
        """Accept clients on a bound socket."""
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), sock=sock)

    def join(self, connection: Connection) -> bool:
        """Count a connection in, if there is room."""
        if len(self._connections) >= MAX_CONNECTIONS:
            log.warning("%s was not let in: %d TCP clients are connected already", connection.peer, MAX_CONNECTIONS)
            return False
        self._connections[connection.peer] = connection
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection and what its client asked for."""
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]
            self._forget(connection.peer)

    def send(self, packet: bytes, peer: Peer) -> None:
        """Send to a connected client; one that has hung up is past hearing."""
        connection = self._connections.get(peer)
        if connection is not None:
            connection.send(packet)

    def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.close()

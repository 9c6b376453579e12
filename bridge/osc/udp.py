"""The UDP socket: reads eagerly, so that a burst finds room in the kernel, and hands packets on sender by sender.

asyncio's own datagram transport reads one datagram a turn of the event loop and keeps unsent ones without bound; this reads
many and drops what cannot leave. It needs an event loop that watches sockets, as the selector loops of all systems do.
"""

import asyncio
import logging
import socket
import time
from collections import deque
from contextlib import suppress
from typing import Any

from bridge.osc.clients import Peer
from bridge.osc.inbox import Inbox

log = logging.getLogger("bridge.osc")

RECEIVE_BUFFER = 4 * 2**20
"""Bytes asked of the kernel, which may grant less: what arrives while the event loop does something else waits there."""
READ_BUDGET = 0.005
"""Seconds of reading before the event loop gets to do something else. Reading goes before handling (`inbox.BUDGET`): a ping
that still lies in the kernel behind somebody's flood is not in the fair queue yet."""
MAX_WAITING = 8192
"""Datagrams that wait to be handled, of all senders."""
MAX_WAITING_BYTES = 8 * 2**20
SHARE = 4
"""One sender may take up this part of the waiting room, one in ..."""
_DATAGRAM = 65535


class _Sender:
    """The waiting datagrams of one sender."""

    def __init__(self, port: "UdpPort", peer: Peer) -> None:
        self.peer = peer
        self.packets: deque[bytes] = deque()
        self.size = 0
        self._port = port

    def take(self) -> bytes | None:
        """Give the next datagram; with the last one the sender leaves the waiting room."""
        if not self.packets:
            self._port.leave(self)
            return None
        packet = self.packets.popleft()
        self.size -= len(packet)
        self._port.taken(len(packet))
        return packet


class UdpPort:
    """A bound socket, its readers' waiting room, and the way out."""

    def __init__(self, sock: socket.socket, inbox: Inbox) -> None:
        self.received = 0
        self.overflowed = 0
        """Datagrams dropped because too many waited."""
        self.unsent = 0
        """Datagrams that the system would not take."""
        self._socket = sock
        self._inbox = inbox
        self._senders: dict[tuple[Any, ...], _Sender] = {}
        self._waiting = 0
        self._waiting_bytes = 0
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        asyncio.get_running_loop().add_reader(sock, self._readable)

    def send(self, packet: bytes, host: str, port: int) -> None:
        """Send, or drop what the system refuses: a client that has gone, a full buffer, a packet too large."""
        try:
            self._socket.sendto(packet, (host, port))
        except OSError as error:
            self.unsent += 1
            log.debug("%d bytes to %s:%d were not sent: %s", len(packet), host, port, error)

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._senders.clear()

    def taken(self, size: int) -> None:
        """Note that a datagram has left the waiting room."""
        self._waiting -= 1
        self._waiting_bytes -= size

    def leave(self, sender: _Sender) -> None:
        """Forget a sender of whom nothing waits."""
        self._senders.pop((sender.peer.host, sender.peer.port), None)

    def _readable(self) -> None:
        deadline = time.perf_counter() + READ_BUDGET
        while time.perf_counter() < deadline:
            try:
                packet, address = self._socket.recvfrom(_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # Windows reports here that an earlier datagram found nobody (ECONNRESET); the socket goes on working.
                log.debug("receiving: %s", error)
                continue
            self.received += 1
            self._put(packet, address[0], address[1])

    def _put(self, packet: bytes, host: str, port: int) -> None:
        sender = self._senders.get((host, port))
        if sender is None:
            sender = _Sender(self, Peer("udp", host, port))
        if (
            self._waiting >= MAX_WAITING
            or self._waiting_bytes + len(packet) > MAX_WAITING_BYTES
            or len(sender.packets) >= MAX_WAITING // SHARE
            or sender.size + len(packet) > MAX_WAITING_BYTES // SHARE
        ):
            self.overflowed += 1
            return
        self._senders[host, port] = sender
        sender.packets.append(packet)
        sender.size += len(packet)
        self._waiting += 1
        self._waiting_bytes += len(packet)
        self._inbox.wake(sender)

"""The other end: sends a message to a daemon and hears what comes back. For `stembridge send`, the demo and doctor."""

import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Literal, Self

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.codec import MAX_PACKET, OscMessage, Value, decode, encode
from bridge.osc.framing import Deframer, Framing, frame
from bridge.osc.rows import Argument, Kind
from bridge.osc.table import INCOMING

_CONNECT_TIMEOUT = 5.0
"""Seconds."""


class OscClient:
    """A conversation over UDP or TCP (SLIP) from one port, so that answers and subscriptions find their way back."""

    def __init__(self, host: str = "127.0.0.1", port: int = 9123, transport: Literal["udp", "tcp"] = "udp") -> None:
        """Connect.

        Raises:
            BridgeError: UNREACHABLE.

        """
        self._where = f"{host}:{port}"
        self._tcp = transport == "tcp"
        self._deframer = Deframer(Framing.SLIP)
        self._received: deque[OscMessage] = deque()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM if self._tcp else socket.SOCK_DGRAM)
        self._socket.settimeout(_CONNECT_TIMEOUT)
        try:
            self._socket.connect((host, port))
        except OSError as error:
            self._socket.close()
            raise self._unreachable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    @property
    def port(self) -> int:
        """The port that this end speaks from and listens on."""
        return int(self._socket.getsockname()[1])

    def send(self, address: str, *arguments: Value) -> None:
        """Send one message; raises BridgeError UNREACHABLE."""
        packet = encode(OscMessage(address, arguments))
        try:
            self._socket.sendall(frame(packet, Framing.SLIP) if self._tcp else packet)
        except OSError as error:
            raise self._unreachable(error) from error

    def receive(self, timeout: float) -> OscMessage | None:
        """Return the next message, or None when none came within `timeout` seconds.

        Raises:
            BridgeError: UNREACHABLE where nobody is there any more.

        """
        deadline = time.monotonic() + timeout
        while not self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(MAX_PACKET)
            except TimeoutError:
                return None
            except OSError as error:
                raise self._unreachable(error) from error
            if self._tcp and not data:
                raise self._unreachable(ConnectionResetError("the connection was closed"))
            self._take(data)
        return self._received.popleft()

    def messages(self, seconds: float) -> Iterator[OscMessage]:
        """Yield what comes during this time."""
        deadline = time.monotonic() + seconds
        while (message := self.receive(deadline - time.monotonic())) is not None:
            yield message

    def _take(self, data: bytes) -> None:
        if not self._tcp:
            self._received.extend(m for group in decode(data) for m in group.messages)
            return
        self._deframer.feed(data)
        while (packet := self._deframer.next()) is not None:
            self._received.extend(m for group in decode(packet) for m in group.messages)

    def _unreachable(self, error: OSError) -> BridgeError:
        why = error.strerror or str(error)
        return BridgeError(
            ErrorCode.UNREACHABLE, f"nobody answers OSC on {self._where} ({why}); is StemBridge running?"
        )


def message_from_words(address: str, words: Sequence[str]) -> OscMessage:
    """Make a message of what was typed: text where the address takes text, numbers where a word is one, else text."""
    row = INCOMING.get(address)
    if row is None:
        return OscMessage(address, tuple(_number_or_text(word) for word in words))
    # The same count as when parsing: pairs come in twos, which tells whether an optional argument is there.
    required = sum(not a.optional for a in row.fixed)
    count = len(row.fixed)
    if row.pairs and count > required:
        count = required + max(0, len(words) - required) % 2
    values: list[Value] = [_typed(a, word) for a, word in zip(row.fixed[:count], words, strict=False)]
    known = {a.name: a for a in row.pairs}
    rest = words[count:]
    for key, word in zip(rest[::2], rest[1::2], strict=False):
        values += [key, _typed(known[key], word) if key in known else _number_or_text(word)]
    if len(rest) % 2:
        values.append(rest[-1] if row.pairs else _number_or_text(rest[-1]))
    return OscMessage(address, tuple(values))


def _typed(argument: Argument, word: str) -> Value:
    numeric = argument.kind in (Kind.NUMBER, Kind.WHOLE, Kind.SWITCH, Kind.ANY)
    return _number_or_text(word) if numeric else word


def _number_or_text(word: str) -> Value:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word

"""How OSC packets follow each other on TCP: SLIP, as OSC 1.1 says, or an int32 length before each, as OSC 1.0 has it."""

import struct
from enum import Enum, auto

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.codec import MAX_PACKET

_END, _ESC, _ESC_END, _ESC_ESC = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"
_LENGTH = struct.Struct(">I")
_SLIP_STARTS = b"\xc0/#"
"""SLIP's END, or a packet's own first byte from senders that only put an END after each."""


class Framing(Enum):
    """The two ways."""

    SLIP = auto()
    LENGTH = auto()


def frame(packet: bytes, framing: Framing) -> bytes:
    """Wrap one packet."""
    if framing is Framing.LENGTH:
        return _LENGTH.pack(len(packet)) + packet
    return _END + packet.replace(_ESC, _ESC_ESC).replace(_END, _ESC_END) + _END


class Deframer:
    """Cuts a byte stream into packets; the stream's first byte tells the framing."""

    def __init__(self, framing: Framing | None = None) -> None:
        self.framing = framing
        """None until the first byte has come."""
        self._buffer = bytearray()
        self._begin = 0
        """Where in the buffer the next frame begins: bytes before it are cut off now and then, not for each frame."""
        self._searched = 0
        """Where the search for the frame's END goes on, so that a frame sent byte by byte is not searched again each time."""

    def feed(self, data: bytes) -> None:
        """Take more bytes of the stream."""
        if self.framing is None and data:
            self.framing = Framing.SLIP if data[0] in _SLIP_STARTS else Framing.LENGTH
        if self._begin:
            del self._buffer[: self._begin]
            self._searched -= self._begin
            self._begin = 0
        self._buffer += data

    def next(self) -> bytes | None:
        """Give the next whole packet, or None if it has not come yet.

        Raises:
            BridgeError: BAD_MESSAGE for a frame larger than any packet; the stream cannot be followed any further.

        """
        return self._next_slip() if self.framing is Framing.SLIP else self._next_length()

    def _next_length(self) -> bytes | None:
        have = len(self._buffer) - self._begin
        if have < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._buffer, self._begin)
        if size > MAX_PACKET:
            raise _oversize(size)
        if have < _LENGTH.size + size:
            return None
        start = self._begin + _LENGTH.size
        self._begin = start + size
        return bytes(self._buffer[start : self._begin])

    def _next_slip(self) -> bytes | None:
        while True:
            end = self._buffer.find(_END, max(self._searched, self._begin))
            if end < 0:
                self._searched = len(self._buffer)
            if (len(self._buffer) if end < 0 else end) - self._begin > 2 * MAX_PACKET:
                raise _oversize(len(self._buffer) - self._begin)
            if end < 0:
                return None
            content = bytes(self._buffer[self._begin : end])
            self._begin = self._searched = end + 1
            if content:
                # In this order: an escaped ESC may be followed by what looks like an escaped END.
                return content.replace(_ESC_END, _END).replace(_ESC_ESC, _ESC)


def _oversize(size: int) -> BridgeError:
    return BridgeError(
        ErrorCode.BAD_MESSAGE,
        f"a TCP frame of {size} bytes; at most {MAX_PACKET} are taken, after an int32 length or between SLIP ENDs",
    )

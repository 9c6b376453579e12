"""OSC packets, bytes to messages and back.

Reading is our own: python-osc 1.10's reader hangs for ever on a bundle element of size -4, overflows the stack on deeply
nested bundles, lets UnicodeDecodeError through and skips type tags it does not know. Writing is python-osc's.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.errors import BridgeError, ErrorCode

Value = int | float | str | bool | bytes | None
"""What an argument may hold: None is nil; bytes are a blob, a colour, a time tag or MIDI bytes, which no address takes."""

MAX_PACKET = 65536
"""Bytes; a UDP datagram holds 65,507."""
MAX_ARGUMENTS = 256
MAX_MESSAGES = 256
"""In one bundle, so that handling one whole stays a matter of milliseconds."""
MAX_DEPTH = 8
"""Bundles in bundles."""

_BUNDLE = b"#bundle\0"
_BUNDLE_HEAD = 16
"""Bytes of a bundle before its elements: its name and its time tag."""
_IMMEDIATELY = 1
_NTP_TO_UNIX = 2_208_988_800
"""Seconds from 1900, where OSC's time tags begin, to 1970."""
_NUMBERS = {"i": struct.Struct(">i"), "h": struct.Struct(">q"), "f": struct.Struct(">f"), "d": struct.Struct(">d")}
_RAW = {"t": 8, "r": 4, "m": 4}
_CONSTANTS: dict[str, Value] = {"T": True, "F": False, "N": None, "I": True}
_INT32 = struct.Struct(">i")
_UINT64 = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class OscMessage:
    """One message: what is sent, and what was received."""

    address: str
    arguments: tuple[Value, ...] = ()


class Timed(NamedTuple):
    """Messages that belong together: a lone one, or those directly in one bundle."""

    due: float | None
    """`time.time()` at which they take effect; None: at once."""
    messages: tuple[OscMessage, ...]


def decode(packet: bytes) -> tuple[Timed, ...]:
    """Read one packet, whole.

    Raises:
        BridgeError: BAD_MESSAGE, and nothing else, whatever the bytes are.

    """
    if len(packet) > MAX_PACKET:
        raise _bad(f"a packet of {len(packet)} bytes; at most {MAX_PACKET} are taken")
    groups = tuple(_groups(packet, 0, len(packet), 0))
    count = sum(len(group.messages) for group in groups)
    if count > MAX_MESSAGES:
        raise _bad(f"a bundle of {count} messages; at most {MAX_MESSAGES} are taken")
    return groups


def encode(message: OscMessage) -> bytes:
    """Write one message with the types i, h, f and s; booleans become 0 or 1.

    Raises:
        ValueError: for a value that none of those types holds (NaN, infinity, bytes, nil).

    """
    builder = OscMessageBuilder(_plain(message.address))
    for value in message.arguments:
        match value:
            case str():
                builder.add_arg(_plain(value), "s")
            case int():
                builder.add_arg(int(value), "i" if -(2**31) <= value < 2**31 else "h")
            case float() if math.isfinite(value):
                builder.add_arg(max(-_FLOAT32_MAX, min(_FLOAT32_MAX, value)), "f")
            case _:
                raise ValueError(f"{value!r} cannot be sent as i, h, f or s ({message.address})")
    return bytes(builder.build().dgram)


_FLOAT32_MAX = 3.4028234663852886e38


def _plain(text: str) -> str:
    """Text that OSC can carry: UTF-8 without NUL; file names that are no Unicode get question marks."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _bad(message: str) -> BridgeError:
    return BridgeError(ErrorCode.BAD_MESSAGE, message)


def _groups(data: bytes, start: int, end: int, depth: int) -> Iterator[Timed]:
    """Read the packet or bundle element between two offsets, outer bundles before inner ones."""
    if data.startswith(b"/", start, end):
        yield Timed(None, (_message(data, start, end),))
        return
    if not data.startswith(_BUNDLE, start, end):
        head = data[start : min(end, start + 8)]
        raise _bad(f"not OSC: an address begins with '/', a bundle with '#bundle', this with {head!r}")
    if depth == MAX_DEPTH:
        raise _bad(f"more than {MAX_DEPTH} bundles inside each other")
    if end - start < _BUNDLE_HEAD:
        raise _bad(f"a bundle of {end - start} bytes has no time tag")
    tag = _UINT64.unpack_from(data, start + 8)[0]
    due = None if tag == _IMMEDIATELY else tag / 2**32 - _NTP_TO_UNIX
    messages: list[OscMessage] = []
    inner: list[Timed] = []
    at = start + _BUNDLE_HEAD
    while at < end:
        if end - at < _INT32.size:
            raise _bad(f"{end - at} bytes are left over at a bundle's end")
        size = _INT32.unpack_from(data, at)[0]
        at += 4
        if size <= 0 or size % 4 or size > end - at:
            raise _bad(f"a bundle element of {size} bytes where {end - at} are left; sizes are multiples of 4 above 0")
        if data.startswith(b"/", at, at + size):
            messages.append(_message(data, at, at + size))
        else:
            inner += _groups(data, at, at + size, depth + 1)
        if len(messages) + len(inner) > MAX_MESSAGES:
            raise _bad(f"a bundle of more than {MAX_MESSAGES} elements")
        at += size
    if messages:
        yield Timed(due, tuple(messages))
    yield from inner


def _message(data: bytes, start: int, end: int) -> OscMessage:
    address, at = _string(data, start, end)
    if at == end:
        return OscMessage(address)  # Old senders leave out the type tags where there are no arguments.
    tags, at = _string(data, at, end)
    if not tags.startswith(","):
        raise _bad(f"{address[:200]}: the type tags must begin with a comma, not {tags[:20]!r}")
    if len(tags) > MAX_ARGUMENTS + 1:
        raise _bad(f"{address[:200]}: {len(tags) - 1} arguments; at most {MAX_ARGUMENTS} are taken")
    values: list[Value] = []
    for tag in tags[1:]:
        if tag in _CONSTANTS:
            values.append(_CONSTANTS[tag])
            continue
        if tag in ("s", "S"):
            text, at = _string(data, at, end)
            values.append(text)
            continue
        begin, at = at, at + _size(data, at, end, tag, address)
        if at > end:
            raise _bad(f"{address[:200]}: the packet ends within argument {len(values) + 1}")
        if tag in _NUMBERS:
            values.append(_NUMBERS[tag].unpack_from(data, begin)[0])
        elif tag == "c":
            values.append(chr(data[begin + 3]))
        elif tag == "b":
            values.append(data[begin + 4 : begin + 4 + _INT32.unpack_from(data, begin)[0]])
        else:
            values.append(data[begin:at])
    if at != end:
        raise _bad(f"{address[:200]}: {end - at} bytes are left over after the last argument")
    return OscMessage(address, tuple(values))


def _size(data: bytes, at: int, end: int, tag: str, address: str) -> int:
    """Bytes that an argument of this type takes from here."""
    if tag in _NUMBERS:
        return _NUMBERS[tag].size
    if tag in _RAW:
        return _RAW[tag]
    if tag == "c":
        return 4
    if tag != "b":
        raise _bad(f"{address[:200]}: there is no type tag {tag!r}; send i, f, d, h, s, T or F")
    if end - at < _INT32.size:
        raise _bad(f"{address[:200]}: the packet ends within a blob")
    size = int(_INT32.unpack_from(data, at)[0])
    if not 0 <= size <= end - at - 4:
        raise _bad(f"{address[:200]}: a blob of {size} bytes where {end - at - 4} are left")
    return 4 + size + -size % 4


def _string(data: bytes, start: int, end: int) -> tuple[str, int]:
    """Read a string and say where the next argument begins."""
    stop = data.find(b"\0", start, end)
    if stop < 0:
        raise _bad("a string has no end")
    after = stop + 4 - (stop - start) % 4
    if after > end:
        raise _bad("a string is not padded to a multiple of 4 bytes")
    try:
        return data[start:stop].decode("utf-8"), after
    except UnicodeDecodeError:
        raise _bad(f"a string is not UTF-8: {data[start : min(stop, start + 40)]!r}") from None

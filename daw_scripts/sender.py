#!/usr/bin/env python3
r"""Lets a script without sockets speak OSC: lines of text on standard input become datagrams, answers become lines of a file.

Needs nothing but Python 3.8 or newer. One message is one line, its address and arguments with tabs between; an argument begins
with its type: `s` text, `i` whole number, `d` number, `N` nil. In text, `\\`, `\t`, `\n` and `\r` stand for what they do in C.

    /bridge/job/start<TAB>stake 1<TAB>s/home/me/song.wav<TAB>sstart<TAB>d12.5

Answers are written alike, with two more from the sender itself: `/sender/ready` with its port when it can send, and
`/sender/refused` when nobody listens where it sends to. It leaves when its input ends.
"""

from __future__ import annotations

import argparse
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

LARGEST = 65536
"""Bytes of a datagram."""
REFUSED_EVERY = 2.0
"""Seconds between two complaints that nobody listens."""

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPED = {written: meant for meant, written in _ESCAPES.items()}
_NUMBERS = {"i": ">i", "h": ">q", "f": ">f", "d": ">d"}
_CONSTANTS = {"T": 1, "F": 0, "N": None, "I": 1}


def escape(text: str) -> str:
    """Make text fit between two tabs."""
    return re.sub(r"[\\\t\n\r]", lambda found: _ESCAPES[found[0]], text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    return re.sub(r"\\.", lambda found: _ESCAPED.get(found[0], found[0]), text)


def packet_of(line: str) -> bytes:
    """Encode one line as an OSC message; raises ValueError for what is none."""
    address, *words = line.split("\t")
    if not address.startswith("/"):
        raise ValueError(f"an address begins with a slash: {line!r}")
    tags, data = ",", b""
    for word in words:
        tag, value = word[:1], word[1:]
        if tag == "s":
            data += _padded(unescape(value))
        elif tag == "i":
            number = int(value)
            tag = "i" if -(2**31) <= number < 2**31 else "h"
            data += struct.pack(_NUMBERS[tag], number)
        elif tag == "d":
            # Doubles: a float has lost the sample after six minutes.
            data += struct.pack(">d", float(value))
        elif tag != "N":
            raise ValueError(f"an argument begins with s, i, d or N: {word!r}")
        tags += tag
    return _padded(address) + _padded(tags) + data


def _padded(text: str) -> bytes:
    data = text.replace("\0", "").encode("utf-8", "replace")
    return data + b"\0" * (4 - len(data) % 4)


def lines_of(packet: bytes) -> Iterator[str]:
    """Decode a datagram, one line a message; raises ValueError for what is no OSC."""
    if packet.startswith(b"#bundle\0"):
        at = 16
        while at < len(packet):
            (size,) = struct.unpack_from(">i", packet, at)
            if size <= 0 or at + 4 + size > len(packet):
                raise ValueError("an element that is not inside its bundle")
            yield from lines_of(packet[at + 4 : at + 4 + size])
            at += 4 + size
        return
    address, at = _text(packet, 0)
    tags, at = _text(packet, at)
    words = [address]
    for tag in tags[1:]:
        value: str | int | float | None
        if tag == "s":
            value, at = _text(packet, at)
        elif tag in _NUMBERS:
            (value,) = struct.unpack_from(_NUMBERS[tag], packet, at)
            at += struct.calcsize(_NUMBERS[tag])
        elif tag in _CONSTANTS:
            value = _CONSTANTS[tag]
        else:
            raise ValueError(f"an argument of type {tag!r}, which StemBridge never sends")
        words.append(_word(value))
    yield "\t".join(words)


def _text(packet: bytes, at: int) -> tuple[str, int]:
    end = packet.index(b"\0", at)
    return packet[at:end].decode("utf-8", "replace"), end + 4 - end % 4


def _word(value: str | float | None) -> str:
    if value is None:
        return "N"
    if isinstance(value, str):
        return "s" + escape(value)
    return f"i{value}" if isinstance(value, int) else f"d{value!r}"


class Answers:
    """The file that the script reads along: whole lines, each there at once, from whichever thread."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._refused = float("-inf")

    def write(self, line: str) -> None:
        """Add a line."""
        if self._file is not None:
            with self._lock:
                self._file.write(line + "\n")
                self._file.flush()

    def refused(self) -> None:
        """Note that nobody listens; said now and then, as a clock meets it thirty times a second."""
        with self._lock:
            now = time.monotonic()
            if now - self._refused < REFUSED_EVERY:
                return
            self._refused = now
        self.write("/sender/refused")


def listen(sock: socket.socket, answers: Answers) -> None:
    """Write down what comes back, for ever."""
    while True:
        try:
            packet = sock.recv(LARGEST)
        except OSError:  # An earlier datagram found nobody.
            answers.refused()
            time.sleep(0.05)
            continue
        try:
            for line in lines_of(packet):
                answers.write(line)
        except (ValueError, struct.error) as error:
            print("not understood:", error, file=sys.stderr)  # noqa: T201 (the script keeps what is said here)


def main() -> int:
    """Send until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9123)
    parser.add_argument("--answers", metavar="FILE", help="where answers go; an older file is replaced")
    chosen = parser.parse_args()
    family, kind, protocol, _, peer = socket.getaddrinfo(chosen.host, chosen.port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind, protocol)
    sock.connect(peer)  # So that only StemBridge is heard, and it is told when nobody is there.
    file = open(chosen.answers, "w", encoding="utf-8", newline="\n") if chosen.answers else None  # noqa: SIM115, PTH123
    answers = Answers(file)
    threading.Thread(target=listen, args=(sock, answers), daemon=True).start()
    answers.write(f"/sender/ready\ti{sock.getsockname()[1]}")
    for raw in sys.stdin.buffer:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            continue
        try:
            sock.send(packet_of(line))
        except ValueError as error:
            print("not sent:", error, file=sys.stderr)  # noqa: T201
        except OSError:
            answers.refused()
    return 0


if __name__ == "__main__":
    sys.exit(main())

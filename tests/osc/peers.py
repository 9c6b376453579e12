"""Other people's OSC programs and plain sockets, as the server's real peers."""

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from bridge.osc.codec import OscMessage, decode

DEADLINE = 5.0


def liblo(program: str) -> str:
    """The path of oscsend or oscdump; without it the test is skipped, or fails where every peer must be there."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed (Debian package liblo-tools)"
        if os.environ.get("REQUIRE_PEERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {DEADLINE} s"
        time.sleep(0.005)


class UdpPeer:
    """A socket that sends bytes and hears messages."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(DEADLINE)
        self.server = (host, port)

    @property
    def port(self) -> int:
        return self.socket.getsockname()[1]

    def send(self, packet: bytes) -> None:
        self.socket.sendto(packet, self.server)

    def hear(self) -> OscMessage:
        packet, sender = self.socket.recvfrom(65536)
        assert sender == self.server, "answers leave from the listening socket"
        ((_, (message,)),) = decode(packet)
        return message

    def hear_until(self, address: str) -> list[OscMessage]:
        """What comes up to and with the first message at an address."""
        heard = [self.hear()]
        while heard[-1].address != address:
            heard.append(self.hear())
        return heard

    def close(self) -> None:
        self.socket.close()


class OscDump:
    """A running oscdump and the lines that it has printed."""

    def __init__(self) -> None:
        program = liblo("oscdump")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            ["stdbuf", "-oL", program, str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait_until_listening()

    def _wait_until_listening(self) -> None:
        """Knock until it prints the knock."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:

            def heard() -> bool:
                knock.sendto(b"/knock\0\0,\0\0\0", ("127.0.0.1", self.port))
                return any("/knock" in line for line in self.lines)

            until(heard, "oscdump listening")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.strip())

    def heard(self, *words: str) -> bool:
        """Whether one line holds all these words."""
        return any(all(word in line for word in words) for line in self.lines)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(DEADLINE)


def oscsend(port: int, *words: str, url: str = "") -> None:
    target = [url] if url else ["127.0.0.1", str(port)]
    subprocess.run([liblo("oscsend"), *target, *words], check=True, timeout=DEADLINE)


def bundle(due: float | None, *elements: bytes) -> bytes:
    """A bundle as the specification draws it: due is `time.time()`, None is immediately."""
    tag = 1 if due is None else int((due + 2_208_988_800) * 2**32)
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(e)) + e for e in elements)

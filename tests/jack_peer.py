"""A JACK server of a test's own, and a MIDI receiver on it: real peers for whatever sends.

`JackServer` runs jackd's dummy driver under a private name, so it never meets a server of the user's. `MidiReceiver` is a JACK client in a
process of its own that stamps what arrives; run as a program, this file is that process.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Thread
from typing import NamedTuple, Self

PEERS_REQUIRED = os.environ.get("REQUIRE_PEERS") == "1"
_NAMES = 6


def missing_jack() -> str | None:
    """Why there can be no JACK server here, or None."""
    if shutil.which("jackd") is None:
        return "jackd is not installed (Debian: apt-get install jackd2)"
    return None


def may_be_realtime() -> bool:
    """Whether this process may ask for real-time priority."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError):
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


class JackServer:
    """jackd with the dummy driver; frames pass at the rate of the system's clock.

    At real-time priority, the default where that is granted, as musicians run it: other work on the machine then
    makes no cycle late and costs no message. Elsewhere cycles are longer by default, for the same end.
    """

    def __init__(self, rate: int = 48_000, period: int | None = None, *, realtime: bool | None = None) -> None:
        self.realtime = may_be_realtime() if realtime is None else realtime
        self.name = ""
        """Known once it has started."""
        self.rate = rate
        self.period = period or (256 if self.realtime else 1024)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """For a process whose JACK clients shall find this server and start none."""
        return os.environ | {
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_START_SERVER": "1",
            "JACK_NO_AUDIO_RESERVATION": "1",
        }

    def start(self) -> None:
        """Start and wait until it takes clients; after a crash under its old name.

        JACK has room for eight names on a machine, and the one of a server that was killed is only taken back by that very name:
        so there are few names, and the first free one is used.
        """
        names = [self.name] if self.name else [f"stembridge-test-{n}" for n in range(1, _NAMES + 1)]
        for self.name in names * 2:
            if not self._answers() and self._comes_up():
                return
        raise RuntimeError(f"jackd did not come up under any name of {names}")

    def _comes_up(self) -> bool:
        self._process = subprocess.Popen(
            [
                "jackd",
                "-n",
                self.name,
                *(("-R", "-P", "60") if self.realtime else ("-r",)),
                "-d",
                "dummy",
                "-r",
                str(self.rate),
                "-p",
                str(self.period),
            ],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                return False
        # Somebody else may have been quicker with this name: it is his server that answers then.
        return self._process.poll() is None

    def _answers(self) -> bool:
        probe = [sys.executable, __file__, "probe", self.name]
        try:
            return (
                subprocess.run(probe, env=self.environment, capture_output=True, check=False, timeout=5).returncode == 0
            )
        except subprocess.TimeoutExpired:
            return False

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        self.resume()
        self._signal(signal.SIGTERM)

    def suspend(self) -> None:
        """Let it hang."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Received(NamedTuple):
    """One message as it arrived."""

    host: float
    """When it was due according to the frame it came with, as `perf_counter` time."""
    seen: float
    """`perf_counter` when the receiver's callback held it."""
    data: bytes

    @property
    def is_on(self) -> bool:
        return self.data[0] & 0xF0 == 0x90 and self.data[2] > 0

    @property
    def is_off(self) -> bool:
        return self.data[0] & 0xF0 == 0x80 or (self.data[0] & 0xF0 == 0x90 and self.data[2] == 0)

    @property
    def place(self) -> tuple[int, int]:
        """Channel 1 to 16 and pitch, of a note."""
        return (self.data[0] & 0x0F) + 1, self.data[1]


class MidiReceiver:
    """Connects to a port as soon as it is there, and keeps what comes out of it."""

    def __init__(self, server: JackServer, source: str = "StemBridge:out") -> None:
        self.events: list[Received] = []
        self.connected = False
        self._news = Condition()
        self._process = subprocess.Popen(
            [sys.executable, __file__, "receive", server.name, source, "realtime" if server.realtime else "normal"],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_for(self, predicate: Callable[[], object], timeout: float = 5.0) -> bool:
        """Wait until something is true of what has arrived."""
        with self._news:
            return bool(self._news.wait_for(predicate, timeout))

    def wait_connected(self, timeout: float = 10.0) -> None:
        if not self.wait_for(lambda: self.connected, timeout):
            raise RuntimeError("the receiver found no port to connect to")

    @property
    def ons(self) -> list[Received]:
        return [event for event in self.events if event.is_on]

    @property
    def offs(self) -> list[Received]:
        return [event for event in self.events if event.is_off]

    def sounding(self) -> set[tuple[int, int]]:
        """Channel and pitch of the notes that the latest word about them was a note-on."""
        notes = {event.place: event.is_on for event in list(self.events) if event.is_on or event.is_off}
        return {place for place, on in notes.items() if on}

    def stall(self, seconds: float) -> None:
        """Let the receiver miss its cycles for a while."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            message = json.loads(line)
            with self._news:
                if "connected" in message:
                    self.connected = message["connected"]
                else:
                    self.events.append(Received(message["host"], message["seen"], bytes(message["bytes"])))
                self._news.notify_all()


@contextmanager
def jack_server() -> Iterator[JackServer]:
    """A running server for a test; skips it where there is no jackd, or fails it where peers are required."""
    import pytest

    reason = missing_jack()
    if reason is not None:
        (pytest.fail if PEERS_REQUIRED else pytest.skip)(reason)
    with JackServer() as server:
        yield server


def _probe(server: str) -> None:
    import jack

    jack.Client("probe", no_start_server=True, servername=server).close()


def _receive(server: str, source: str, priority: str) -> None:
    import ctypes
    from collections import deque
    from ctypes.util import find_library

    import jack

    library = ctypes.PyDLL(find_library("jack") or "libjack.so.0")
    library.jack_get_time.restype = ctypes.c_uint64
    library.jack_frames_to_time.restype = ctypes.c_uint64
    library.jack_frames_to_time.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    sys.setswitchinterval(2e-4)
    if priority == "realtime":
        # Or the callback, at JACK's priority, would wait for the interpreter lock of a thread that is not let run.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
    client = jack.Client("receiver", no_start_server=True, servername=server)
    pointer = ctypes.c_void_p(int(jack._ffi.cast("uintptr_t", client._ptr)))
    port = client.midi_inports.register("in")
    arrived: deque[tuple[int, float, bytes]] = deque()

    @client.set_process_callback
    def process(_: int) -> None:
        seen = time.perf_counter()
        start = client.last_frame_time
        for offset, data in port.incoming_midi_events():
            arrived.append((start + offset, seen, bytes(data)))

    def distance() -> float:
        tries = []
        for _ in range(20):
            before = time.perf_counter()
            theirs = library.jack_get_time()
            after = time.perf_counter()
            tries.append((after - before, theirs * 1e-6 - (before + after) / 2))
        return min(tries)[1]

    connected, looked, measured = False, 0.0, 0.0
    offset = distance()
    with client:
        while os.getppid() != 1:
            now = time.perf_counter()
            if now - measured > 0.25:
                offset, measured = distance(), now
            while arrived:
                frame, seen, data = arrived.popleft()
                host = library.jack_frames_to_time(pointer, frame & 0xFFFFFFFF) * 1e-6 - offset
                print(json.dumps({"host": host, "seen": seen, "bytes": list(data)}), flush=True)
            if now - looked > 0.02:
                looked = now
                there = [p.name for p in client.get_ports(is_midi=True, is_output=True)]
                if source in there and not port.is_connected_to(source):
                    with suppress(jack.JackError):  # It may go while we look; the next look tells.
                        client.connect(source, port)
                is_connected = source in there and port.is_connected_to(source)
                if is_connected != connected:
                    connected = is_connected
                    print(json.dumps({"connected": connected}), flush=True)
            time.sleep(0.002)


if __name__ == "__main__":
    {"probe": _probe, "receive": _receive}[sys.argv[1]](*sys.argv[2:])

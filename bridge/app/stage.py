"""What the demo needs around the daemon: a MIDI system, the daemon's own process, and a second process that listens."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bridge.app.private_jack import PrivateJack, installed
from bridge.app.receiver import APIS
from bridge.errors import BridgeError, ErrorCode
from bridge.midi.options import PlayerOptions
from bridge.midi.ports import list_systems
from bridge.osc.client import OscClient

START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class MidiSystem:
    """Where the demo's notes go."""

    backend: str
    server: str
    """Of JACK; empty for the default one and for other systems."""
    explanation: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it arrived at the other end of the port."""

    host: float
    """Seconds of `time.perf_counter()`."""
    data: bytes


Arrivals = queue.SimpleQueue[Arrival]


def midi_system(stack: contextlib.ExitStack) -> MidiSystem:
    """Find the running MIDI system, start a private JACK where there is none, or fall back to a recording."""
    running = next((s.backend for s in list_systems(PlayerOptions()) if s.available), "recording")
    if running in APIS:  # Where we can listen too; on Windows a port has one listener, the user's own.
        return MidiSystem(running, "", f"The notes go to this machine's {running}")
    if installed():
        server = stack.enter_context(PrivateJack()).name
        words = (
            f"No MIDI system runs here: a JACK server of the demo's own ({server}) stands in and is stopped afterwards"
        )
        return MidiSystem("jack", server, words)
    words = (
        "No MIDI system runs here and jackd is not installed (Debian, Ubuntu: sudo apt-get install jackd2):\n"
        "the notes are recorded to a file instead of being played on a port"
    )
    return MidiSystem("recording", "", words)


@contextlib.contextmanager
def process(
    module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None, errors: IO[str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run one of our modules as a process of its own, ended on leaving."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.communicate(timeout=STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


def wait_for_port(client: OscClient, daemon: "subprocess.Popen[str]", log: Path) -> str:
    """Wait until the daemon has opened its MIDI port; return the port's name."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            lines = log.read_text(encoding="utf-8").splitlines()
            raise BridgeError(
                ErrorCode.INTERNAL, f"the daemon did not start: {lines[-1] if lines else 'it said nothing'}"
            )
        # Until the daemon listens, the system may answer that nobody is there.
        with contextlib.suppress(BridgeError):
            client.send("/bridge/subscribe", "midi")
            for message in client.messages(0.5):
                match message.address, message.arguments:
                    case "/bridge/midi", (_, str(name), 1, _):
                        return name
    raise BridgeError(ErrorCode.INTERNAL, f"the daemon opened no MIDI port within {START_TIMEOUT:g} s; see {log}")


@contextlib.contextmanager
def receiver(system: MidiSystem, port: str, arrivals: Arrivals) -> Iterator[None]:
    """Connect a second process to the port and pass on what it gets."""
    environment = {**os.environ, **({"JACK_DEFAULT_SERVER": system.server} if system.server else {})}
    with process("bridge.app.receiver", [system.backend, port], environment) as child:
        assert child.stdout is not None
        if child.stdout.readline().strip() != "connected":
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"the receiving process found no port {port!r}")
        lines = iter(child.stdout.readline, "")
        threading.Thread(target=_pass_on, args=(lines, arrivals), daemon=True).start()
        yield


@contextlib.contextmanager
def recording(path: Path, arrivals: Arrivals) -> Iterator[None]:
    """Read along what the recording port writes."""
    done = threading.Event()
    reader = threading.Thread(target=_pass_on, args=(_growing_lines(path, done), arrivals))
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()


def _pass_on(lines: Iterator[str], arrivals: Arrivals) -> None:
    for line in lines:
        message = json.loads(line)
        arrivals.put(Arrival(message["host"], bytes(message["bytes"])))


def _growing_lines(path: Path, done: threading.Event) -> Iterator[str]:
    """Yield the lines of a file that somebody still writes, until told that it is done."""
    with path.open(encoding="ascii") as file:
        part = ""
        while True:
            finished = done.is_set()
            part += file.readline()
            if part.endswith("\n"):
                yield part
                part = ""
            elif finished:
                return
            else:
                done.wait(0.01)

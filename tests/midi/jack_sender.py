"""A JACK client in a process of its own that sends MIDI at exact frames: a DAW's clock, a keyboard, or one that has lost its mind.

Run as a program, this file is that process: it reads lines of JSON and says what left and when.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import NamedTuple, Self

from tests.jack_peer import JackServer


class Left(NamedTuple):
    host: float
    """The time of the frame it was written to, as `perf_counter` time."""
    data: bytes


class MidiSender:
    """Connects to an input as soon as it is there."""

    def __init__(self, server: JackServer, target: str) -> None:
        self.left: list[Left] = []
        self.flooded = 0
        self.connected = False
        self._news = Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.midi.jack_sender", server.name, target],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        Thread(target=self._read, daemon=True).start()
        if not self.wait_for(lambda: self.connected, 10):
            raise RuntimeError("the sender found no port to connect to")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def send(self, *messages: tuple[float, Sequence[int]]) -> None:
        """Send messages, each so many seconds from now (a little more)."""
        self._say({"messages": [[after, list(data)] for after, data in messages]})

    def flood(self, rate: int, seconds: float) -> None:
        """Send so many random pieces a second: notes, clock, and bytes that are no MIDI."""
        self._say({"flood": rate, "seconds": seconds})

    def wait_for(self, predicate: Callable[[], object], timeout: float = 5.0) -> bool:
        with self._news:
            return bool(self._news.wait_for(predicate, timeout))

    def hang(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _say(self, what: dict) -> None:
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            said = json.loads(line)
            with self._news:
                self.connected = self.connected or "connected" in said
                self.flooded = said.get("flooded", self.flooded)
                if "host" in said:
                    self.left.append(Left(said["host"], bytes(said["bytes"])))
                self._news.notify_all()


def _piece(chance: random.Random) -> bytes:
    """Something that nobody should send; often."""
    kind = chance.random()
    if kind < 0.4:
        return bytes((0x90 | chance.randrange(16), chance.randrange(128), chance.randrange(128)))
    if kind < 0.7:
        return bytes((0xF8,))
    return bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))


def main(server: str, target: str) -> None:
    import jack

    from bridge.midi.jack_time import JackTime

    sys.setswitchinterval(2e-4)
    client = jack.Client("sender", no_start_server=True, servername=server)
    out = client.midi_outports.register("out")
    times = JackTime(client)
    waiting: list[tuple[int, bytes]] = []
    left: list[tuple[int, bytes]] = []
    flood = {"a_cycle": 0.0, "cycles": 0, "sent": 0, "owed": 0.0}
    chance = random.Random(1)
    pieces = [_piece(chance) for _ in range(5000)]

    @client.set_process_callback
    def process(frames: int) -> None:
        out.clear_buffer()
        start = client.last_frame_time
        while waiting and waiting[0][0] < start + frames:
            frame, data = waiting.pop(0)
            out.write_midi_event(max(0, frame - start), data)
            left.append((max(frame, start), data))
        if flood["cycles"]:
            flood["cycles"] -= 1
            flood["owed"] += flood["a_cycle"]
            count, flood["owed"] = int(flood["owed"]), flood["owed"] % 1
            for n in range(count):
                out.write_midi_event(n * frames // count, pieces[flood["sent"] % len(pieces)])
                flood["sent"] += 1

    def obey() -> None:
        for line in sys.stdin:
            said = json.loads(line)
            if "flood" in said:
                flood["a_cycle"] = said["flood"] * client.blocksize / client.samplerate
                flood["cycles"] = round(said["seconds"] * client.samplerate / client.blocksize)
            else:
                first = client.frame_time + 2 * client.blocksize
                waiting.extend(
                    (first + round(after * client.samplerate), bytes(data)) for after, data in said["messages"]
                )

    with client:
        while target not in [p.name for p in client.get_ports(is_midi=True, is_input=True)]:
            time.sleep(0.01)
        client.connect(out, target)
        print(json.dumps({"connected": True}), flush=True)
        Thread(target=obey, daemon=True).start()
        told = 0
        while os.getppid() != 1:
            times.measure()
            while left:
                frame, data = left.pop(0)
                print(json.dumps({"host": times.host(frame), "bytes": list(data)}), flush=True)
            if flood["sent"] != told:
                told = flood["sent"]
                print(json.dumps({"flooded": told}), flush=True)
            time.sleep(0.002)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Another JACK client that rolls the transport, and the truth about it: each cycle's host time and transport frame.

Run as a program it is that client, in a process of its own; it takes `play`, `stop`, `locate <frame>` and `tempo <bpm>` on its standard input.
"""

import json
import subprocess
import sys
import time
from bisect import bisect_right
from collections import deque
from threading import Condition, Thread
from typing import Self

from tests.jack_peer import JackServer


class Roller:
    """Its process, and what it says."""

    def __init__(self, server: JackServer) -> None:
        self.cycles: list[tuple[float, int, bool]] = []
        """Host time (as the server's clock has it), transport frame and whether it rolls, of each cycle."""
        self._rate = server.rate
        self._news = Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.clock.jack_roller", server.name],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        if not self.wait_for(lambda: bool(self.cycles)):
            raise RuntimeError("the JACK roller saw no cycle")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def say(self, *words: object) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(" ".join(map(str, words)) + "\n")
        stdin.flush()

    def wait_for(self, predicate, timeout: float = 10.0) -> bool:
        with self._news:
            return bool(self._news.wait_for(predicate, timeout))

    def seconds(self, host: float) -> float | None:
        """Where the transport was; None where that lies outside what is known, or in a cycle in which it was moved."""
        index = bisect_right(self.cycles, host, key=lambda cycle: cycle[0]) - 1
        if index < 0 or index + 1 >= len(self.cycles):
            return None
        (begun, frame, rolling), (ended, following, _) = self.cycles[index : index + 2]
        length = round((ended - begun) * self._rate)
        if following - frame not in (0, *range(length - 8, length + 9)):
            return None
        return (frame + ((host - begun) * self._rate if rolling else 0)) / self._rate

    def _read(self) -> None:
        for line in self._process.stdout or ():
            with self._news:
                self.cycles += [tuple(cycle) for cycle in json.loads(line)]
                self._news.notify_all()


def _roll(server: str) -> None:
    import ctypes
    from ctypes.util import find_library

    import jack

    library = ctypes.PyDLL(find_library("jack") or "libjack.so.0")
    library.jack_get_time.restype = ctypes.c_uint64
    library.jack_frames_to_time.restype = ctypes.c_uint64
    library.jack_frames_to_time.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    sys.setswitchinterval(2e-4)
    client = jack.Client("roller", no_start_server=True, servername=server)
    pointer = ctypes.c_void_p(int(jack._ffi.cast("uintptr_t", client._ptr)))
    seen: deque[tuple[int, int, bool]] = deque()
    tempo = [0.0]

    @client.set_process_callback
    def process(_: int) -> None:
        state, position = client.transport_query_struct()
        seen.append((client.last_frame_time, position.frame, state == int(jack.ROLLING)))

    def timebase(_state: int, _frames: int, position, _new: bool) -> None:
        beats = position.frame / position.frame_rate * tempo[0] / 60
        position.valid = 0x10
        position.beats_per_bar, position.beat_type, position.ticks_per_beat = 4.0, 4.0, 1920.0
        position.beats_per_minute = tempo[0]
        position.bar, position.beat = int(beats // 4) + 1, int(beats % 4) + 1
        position.tick = int(beats % 1 * 1920)
        position.bar_start_tick = beats // 4 * 4 * 1920

    def distance() -> float:
        tries = []
        for _ in range(20):
            before = time.perf_counter()
            theirs = library.jack_get_time()
            after = time.perf_counter()
            tries.append((after - before, theirs * 1e-6 - (before + after) / 2))
        return min(tries)[1]

    def listen() -> None:
        for line in sys.stdin:
            match line.split():
                case ["play"]:
                    client.transport_start()
                case ["stop"]:
                    client.transport_stop()
                case ["locate", frame]:
                    client.transport_frame = int(frame)
                case ["tempo", bpm]:
                    if not tempo[0]:
                        tempo[0] = float(bpm)
                        client.set_timebase_callback(timebase)
                    tempo[0] = float(bpm)

    with client:
        Thread(target=listen, daemon=True).start()
        while True:
            offset = distance()
            cycles = []
            while seen:
                frame, place, rolling = seen.popleft()
                cycles.append(
                    (library.jack_frames_to_time(pointer, frame & 0xFFFFFFFF) * 1e-6 - offset, place, rolling)
                )
            print(json.dumps(cycles), flush=True)
            time.sleep(0.02)


if __name__ == "__main__":
    _roll(sys.argv[1])

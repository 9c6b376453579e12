"""How long a ping waits for its pong while other senders flood the server, and what the flood does to its memory.

The server, the flood and the pings are three processes. `--json` prints the figures for a program; the tests read them.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

import psutil

from bridge.osc import encode as say
from bridge.osc.codec import OscMessage, encode
from bridge.osc.rows import Topic
from bridge.osc.server import OscServer, Reporter, ServerOptions
from bridge.session.commands import Command, StartJob
from bridge.session.events import Accepted

ANSWER_TIMEOUT = 1.0
IDLE_PINGS = 500


class Acceptor:
    """Accepts every job; what it costs the daemon to carry one out is not measured here."""

    def handle(self, command: Command, client: Reporter) -> None:
        if isinstance(command, StartJob):
            client.send(say.job_event(Accepted(command.request.id)).message)

    def hear(self, _: OscMessage) -> bool:
        return False

    def snapshot(self, _: Topic) -> Sequence[OscMessage]:
        return []


def serve(pipe: Connection) -> None:
    """Serve until the pipe says enough; answer `counters` on it."""

    async def main() -> None:
        server = OscServer(ServerOptions(port=0), Acceptor())
        await server.start()
        pipe.send(server.port)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv) == "counters":
            pipe.send(server.counters())
        server.close()

    asyncio.run(main())


def future_bundle(rng: random.Random) -> bytes:
    """A bundle stamped up to two minutes ahead: half of them further than is taken."""
    tag = int((time.time() + rng.uniform(0, 120) + 2_208_988_800) * 2**32)
    message = encode(OscMessage("/bridge/nowhere", (1,)))
    return b"#bundle\0" + struct.pack(">Qi", tag, len(message)) + message


def blob(rng: random.Random) -> bytes:
    """A message with a blob where none belongs."""
    size = rng.choice((1000, 8000, 60000))
    return b"/bridge/job/start\0\0\0,b\0\0" + struct.pack(">i", size) + bytes(size)


NASTY: tuple[Callable[[random.Random], bytes], ...] = (
    lambda rng: rng.randbytes(rng.randrange(1, 200)),
    lambda rng: rng.randbytes(rng.randrange(1, 2000)),
    lambda rng: b"/bridge/job/start\0\0\0" + rng.randbytes(rng.randrange(200)),
    future_bundle,
    blob,
    lambda _: encode(OscMessage("/bridge/job/start", (7, "song.wav", "stem"))),
    lambda _: b"/bridge/param/threshold\0,f\0\0" + struct.pack(">f", float("nan")),
    lambda _: encode(OscMessage("/bridge/job/start", ("the same", "/a.wav", "stem", "all"))),
    lambda _: encode(OscMessage("/bridge/job/strat", ("id", "/a.wav"))),
)
"""What a flood is mixed of."""


def flood(port: int, count: int, seed: int, pipe: Connection) -> None:
    """Send as fast as the system takes it, then say how long that took."""
    rng = random.Random(seed)
    packets = [rng.choice(NASTY)(rng) for _ in range(count)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        pipe.send("ready")
        pipe.recv()
        begin = time.perf_counter()
        for packet in packets:
            sock.sendto(packet, ("127.0.0.1", port))
        pipe.send(time.perf_counter() - begin)


@dataclass(frozen=True)
class Latency:
    """Of pings, in milliseconds."""

    pings: int
    lost: int
    """Without an answer in a second, for good."""
    median: float
    p99: float
    longest: float


class Pinger:
    """Pings one after the other and keeps the times."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(ANSWER_TIMEOUT)
        self._number = 0
        self._times: list[float] = []
        self._lost = 0

    def ping(self) -> None:
        self._number += 1
        pong = encode(OscMessage("/bridge/pong", (self._number,)))
        begin = time.perf_counter()
        self._socket.send(encode(OscMessage("/bridge/ping", (self._number,))))
        try:
            while self._socket.recv(4096) != pong:
                pass
        except TimeoutError:
            self._lost += 1
        else:
            self._times.append(1000 * (time.perf_counter() - begin))

    def latency(self) -> Latency:
        """The figures since the last call."""
        times, lost = sorted(self._times), self._lost
        self._times, self._lost = [], 0
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
        return Latency(len(times) + lost, lost, statistics.median(times), p99, times[-1])


def measure(count: int, rounds: int) -> dict[str, object]:
    """Ping idle, then during each of some floods."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    pinger = Pinger(port)
    for _ in range(IDLE_PINGS):
        pinger.ping()
    idle = pinger.latency()
    process = psutil.Process(server.pid)
    memory = [process.memory_info().rss]
    sending = []
    floods = []
    for number in range(rounds):
        near, far = spawn.Pipe()
        flooder = spawn.Process(target=flood, args=(port, count, number, far), daemon=True)
        flooder.start()
        near.recv()
        near.send("go")
        while not near.poll():
            pinger.ping()
        sending.append(near.recv())
        # The server may still be working off what waits.
        for _ in range(20):
            pinger.ping()
        floods.append(asdict(pinger.latency()))
        flooder.join()
        memory.append(process.memory_info().rss)
    ours.send("counters")
    counters = ours.recv()
    ours.send("enough")
    server.join()
    return {
        "datagrams_per_flood": count,
        "idle_ms": asdict(idle),
        "flood_ms": floods,
        "flood_sent_in_s": sending,
        "rss_mib": [round(m / 2**20, 2) for m in memory],
        "counters": counters,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datagrams", type=int, default=10_000, help="in one flood")
    parser.add_argument("--rounds", type=int, default=5, help="floods, one after the other")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures = measure(options.datagrams, options.rounds)
    if options.json:
        print(json.dumps(figures))
        return 0
    for name, rows in (("idle", [figures["idle_ms"]]), ("flood", figures["flood_ms"])):
        for row in rows:
            print(
                f"{name:6} {row['pings']:6} pings, {row['lost']} lost:"
                f" median {row['median']:.3f} ms, p99 {row['p99']:.3f} ms, max {row['longest']:.3f} ms"
            )
    print("floods of", options.datagrams, "datagrams, sent in", *(f"{s:.2f}" for s in figures["flood_sent_in_s"]), "s")
    print("server's memory before and after each:", *figures["rss_mib"], "MiB")
    print(figures["counters"])
    return 0


if __name__ == "__main__":
    sys.exit(main())

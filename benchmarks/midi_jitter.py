"""How late notes leave, and how evenly they arrive through JACK: idle, and beside two busy torch processes.

Plays 500 notes on a 10 ms grid through the player process, on a jackd of its own (dummy driver, 48 kHz), and reads them back with a
receiving JACK client in another process. Lateness is what the player reports, sent minus due; jitter is how far each arrival is
from where the grid puts it, given the median.

    python -m benchmarks.midi_jitter [--period 256] [--notes 500] [--realtime-server] [--nice 10]
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bridge.midi.client import PlayerProcess
from bridge.midi.options import PlayerOptions
from bridge.music.notes import Note
from bridge.music.sound import Stem
from bridge.session.playback import NotesSent, Part, PartPlayed, PlayerEvent, PlayerStatistics, PortChanged
from tests.jack_peer import JackServer, MidiReceiver

GRID = 0.010
PART = ("benchmark", Stem.VOCALS)
LOAD = """
import os, sys
os.nice(int(sys.argv[1]))
import torch
torch.set_num_threads(1)
a = torch.randn(1024, 1024)
print("busy", flush=True)
while True:
    a @ a
"""


@contextmanager
def busy(processes: int, nice: int) -> Iterator[None]:
    """Processes that multiply matrices until the end."""
    command = [sys.executable, "-c", LOAD, str(nice)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


async def measure(label: str, server: JackServer, notes: int) -> None:
    events: list[PlayerEvent] = []
    arrived = asyncio.Event()

    def take(event: PlayerEvent) -> None:
        events.append(event)
        if isinstance(event, (PartPlayed, PortChanged, PlayerStatistics)):
            arrived.set()

    async def until(kind: type) -> PlayerEvent:
        while not any(isinstance(e, kind) for e in events):
            arrived.clear()
            await arrived.wait()
        return next(e for e in events if isinstance(e, kind))

    player = PlayerProcess(PlayerOptions(backend="jack", jack_server=server.name), take)
    await player.start()
    port = await until(PortChanged)
    assert isinstance(port, PortChanged)
    with MidiReceiver(server, port.name) as receiver:
        await asyncio.to_thread(receiver.wait_connected)
        player.load(Part(PART, notes * GRID + 0.1, 0.5))
        pitches = [k % 128 for k in range(notes)]
        player.update(PART, [Note(k * GRID, GRID / 2, p, 80, 1.0) for k, p in enumerate(pitches)], 60.0, complete=True)
        player.launch([PART])
        await until(PartPlayed)
        events[:] = [e for e in events if isinstance(e, NotesSent)]
        player.report_statistics()
        statistics = await until(PlayerStatistics)
        assert isinstance(statistics, PlayerStatistics)
        await asyncio.to_thread(receiver.wait_for, lambda: len(receiver.offs) >= notes, 1.0)
        ons, offs = receiver.ons, receiver.offs
    await player.close()

    late = np.array([n.lateness for e in events if isinstance(e, NotesSent) for n in e.notes if n.on]) * 1e3
    # The pitch tells which note of the grid arrived, also where one before it was lost.
    index = np.unwrap([e.data[1] for e in ons], period=128)
    latency = (np.array([e.host for e in ons]) - index * GRID) * 1e3
    jitter = np.abs(latency - np.median(latency))
    print(f"{label}: {len(ons)} of {notes} note-ons and {len(offs)} note-offs arrived", end="; ")
    print(
        f"player at real-time priority: {player.realtime}; xruns {statistics.xruns}; dropped {statistics.dropped_late}"
    )
    for name, values in (("sender lateness", late), ("arrival jitter", jitter)):
        median, p99 = np.percentile(values, [50, 99])
        print(f"    {name:16} median {median:7.3f} ms   p99 {p99:7.3f} ms   max {values.max():7.3f} ms")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--period", type=int, default=256, help="frames a JACK cycle")
    parser.add_argument("--notes", type=int, default=500)
    parser.add_argument(
        "--realtime-server", action="store_true", help="run jackd and the receiver at real-time priority"
    )
    parser.add_argument("--nice", type=int, default=10, help="of the busy processes")
    options = parser.parse_args()
    with JackServer(period=options.period, realtime=options.realtime_server) as server:
        await measure("idle", server, options.notes)
        with busy(2, options.nice):
            await measure("beside two busy torch processes", server, options.notes)


if __name__ == "__main__":
    asyncio.run(main())

"""How far the project's clock is from the truth, source by source: rolling steadily, through a tempo change, after a seek.

Simulated peers send at their documented rates and types through the real parsers, each message late or early by up to the jitter
stated; twenty seeds. JACK transport is real: jackd (dummy driver) and another client that rolls it. Ardour is real too, with its
OSC, MIDI clock and MTC at once, where `ardour7-lua` is installed (Linux, root: a network namespace).

Errors are magnitudes in ms of the position that notes are placed by: the beat, for sources that tell a tempo; the second, for MTC and
JACK; both for REAPER, whose tempo changes are heard with its next message, so that all beats after one are off by what that took.
"steady" begins 5 s after play; "tempo" is the 5 s from a change of 120 to 97 on; "seek" the 5 s after one, both from their very first
moment, with the time until the position was within 5 ms for good.

    python -m benchmarks.clock_error [--seeds 20] [--real]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import NamedTuple, Protocol

import numpy as np

from bridge.clock.ableton import AbletonSource
from bridge.clock.bitwig import BitwigSource
from bridge.clock.estimator import Estimator
from bridge.clock.jack_transport import JackTransportSource
from bridge.clock.midi_clock import MidiClockSource
from bridge.clock.mtc import MtcSource
from bridge.clock.observation import Observation
from bridge.clock.reaper import ReaperSource
from bridge.music.tempo import Transport
from bridge.units import Beats, Bpm, HostTime, Seconds
from tests.alone import ALONE, missing_ardour
from tests.clock.jack_roller import Roller
from tests.clock.peer import START, Peer, error
from tests.jack_peer import JackServer

PLAY, TEMPO, SEEK, END = START + 1, START + 16.0137, START + 21.0071, START + 26
BPM, LATER, SOUGHT = 120.0, 97.0, 61.3
GOOD = 5.0
LOOK = 0.002


class Source(Protocol):
    def start(self, report: Callable[[Observation], object]) -> None: ...


Tell = Callable[[float, Peer, HostTime], None]
"""Says how the peer is at a host time, in messages that arrive at another."""
Message = tuple[float, Callable[[], object]]
"""When it arrives, and what takes it in."""


class Row(NamedTuple):
    """One simulated source."""

    name: str
    rate: float
    jitter: float
    axis: str
    make: Callable[[], tuple[Source, Tell]]


def beat_text(beats: float) -> str:
    return f"{int(beats // 4) + 1}.{int(beats % 4) + 1}.{int(beats % 1 * 4) + 1}:{int(beats % 0.25 * 400):02d}"


def reaper() -> tuple[Source, Tell]:
    source = ReaperSource(lambda _: None)

    def tell(host: float, peer: Peer, arrives: HostTime) -> None:
        source.receive(arrives, "/tempo/raw", (bpm(peer, host),))
        source.receive(arrives, "/play", (float(peer.at(host).playing),))
        source.receive(arrives, "/time", (float(np.float32(peer.seconds(host))),))

    return source, tell


def ableton() -> tuple[Source, Tell]:
    source = AbletonSource(lambda _: None)

    def tell(host: float, peer: Peer, arrives: HostTime) -> None:
        get = "/live/song/get/"
        source.receive(arrives, get + "tempo", (bpm(peer, host),))
        source.receive(arrives, get + "is_playing", (int(peer.at(host).playing),))
        source.receive(arrives, get + "current_song_time", (float(np.float32(peer.beats(host))),))

    return source, tell


def bitwig() -> tuple[Source, Tell]:
    source = BitwigSource(lambda _: None)

    def tell(host: float, peer: Peer, arrives: HostTime) -> None:
        source.receive(arrives, "/play", (int(peer.at(host).playing),))
        source.receive(arrives, "/tempo/raw", (bpm(peer, host),))
        source.receive(arrives, "/beat/str", (beat_text(peer.beats(host)),))

    return source, tell


class Script:
    """`/bridge/clock/observe` with all it takes."""

    def start(self, report: Callable[[Observation], object]) -> None:
        self.report = report


def script() -> tuple[Source, Tell]:
    source = Script()

    def tell(host: float, peer: Peer, arrives: HostTime) -> None:
        place = Seconds(peer.seconds(host)), Beats(peer.beats(host))
        source.report(Observation(arrives, peer.at(host).playing, *place, bpm=Bpm(bpm(peer, host))))

    return source, tell


ROWS = [
    Row("reaper, seconds, 11 Hz", 11, 0.010, "seconds", reaper),
    Row("reaper, beats, 11 Hz", 11, 0.010, "beats", reaper),
    Row("ableton, 10 Hz", 10, 0.010, "beats", ableton),
    Row("bitwig, 20 Hz", 20, 0.010, "beats", bitwig),
    Row("script, 30 Hz", 30, 0.005, "beats", script),
]


def bpm(peer: Peer, host: float) -> float:
    return float(peer.at(host).tempo.bpm_at(Seconds(peer.seconds(host))))


def song() -> Peer:
    peer = Peer(BPM)
    peer.play(PLAY)
    peer.change_tempo(TEMPO, LATER)
    peer.locate(SEEK, SOUGHT)
    return peer


def positions(row: Row, seed: int) -> list[tuple[float, float]]:
    """Host times with errors of a source that tells positions at a rate."""
    peer, random = song(), Random(seed)
    source, tell = row.make()
    messages = []
    host = START + random.random() / row.rate
    while host < END:
        messages.append((host + random.uniform(-row.jitter, row.jitter), host))
        host += 1 / row.rate
    return listen(
        source,
        peer,
        row.axis,
        ((at, lambda at=at, host=host: tell(host, peer, HostTime(at))) for at, host in sorted(messages)),
    )


def midi_clock(seed: int, jitter: float = 0.001) -> list[tuple[float, float]]:
    peer, random, source = song(), Random(seed), MidiClockSource()

    def messages() -> Iterator[tuple[float, bytes]]:
        yield PLAY - 0.001, b"\xfa"
        tick, last = 0, PLAY
        while (host := due(peer, tick / 24, last, SEEK)) is not None:
            yield host, b"\xf8"
            tick, last = tick + 1, host
        sixteenth = int(SOUGHT * 4) + 1
        yield SEEK, b"\xfc"
        yield SEEK, bytes((0xF2, sixteenth & 0x7F, sixteenth >> 7))
        tick, last = sixteenth * 6, SEEK
        yield due(peer, tick / 24, SEEK, END) - 0.001, b"\xfb"
        while (host := due(peer, tick / 24, last, END)) is not None:
            yield host, b"\xf8"
            tick, last = tick + 1, host

    return listen(source, peer, "beats", feed(messages(), source, random, jitter))


def mtc(seed: int, jitter: float = 0.001) -> list[tuple[float, float]]:
    """25 frames a second."""
    peer, random, source = song(), Random(seed), MtcSource()

    def run(begin: float, end: float) -> Iterator[tuple[float, bytes]]:
        first = int(peer.seconds(begin + 1e-9) * 12.5 + 1) * 2
        number = 0
        while (host := begin + (first + number / 4) / 25 - peer.seconds(begin + 1e-9)) < end:
            frame = first + number // 8 * 2
            value = (frame % 25, frame // 25 % 60, frame // 1500 % 60, frame // 90_000 | 0x20)[number % 8 // 2]
            yield host, bytes((0xF1, number % 8 << 4 | (value >> 4 if number % 2 else value & 15)))
            number += 1

    def messages() -> Iterator[tuple[float, bytes]]:
        yield from run(PLAY, SEEK)
        frame = int(peer.seconds(SEEK + 1e-9) * 25)
        yield SEEK, bytes((0xF0, 0x7F, 0x7F, 1, 1, 0x20, frame // 1500, frame // 25 % 60, frame % 25, 0xF7))
        yield from run(SEEK, END)

    return listen(source, peer, "seconds", feed(messages(), source, random, jitter))


def feed(
    messages: Iterable[tuple[float, bytes]], source: MidiClockSource | MtcSource, random: Random, jitter: float
) -> Iterator[Message]:
    """In order, as a cable keeps them, each late by up to the jitter."""
    last = 0.0
    for host, data in messages:
        last = max(last, host + random.uniform(0, jitter))
        yield last, lambda at=last, data=data: source.receive(HostTime(at), data)


def due(peer: Peer, beats: float, after: float, before: float) -> float | None:
    """When the peer comes to a beat, between two host times."""
    while after < before:
        now = peer.at(after + 1e-9)
        host = now.host + now.tempo.seconds_at(Beats(beats)) - now.seconds
        following = min((act.host for act in peer.acts if act.host > now.host), default=before)
        if host < min(following, before):
            return host
        after = following
    return None


def listen(source: Source, peer: Peer, axis: str, messages: Iterable[Message]) -> list[tuple[float, float]]:
    """What the estimator behind a source would have placed notes by, every 2 ms."""
    estimator = Estimator(Transport(START, Seconds(0.0), playing=False))
    source.start(estimator.observe)
    errors, look = [], float(PLAY)
    for arrives, take in messages:
        while look < arrives:
            errors.append((look, error(peer, estimator.transport, look, axis)))
            look += LOOK
        take()
    return errors


def jack() -> tuple[list[tuple[float, float]], dict[str, float]]:
    """Host times with errors, in seconds, of a real transport; and when things were done to it."""
    with JackServer() as server, Roller(server) as roller:
        source = JackTransportSource(server.name)
        source.wanted = True
        estimator = Estimator(Transport(HostTime(time.perf_counter()), Seconds(0.0), playing=False))
        source.start(estimator.observe)
        looks: list[tuple[float, Transport]] = []
        acts: dict[str, float] = {}

        def follow(seconds: float) -> None:
            end = time.perf_counter() + seconds
            while (now := time.perf_counter()) < end:
                if len(looks) % 10 == 0:
                    source.tick(HostTime(now))
                looks.append((time.perf_counter(), estimator.transport))
                time.sleep(LOOK)

        roller.say("tempo", BPM)
        follow(1)
        acts["play"] = time.perf_counter()
        roller.say("play")
        follow(15)
        acts["tempo"] = time.perf_counter()
        roller.say("tempo", LATER)
        follow(5)
        acts["seek"] = time.perf_counter()
        roller.say("locate", 30 * server.rate)
        follow(5)
        acts["end"] = time.perf_counter()
        roller.wait_for(lambda: roller.cycles[-1][0] > looks[-1][0])
        source.stop()
    errors = []
    for host, transport in looks:
        truth = roller.seconds(host)
        if truth is not None and truth > 0:
            errors.append((host, transport.position(HostTime(host)) - truth))
    return errors, acts


def ardour() -> dict | None:
    """What the real Ardour's test rig reports; None where it cannot run."""
    if missing_ardour() is not None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        command = [*ALONE, sys.executable, "-m", "tests.clock.ardour_rig", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.stdout else None


def figures(errors: list[tuple[float, float]], begin: float, end: float) -> tuple[float, float]:
    """Median and p99 in ms."""
    found = [abs(e) * 1000 for host, e in errors if begin <= host < end]
    return float(np.median(found)), float(np.percentile(found, 99))


def settled(errors: list[tuple[float, float]], begin: float, end: float) -> float:
    """Ms from `begin` until all that follows is within 5 ms."""
    late = [host for host, e in errors if begin <= host < end and abs(e) * 1000 > GOOD]
    return (max(late) - begin) * 1000 if late else 0.0


def tell(name: str, runs: list[list[tuple[float, float]]], spans: dict[str, tuple[float, float]]) -> None:
    cells = []
    for what, (begin, end) in spans.items():
        merged = [pair for run in runs for pair in run]
        middle, far = figures(merged, begin, end)
        times = [settled(run, begin, end) for run in runs]
        cells.append(f"{middle:8.3f} {far:9.3f}" + ("" if what == "steady" else f" {np.median(times):7.0f}"))
    print(f"{name:32}" + " |".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--real", action="store_true", help="only what runs here for real")
    options = parser.parse_args()
    print(f"{'':32}{'steady':>18} |{'tempo':>26} |{'seek':>26}")
    print(
        f"{'source':32}{'median':>8} {'p99':>9} |{'median':>8} {'p99':>9} {'<5 ms':>7} |{'median':>8} {'p99':>9} {'<5 ms':>7}"
    )
    spans = {"steady": (PLAY + 5, TEMPO), "tempo": (TEMPO, SEEK), "seek": (SEEK, END - 0.1)}
    if not options.real:
        seeds = range(options.seeds)
        for row in ROWS:
            tell(f"{row.name}, ±{row.jitter * 1000:.0f} ms", [positions(row, seed) for seed in seeds], spans)
        tell("midi clock, +1 ms", [midi_clock(seed) for seed in seeds], spans)
        tell("mtc 25, +1 ms", [mtc(seed) for seed in seeds], spans)
    errors, acts = jack()
    real = {
        "steady": (acts["play"] + 5, acts["tempo"]),
        "tempo": (acts["tempo"], acts["seek"]),
        "seek": (acts["seek"] + 0.03, acts["end"]),
    }
    tell("JACK transport (real)", [errors], real)
    report = ardour()
    if report is None:
        print("Ardour: not installed, or no network namespace may be made")
        return
    begun, moved, stopped = report["begun"], report["moved"], report["stopped"]
    # Ardour's tempo changes at its beat 10.
    real = {"steady": (begun + 2, begun + 6), "tempo": (begun + 6.19, moved), "seek": (moved + 0.15, stopped)}
    for name, label in (
        ("ardour", "Ardour 7.3 OSC (real)"),
        ("midi", "Ardour MIDI clock (real)"),
        ("mtc", "Ardour MTC (real)"),
    ):
        tell(label, [report[name]["errors"]], real)


if __name__ == "__main__":
    main()

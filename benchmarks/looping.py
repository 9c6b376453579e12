"""An hour round and round a loop: notes that hang, are missing or come twice, and how far the last round has drifted.

Accelerated: the sequencer and the emitter with a clock that is turned by hand, in the player's own ticks, from a host time as large
as a machine's that has been up for months; every round's on and off is held against where the project has it, in exact
fractions. With `--real` the player process itself plays to a recording, for as long as it says.

    python -m benchmarks.looping [--minutes 60] [--bpm 117.3] [--ramp 140] [--chase] [--corrections] [--real]
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np

from bridge.midi.client import PlayerProcess
from bridge.midi.emitter import Emitter
from bridge.midi.options import PlayerOptions
from bridge.midi.player import TICK
from bridge.midi.sequencer import Sequencer
from bridge.music.notes import Extent, Note
from bridge.music.ramps import Over
from bridge.music.sound import Stem
from bridge.music.tempo import Loop, TempoChange, TempoMap, Transport
from bridge.session.playback import Part, PlayerEvent, PortChanged
from bridge.session.request import Sync

UP = 8_000_000.0
"""Seconds of host time at the start: three months."""
LOOKAHEAD, TOLERANCE = 0.020, 0.050
LOOP = Loop(3.0, 7.0)
"""Beats."""
PART = ("benchmark", Stem.VOCALS)

NOTE_ON, NOTE_OFF = 0x90, 0x80

Message = tuple[float, bytes]


def clip(tempo: TempoMap) -> list[Note]:
    """One note of a pitch of its own each: across the whole loop, across its ends, and two a beat within it."""
    begin, end = tempo.seconds_at(LOOP.start), tempo.seconds_at(LOOP.end)
    spans = [(begin - 1.0, end + 1.0), (begin - 0.5, begin + 0.4), (end - 0.3, end + 0.5)]
    spans += [(at := tempo.seconds_at(LOOP.start + k / 2 + 0.01), at + 0.1) for k in range(8)]
    return [Note(on, off - on, 40 + k, 80, 0.9) for k, (on, off) in enumerate(spans)]


def part(tempo: TempoMap, chase: int) -> tuple[Part, list[Note]]:
    notes = clip(tempo)
    return Part(PART, 60.0, 0.5, Sync.TRANSPORT, overrides={"chase": chase}), notes


def simulate(transport: Transport, minutes: float, chase: int, corrections: float) -> list[Message]:
    """What leaves, with the time at which it was due."""
    loaded, notes = part(transport.tempo, chase)
    sequencer, emitter = Sequencer(TOLERANCE, Transport(UP, 0.0, playing=False)), Emitter(TOLERANCE)
    sequencer.load(loaded, UP)
    sequencer.update(PART, notes, (), [Extent(0.0, 60.0)], complete=True)
    sequencer.set_transport(transport, UP)
    messages: list[Message] = []
    wobble, truth = random.Random(1), transport
    now, end, corrected = UP, UP + 60 * minutes, UP
    while now < end:
        if corrections and now >= corrected + 0.1:
            # As an estimator does, from a clock that is read some milliseconds wrong, at the true position on the average.
            corrected = now
            off = wobble.uniform(-corrections, corrections)
            start, stop = transport.loop_seconds or (0.0, 0.0)
            seconds = start + (truth.position(now) + off - start) % (stop - start)
            sequencer.set_transport(Transport(now, seconds, True, transport.tempo, transport.loop), now)
        sequencer.advance(now, now + LOOKAHEAD)
        for command in sequencer.take()[0]:
            emitter.accept(command)
        messages += [(e.due, e.data) for e in emitter.take(now, now)]
        now += TICK
    sequencer.clear()
    for command in sequencer.take()[0]:
        emitter.accept(command)
    messages += [(e.due, e.data) for e in emitter.take(now, now)]
    assert emitter.next_due() is None
    return messages


async def play(tempo: TempoMap, minutes: float, chase: int) -> tuple[Transport, list[Message]]:
    """The same from the player process, as its recording has it."""
    opened = asyncio.Event()

    def take(event: PlayerEvent) -> None:
        if isinstance(event, PortChanged):
            opened.set()

    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "recording.jsonl"
        player = PlayerProcess(PlayerOptions(backend="recording", recording=recording), take)
        await player.start()
        await opened.wait()
        loaded, notes = part(tempo, chase)
        player.load(loaded)
        player.update(PART, notes, (), [Extent(0.0, 60.0)], complete=True)
        transport = Transport(time.perf_counter(), tempo.seconds_at(LOOP.start), True, tempo, LOOP)
        player.set_transport(transport)
        await asyncio.sleep(60 * minutes)
        await player.close()
        lines = [json.loads(line) for line in recording.read_text(encoding="ascii").splitlines()]
    return transport, [
        (line["host"], bytes(line["bytes"])) for line in lines if line["bytes"][0] & 0xF0 in (NOTE_ON, NOTE_OFF)
    ]


def expected(transport: Transport, until: float, chase: int) -> dict[int, list[tuple[float, bool]]]:
    """Of each pitch, when it is due to begin and to end, by exact rounds."""
    begin, end = (Fraction(s) for s in transport.loop_seconds or (0.0, 0.0))
    found = defaultdict(list)
    rounds = int((until - transport.host) / float(end - begin)) + 1
    for note in clip(transport.tempo):
        on, off = Fraction(note.onset), Fraction(note.onset + note.duration)
        for k in range(rounds):
            base = Fraction(transport.host) + k * (end - begin) - begin
            if on < begin and chase:
                on = begin
            if begin <= on < end:
                found[note.pitch] += [(float(base + on), True), (float(base + min(off, end)), False)]
    return {pitch: [event for event in events if event[0] < until] for pitch, events in found.items()}


def report(label: str, messages: list[Message], transport: Transport, until: float, chase: int) -> None:
    sounding: set[int] = set()
    wrong = 0
    played = defaultdict(list)
    for at, data in messages:
        on, pitch = data[0] & 0xF0 == NOTE_ON, data[1]
        wrong += on is (pitch in sounding)
        (sounding.add if on else sounding.discard)(pitch)
        played[pitch].append((at, on))
    due = expected(transport, until, chase)
    missing = sum(max(0, len(events) - len(played[pitch])) for pitch, events in due.items())
    extra = sum(len(events) - len(due.get(pitch, ())) for pitch, events in played.items() if pitch not in due)
    errors = [
        (at - when)
        for pitch, events in due.items()
        for (at, on), (when, should) in zip(played[pitch], events, strict=False)
        if on is should
    ]
    tenth = max(1, len(errors) // 10)
    by_time = [
        e
        for _, e in sorted(
            (when, at - when) for p, ev in due.items() for (at, _), (when, _) in zip(played[p], ev, strict=False)
        )
    ]
    drift = float(np.median(by_time[-tenth:]) - np.median(by_time[:tenth]))
    start, stop = transport.loop_seconds or (0.0, 1.0)
    print(
        f"{label}: {(until - transport.host) / 60:.1f} min, {int((until - transport.host) / (stop - start))} rounds, {len(messages)} messages"
    )
    print(f"  stuck {len(sounding)}, on or off out of turn {wrong}, missing {missing}, not asked for {extra}")
    print(
        f"  due minus expected: median {1e3 * np.median(errors):+.4f} ms, p99 of its size {1e3 * np.quantile(np.abs(errors), 0.99):.4f} ms,"
        f" largest {1e3 * np.max(np.abs(errors)):.4f} ms; last tenth minus first {1e3 * drift:+.5f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--bpm", type=float, default=117.3)
    parser.add_argument("--ramp", type=float, help="a ramp to this tempo across the loop")
    parser.add_argument("--chase", action="store_true")
    parser.add_argument(
        "--corrections",
        type=float,
        default=0.0,
        metavar="MS",
        help="the clock is set ten times a second, so far off at most",
    )
    parser.add_argument("--real", action="store_true", help="the player process in real time")
    chosen = parser.parse_args()
    tempo = TempoMap.constant(chosen.bpm)
    if chosen.ramp:
        tempo = TempoMap.of_changes(
            [TempoChange(LOOP.start, chosen.bpm, Over.BEATS), TempoChange(LOOP.end, chosen.ramp)]
        )
    if chosen.real:
        transport, messages = asyncio.run(play(tempo, chosen.minutes, int(chosen.chase)))
        until = messages[-1][0] - 0.1
        report("player process", messages, transport, until, int(chosen.chase))
        return
    transport = Transport(UP, tempo.seconds_at(LOOP.start), True, tempo, LOOP)
    began = time.perf_counter()
    messages = simulate(transport, chosen.minutes, int(chosen.chase), chosen.corrections / 1000)
    report("simulated", messages, transport, UP + 60 * chosen.minutes - 0.1, int(chosen.chase))
    print(f"  in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

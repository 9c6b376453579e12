"""Two Link peers on a network of their own: our source or leader, and a program that only knows aalink.

Run in a network namespace, so that no peer on a real network hears of it: `rig` is our side and starts `peer`.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable

from bridge.clock.link import LinkLeader, LinkSource
from bridge.clock.project import ProjectClock
from bridge.music.tempo import TempoMap, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds


def now() -> HostTime:
    return HostTime(time.perf_counter())


async def peer() -> None:
    """Do what is said on the standard input; say what there is to see every 20 ms."""
    from aalink import Link

    link = Link(90.0)
    link.quantum, link.start_stop_sync_enabled, link.enabled = 4.0, True, True
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def obey() -> None:
        while line := await reader.readline():
            match line.decode().split():
                case ["tempo", bpm]:
                    link.tempo = float(bpm)
                case ["play"]:
                    link.request_beat_at_start_playing_time(0.0)
                    link.playing = True
                case ["stop"]:
                    link.playing = False

    obeying = asyncio.create_task(obey())
    while not obeying.done():
        before = time.perf_counter()
        beat = link.beat
        after = time.perf_counter()
        print(
            json.dumps([(before + after) / 2, after - before, beat, link.tempo, link.playing, link.num_peers]),
            flush=True,
        )
        await asyncio.sleep(0.02)


class Peer:
    """The other program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[tuple[float, float, float, float, bool, int]] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls) -> "Peer":
        command = (sys.executable, "-m", "tests.clock.link_rig", "peer")
        return cls(await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    def say(self, *words: object) -> None:
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    async def _read(self) -> None:
        while line := await self.process.stdout.readline():
            self.seen.append(tuple(json.loads(line)))

    def beat(self, host: float) -> float:
        """Its beat at a host time, from the look that is nearest."""
        at, _, beat, tempo, *_ = min((s for s in self.seen if s[1] < 2e-4), key=lambda s: abs(s[0] - host))
        return beat + (host - at) * tempo / 60

    def end(self) -> None:
        self._reading.cancel()
        self.process.kill()


async def until(predicate: Callable[[], object], tick: Callable[[], object]) -> None:
    deadline = time.perf_counter() + 10
    while not predicate():
        if time.perf_counter() > deadline:
            raise TimeoutError("the peers did not get there")
        tick()
        await asyncio.sleep(0.02)


def phase(beats: float) -> float:
    """Distance from the bar, the shorter way."""
    return (beats + 2) % 4 - 2


async def follow() -> dict[str, object]:
    """Our source beside a peer that sets the tempo, plays and stops; then the peer goes."""
    other = await Peer.start()
    told: list[tuple[str, bool]] = []
    source = LinkSource(Bpm(120.0))
    clock = ProjectClock(Bpm(120.0), now, lambda _: None, lambda *who: told.append(who), [source])
    clock.start("link")
    await until(lambda: clock.locked, clock.tick)
    found = {"located_at_first": clock.located}
    other.say("tempo", 133)
    await until(lambda: clock.bpm == 133, clock.tick)
    other.say("play")
    await until(lambda: clock.transport.playing, clock.tick)
    errors, looks = [], []
    end = time.perf_counter() + 1.5

    def look() -> None:
        clock.tick()
        looks.append((now(), clock.transport))

    await until(lambda: time.perf_counter() > end, look)
    await until(lambda: other.seen[-1][0] > looks[-1][0], clock.tick)
    for host, transport in looks[20:]:
        errors.append(abs(phase(transport.beats(host) - other.beat(host))) * 60 / 133)
    found |= {"errors": errors, "located": clock.located, "beats": clock.transport.beats(now())}
    clock.set_tempo(Bpm(101.0))
    await until(lambda: abs(other.seen[-1][3] - 101) < 0.01, clock.tick)
    other.say("stop")
    await until(lambda: not clock.transport.playing, clock.tick)
    clock.play()
    await until(lambda: other.seen[-1][4], clock.tick)
    other.end()
    await until(lambda: told[-1] == ("link", False), clock.tick)
    source.stop()
    return found | {"sources": told}


async def lead() -> dict[str, object]:
    """Our transport carried to a peer: tempo, start, phase, and again after a seek that breaks the phase."""
    other = await Peer.start()
    leader = LinkLeader()
    leader.start(Bpm(120.0))
    transport = Transport(now(), Seconds(0.0), playing=False, tempo=TempoMap.constant(Bpm(110.0)))
    await until(lambda: other.seen and other.seen[-1][5] == 1, lambda: leader.tick(transport))
    await until(lambda: abs(other.seen[-1][3] - 110) < 0.01, lambda: leader.tick(transport))
    phases = []
    for beats in (0.0, 7.3):
        transport = Transport(
            now(), transport.tempo.seconds_at(Beats(beats)), playing=True, tempo=TempoMap.constant(Bpm(110.0))
        )
        begun = time.perf_counter()
        await until(lambda begun=begun: time.perf_counter() > begun + 0.7, lambda t=transport: leader.tick(t))
        host = other.seen[-1][0]
        phases.append(phase(transport.beats(HostTime(host)) - other.beat(host)) * 60 / 110)
    playing = other.seen[-1][4]
    transport = Transport(now(), Seconds(0.0), playing=False, tempo=TempoMap.constant(Bpm(110.0)))
    await until(lambda: not other.seen[-1][4], lambda: leader.tick(transport))
    other.end()
    leader.stop()
    return {"phases": phases, "playing": playing}


if __name__ == "__main__":
    match sys.argv[1]:
        case "peer":
            asyncio.run(peer())
        case "follow":
            print(json.dumps(asyncio.run(follow())))
        case "lead":
            print(json.dumps(asyncio.run(lead())))

"""The real Ardour, without a window, on a JACK server of its own: its OSC feedback, MIDI clock and MTC, and the truth.

Run as a program, in a network namespace (Ardour's OSC listens on every interface), it rolls a session whose tempo changes at second 6,
moves it, stops it, and prints what our sources made of it beside where Ardour's own transport was. The Lua script inside Ardour
reads that and the host's clock a thousand times a second.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.clock.ardour import ArdourSource
from bridge.clock.estimator import Estimator
from bridge.clock.midi_clock import MidiClockSource
from bridge.clock.mtc import MtcSource
from bridge.clock.observation import Observation
from bridge.clock.osc_source import OscOut
from bridge.music.tempo import Transport
from bridge.osc.codec import decode
from bridge.units import HostTime, Seconds
from tests.jack_peer import JackServer, MidiReceiver

RATE = 48_000
_ATTEMPTS = 4
"""Loading on JACK, Ardour 7.3 loses the server in some of all starts."""
BPM, LATER_BPM, CHANGES_AT = 97.0, 120.0, 10 * 60 / 97.0
_SESSION = """
assert(AudioEngine:set_backend("None (Dummy)", "", ""))
local s = assert(create_session("FOLDER/s", "s", RATE))
s:save_state("") close_session()
"""
_RUN = """
assert(AudioEngine:set_backend("JACK", "ardour", ""))
local s = assert(load_session("FOLDER/s", "s"))
local map = Temporal.TempoMap.fetch_writable()
map:set_tempo(Temporal.Tempo(BPM, BPM, 4), Temporal.timepos_t(0))
map:set_tempo(Temporal.Tempo(LATER, LATER, 4), Temporal.timepos_t(CHANGE))
Temporal.TempoMap.update(map) map = nil
print("READY") io.flush()
local last = -1
while true do
  local before = ARDOUR.LuaAPI.monotonic_time()
  local sample = s:transport_sample()
  local after = ARDOUR.LuaAPI.monotonic_time()
  if sample ~= last then print(before, after, sample) io.flush() last = sample end
  ARDOUR.LuaAPI.usleep(500)
end
"""
_CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour><Config><Option name="send-midi-clock" value="1"/><Option name="send-mtc" value="1"/></Config></Ardour>
"""


class Ardour:
    """The program, and the truth that it tells of itself."""

    def __init__(self, server: JackServer, folder: Path) -> None:
        self.truth: list[tuple[float, float]] = []
        """Host time and second of the transport, whenever it changed: at each of its cycles, and at moves."""
        self._period = server.period
        home = folder / "home"
        (home / ".config/ardour7").mkdir(parents=True)
        (home / ".config/ardour7/config").write_text(_CONFIG)
        self._environment = server.environment | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        words = {"FOLDER": folder, "RATE": RATE, "BPM": BPM, "LATER": LATER_BPM, "CHANGE": int(CHANGES_AT * RATE)}
        for name, script in {"make": _SESSION, "run": _RUN}.items():
            (folder / f"{name}.lua").write_text(re.sub("|".join(words), lambda m: str(words[m[0]]), script))
        subprocess.run(
            ["ardour7-lua", folder / "make.lua"], env=self._environment, check=True, capture_output=True, timeout=60
        )
        session = folder / "s/s.ardour"
        off, on = (f'name="Open Sound Control (OSC)" active="{active}"' for active in (0, 1))
        session.write_text(session.read_text().replace(off, on))
        self.ready = Event()
        # On one core it loses the server less often.
        self._process = subprocess.Popen(
            ["taskset", "-c", "0", "ardour7-lua", folder / "run.lua"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        Thread(target=self._read, daemon=True).start()
        deadline = time.perf_counter() + 30
        while not self.ready.wait(0.1):
            if self._process.poll() is not None or time.perf_counter() > deadline:
                self.end()
                raise RuntimeError("Ardour did not load its session")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line.startswith("READY"):
                self.ready.set()
            elif self.ready.is_set():
                before, after, sample = (int(float(word)) for word in line.split())
                if after - before < 100:
                    # It counts on when a cycle is computed, which is when that cycle begins to sound.
                    self.truth.append(((before + after) / 2e6, (sample - self._period) / RATE))

    def seconds(self, host: float) -> float | None:
        """Where the transport was, from the change before; None beside moves and where nothing changed for a while."""
        index = bisect_right(self.truth, host, key=lambda t: t[0]) - 1
        if index < 0 or index + 1 >= len(self.truth):
            return None
        (begun, place), (ended, following) = self.truth[index : index + 2]
        if not abs((following - place) - (ended - begun)) < 0.004 or ended - begun > 0.1:
            return None
        return place + host - begun

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Wire:
    """A UDP socket that writes to Ardour and hands what it answers to a source."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.source = ArdourSource(self.send)
        Thread(target=self._read, daemon=True).start()

    def send(self, messages: list[OscOut]) -> None:
        for address, arguments in messages:
            builder = OscMessageBuilder(address=address)
            for value in arguments:
                builder.add_arg(value)
            self._socket.sendto(builder.build().dgram, ("127.0.0.1", ArdourSource.port))

    def _read(self) -> None:
        while True:
            try:
                packet = self._socket.recv(65536)
            except ConnectionError:
                continue
            host = HostTime(time.perf_counter())
            for timed in decode(packet):
                for message in timed.messages:
                    self.source.receive(host, message.address, message.arguments)


def wait(predicate: Callable[[], object], timeout: float, what: str) -> None:
    deadline = time.perf_counter() + timeout
    while not predicate():
        if time.perf_counter() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def replay(observations: list[Observation], end: float) -> list[tuple[float, Transport]]:
    """The transport that each moment would have found, every 5 ms."""
    begin = observations[0].host
    estimator = Estimator(Transport(HostTime(begin), Seconds(0.0), playing=False))
    looks, host = [], begin
    for seen in [*observations, None]:
        until = end if seen is None else seen.host
        while host < until:
            looks.append((host, estimator.transport))
            host = HostTime(host + 0.005)
        if seen is not None:
            estimator.observe(seen)
    return looks


def main(folder: Path) -> None:
    with JackServer(RATE) as server:
        ardour = Ardour(server, folder)
        wire = Wire()
        heard: dict[str, list[Observation]] = {"ardour": [], "midi": [], "mtc": []}
        wire.source.wanted = True
        wire.source.start(heard["ardour"].append)
        try:
            with (
                MidiReceiver(server, "ardour:MIDI Clock out") as ticks,
                MidiReceiver(server, "ardour:MTC out") as frames,
            ):
                ticks.wait_connected(6)
                frames.wait_connected(6)
                wire.source.tick(HostTime(time.perf_counter()))
                wait(lambda: wire.source.alive(HostTime(time.perf_counter())), 10, "no answer over OSC")
                begun = time.perf_counter()
                wire.source.play()
                wait(lambda: ardour.truth and ardour.truth[-1][1] > 10, 20, "Ardour did not roll")
                moved = time.perf_counter()
                wire.source.locate(None, Seconds(3.0))
                wait(lambda: 5 < ardour.truth[-1][1] < 6, 10, "Ardour did not move")
                stopped = time.perf_counter()
                wire.source.halt()
                wait(lambda: time.perf_counter() - ardour.truth[-1][0] > 0.5, 5, "Ardour did not stop")
                end = time.perf_counter()
                midi, mtc = MidiClockSource(pointer=1), MtcSource()
                midi.start(heard["midi"].append)
                mtc.start(heard["mtc"].append)
                for event in ticks.events:
                    midi.receive(HostTime(event.host), event.data)
                for event in frames.events:
                    mtc.tick(HostTime(event.host))
                    mtc.receive(HostTime(event.host), event.data)
                mtc.tick(HostTime(end))
        finally:
            ardour.end()
    report: dict[str, object] = {"period": server.period / RATE, "begun": begun, "moved": moved, "stopped": stopped}
    for name, observations in heard.items():
        looks = replay(observations, end)
        rows = [(host, t, ardour.seconds(host)) for host, t in looks]
        report[name] = {
            "errors": [
                (host, error_of(name, t, host, truth)) for host, t, truth in rows if truth is not None and t.playing
            ],
            "playing": looks[-1][1].playing,
            "parked": looks[-1][1].beats(HostTime(end)),
            "tempi": [point.beats for point in looks[-1][1].tempo.points] + [looks[-1][1].tempo.bpm],
        }
    report["parked"] = beats_of(ardour.truth[-1][1])
    print(json.dumps(report))


def beats_of(seconds: float) -> float:
    """The session's tempo map."""
    return min(seconds, CHANGES_AT) * BPM / 60 + max(0.0, seconds - CHANGES_AT) * LATER_BPM / 60


def error_of(source: str, transport: Transport, host: float, truth: float) -> float:
    """How far on the transport is, in seconds at the tempo there."""
    if source == "mtc":  # It tells no tempo, so no beats.
        return transport.position(HostTime(host)) - truth
    bpm = BPM if truth < CHANGES_AT else LATER_BPM
    return (transport.beats(HostTime(host)) - beats_of(truth)) * 60 / bpm


if __name__ == "__main__":
    for attempt in range(_ATTEMPTS):
        try:
            main(Path(sys.argv[1]) / str(attempt))
            break
        except (RuntimeError, TimeoutError) as error:
            print(error, file=sys.stderr)
    sys.stdout.flush()
    os._exit(0)  # threads that read sockets wait for ever

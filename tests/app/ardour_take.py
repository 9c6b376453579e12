"""A real Ardour that records what the daemon plays, on an armed MIDI track: where each note falls on its timeline.

Run as a program, in a network namespace (Ardour's OSC listens on every interface), it plays a clip of many notes by one clock source,
and prints what came of it as JSON.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import jack
import mido

from bridge.midi.file_read import read_notes
from tests.daemon_peer import Ear, RunningDaemon
from tests.inference.model_zoo import make_repo, mixer
from tests.jack_peer import JackServer
from tests.sounds import write_melody

RATE, BPM = 48_000, 120.0
EVERY = 0.15
"""Seconds between the clip's notes."""
INPUT = "StemBridge in:in"
TRACK = "ardour:Bridge/midi_in 1"
_ATTEMPTS = 4
"""Loading on JACK, Ardour 7.3 loses the server in some of all starts."""
_MAKE = """
assert(AudioEngine:set_backend("None (Dummy)", "", ""))
local s = assert(create_session("FOLDER/s", "s", RATE))
s:new_midi_track(ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1), ARDOUR.ChanCount(ARDOUR.DataType("audio"), 2), true,
  ARDOUR.PluginInfo(), nil, nil, 1, "Bridge", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
s:save_state("") close_session()
"""
_RUN = """
assert(AudioEngine:set_backend("JACK", "ardour", ""))
local s = assert(load_session("FOLDER/s", "s"))
local map = Temporal.TempoMap.fetch_writable()
map:set_tempo(Temporal.Tempo(BPM, BPM, 4), Temporal.timepos_t(0))
Temporal.TempoMap.update(map) map = nil
for r in s:get_routes():iter() do
  local t = r:to_track()
  if not t:isnil() then t:rec_enable_control():set_value(1, PBD.GroupControlDisposition.NoGroup) end
end
print("READY") io.flush()
io.read()
s:maybe_enable_record(true)
local slaved = s:cfg().external_sync
if not slaved then s:request_roll(ARDOUR.TransportRequestSource.TRS_UI) end
io.read()
if slaved then s:cfg().external_sync = false end
s:request_stop(false, false, ARDOUR.TransportRequestSource.TRS_UI)
ARDOUR.LuaAPI.usleep(1500000)
s:save_state("")
for r in s:get_routes():iter() do
  local t = r:to_track()
  if not t:isnil() then
    for region in t:playlist():region_list():iter() do
      local file = region:source(0):to_filesource()
      if not file:isnil() then print("REGION", region:position():samples(), file:path()) end
    end
  end
end
io.flush() close_session()
"""
_CONFIG = """<?xml version="1.0"?>
<Ardour><Config><Option name="send-midi-clock" value="1"/></Config>
<TransportMasters current="JACK Transport">
<TransportMaster type="Engine" name="JACK Transport" collect="1" removeable="0" sclock-synced="1"/>
<TransportMaster type="MTC" name="MTC" collect="1" removeable="0"/>
</TransportMasters></Ardour>
"""


class Ardour:
    """The program with its one armed track; with `slaved` its transport is JACK's.

    With `capture_time` the track keeps notes where they came in; else Ardour takes it that they were played to what its output
    sounded like, and moves them earlier by that output's latency.
    """

    def __init__(self, server: JackServer, folder: Path, *, slaved: bool, capture_time: bool) -> None:
        home = folder / "home"
        (home / ".config/ardour7").mkdir(parents=True)
        (home / ".config/ardour7/config").write_text(_CONFIG)
        environment = server.environment | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        words = {"FOLDER": folder, "RATE": RATE, "BPM": BPM}
        for name, script in {"make": _MAKE, "run": _RUN}.items():
            (folder / f"{name}.lua").write_text(re.sub("|".join(words), lambda m: str(words[m[0]]), script))
        made = subprocess.run(
            ["ardour7-lua", folder / "make.lua"], env=environment, check=False, capture_output=True, timeout=60
        )
        if made.returncode:
            raise RuntimeError("Ardour did not make its session")
        session = folder / "s/s.ardour"
        text = session.read_text().replace(*(f'name="Open Sound Control (OSC)" active="{active}"' for active in (0, 1)))
        text = re.sub('name="external-sync" value="[01]"', f'name="external-sync" value="{int(slaved)}"', text)
        if capture_time:
            text = text.replace('alignment-choice="Automatic"', 'alignment-choice="UseCaptureTime"')
        session.write_text(text)
        self.regions: list[tuple[float, Path]] = []
        """Start in seconds, and file, of what was recorded."""
        self._ready = False
        # On one core it loses the server less often.
        self._process = subprocess.Popen(
            ["taskset", "-c", "0", "ardour7-lua", folder / "run.lua"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + 30
        while not self._ready:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise RuntimeError("Ardour did not load its session")
            time.sleep(0.05)

    def go_on(self) -> None:
        """Record, and roll unless JACK does; the second time stop, and say what was recorded."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        self._process.wait(30)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line.startswith("READY"):
                self._ready = True
            elif line.startswith("REGION"):
                _, samples, path = line.rstrip("\n").split(maxsplit=2)
                self.regions.append((int(float(samples)) / RATE, Path(path)))


class Metronome:
    """A JACK client that writes a note to the track at the very frame of every half second of JACK's transport.

    Slaved to that transport, Ardour records in some takes all of it a cycle beside its place: this note tells.
    """

    PITCH = 120
    """Of which the clip has none."""
    EVERY = 0.5

    def __init__(self, server: JackServer) -> None:
        self._client = jack.Client("metronome", no_start_server=True, servername=server.name)
        self._out = self._client.midi_outports.register("out")
        self._client.set_process_callback(self._process)
        self._client.activate()
        self._client.connect(self._out, TRACK)

    def close(self) -> None:
        self._client.close()

    def _process(self, frames: int) -> None:
        self._out.clear_buffer()
        state, position = self._client.transport_query_struct()
        if state != jack.ROLLING:
            return
        every = round(self.EVERY * position.frame_rate)
        ahead = -position.frame % every
        if ahead < frames:
            self._out.write_midi_event(ahead, (0x90, self.PITCH, 100))
            self._out.write_midi_event(ahead, (0x80, self.PITCH, 0))

    @classmethod
    def errors(cls, found: list[tuple[float, int]]) -> list[float]:
        """Ms by which its notes were recorded late."""
        half = cls.EVERY / 2
        return [((second + half) % cls.EVERY - half) * 1000 for second, pitch in found if pitch == cls.PITCH]


def recorded(ardour: Ardour) -> list[tuple[float, int]]:
    """Second on the timeline, and pitch, of each note on the track."""
    notes = []
    for start, path in ardour.regions:
        file = mido.MidiFile(path)
        for track in file.tracks:
            tick = 0
            for message in track:
                tick += message.time
                if message.type == "note_on" and message.velocity:
                    notes.append((start + tick / file.ticks_per_beat * 60 / BPM, message.note))
    return sorted(notes)


def connect(server: JackServer) -> None:
    """Our notes to the track, Ardour's clock to our input."""
    client = jack.Client("patchbay", no_start_server=True, servername=server.name)
    try:
        wanted = [("StemBridge:out", TRACK), ("ardour:MIDI Clock out", INPUT)]
        deadline = time.monotonic() + 10
        while wanted and time.monotonic() < deadline:
            there = {port.name for port in client.get_ports(is_midi=True)}
            for pair in [pair for pair in wanted if set(pair) <= there]:
                client.connect(*pair)
                wanted.remove(pair)
            time.sleep(0.05)
        if wanted:
            raise RuntimeError(f"no such ports: {wanted}")
    finally:
        client.close()


def take(source: str, seconds: float, folder: Path, *, capture_time: bool) -> dict[str, object]:
    """Roll once by this clock; say how far each note was from its place."""
    folder.mkdir(parents=True)
    with JackServer(RATE) as server:
        repo = make_repo(folder / "models", {"copy": mixer(0, 0, 0.5, 1, segment=4.0)})
        settings = {
            "midi": {"backend": "jack", "jack_server": server.name},
            "inference": {
                "model": "copy",
                "models_folder": str(repo),
                "allow_download": False,
                "transcriber": "madmom-cnn",
            },
            "clock": {"pointer": "ticks"},
        }
        ardour = Ardour(server, folder / "ardour", slaved=source == "jack", capture_time=capture_time)
        try:
            with (
                RunningDaemon(folder / "daemon", settings, server.environment) as daemon,
                daemon.ear("job", "transport") as ear,
            ):
                truth = load(ear, folder, seconds)
                connect(server)
                metronome = Metronome(server) if source == "jack" else None
                ear.send("/bridge/clock/source", source)
                roll(ear, ardour, source, seconds)
                status = daemon.status()
                if metronome is not None:
                    metronome.close()
        finally:
            ardour.end()
    everything = recorded(ardour)
    found = [note for note in everything if note[1] != Metronome.PITCH]
    return {
        "played": len(truth),
        "recorded": len(found),
        "errors_ms": errors(truth, found),
        "metronome_ms": Metronome.errors(everything),
        "lateness_p99_ms": status["lateness_p99_ms"],
        "xruns": status["xruns"],
    }


def load(ear: Ear, folder: Path, seconds: float) -> list[tuple[float, int]]:
    """Lay the clip on the project from its beginning on; return second and pitch of its notes."""
    song = folder / "song.wav"
    write_melody(song, seconds, every=EVERY, length=EVERY * 0.7)
    ear.start_job("a", song, sync="transport", at=0)
    path = ear.wait("job/result", "a", timeout=300).arguments[3]
    ear.wait("job/done", "a", timeout=300)
    return [(note.onset, note.pitch) for note in read_notes(Path(str(path)))]


def roll(ear: Ear, ardour: Ardour, source: str, seconds: float) -> None:
    if source == "jack":
        ear.wait_until(lambda: ear.of("clock")[-1].arguments[:2] == ("jack", 1))
        ardour.go_on()
        ear.send("/bridge/transport/locate", 0)
        ear.send("/bridge/transport/play")
    else:
        ardour.go_on()
    ear.wait_until(lambda: ear.of("clock")[-1].arguments[:2] == (source, 1), what=f"the clock {source}")
    ear.wait_until(lambda: float(ear.of("transport")[-1].arguments[0]) > seconds + 0.5, seconds + 30, "the clip's end")
    if source == "jack":
        ear.send("/bridge/transport/stop")
    ardour.go_on()
    ardour.wait()


def errors(truth: list[tuple[float, int]], found: list[tuple[float, int]]) -> list[float]:
    """Ms by which recorded notes are late, each against the nearest of its pitch; those that are beside every note are left out."""
    near = [min((second - onset for onset, p in truth if p == pitch), key=abs, default=1.0) for second, pitch in found]
    return [error * 1000 for error in near if abs(error) < EVERY / 3]


if __name__ == "__main__":
    folder, source, seconds, alignment = sys.argv[1:]
    for attempt in range(_ATTEMPTS):
        try:
            place = Path(folder) / str(attempt)
            print(json.dumps(take(source, float(seconds), place, capture_time=alignment == "capture")))
            break
        except (RuntimeError, AssertionError) as error:
            print(error, file=sys.stderr)
    sys.stdout.flush()
    os._exit(0)  # threads that read what Ardour says wait for ever

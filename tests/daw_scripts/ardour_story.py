"""What a musician does with StemBridge's actions in Ardour, in the real program: play a stem, hear it, import it, cancel.

Run as a program, in a network namespace (Ardour's OSC listens on every interface), it prints what came of it as JSON, and leaves
pictures of Ardour's window in its folder.
"""

import json
import os
import re
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from threading import Thread

import jack
import mido
import numpy as np
import soundfile

from bridge.midi.file_read import read_notes
from bridge.osc.codec import OscMessage, decode
from bridge.osc.parse import parse
from bridge.session.commands import StartJob
from tests.daemon_peer import Ear, RunningDaemon
from tests.daw_scripts.ardour_setup import RATE, beats_of, seconds_of
from tests.daw_scripts.ardour_window import ArdourWindow, Display, Region
from tests.inference.model_zoo import make_repo, mixer
from tests.jack_peer import JackServer, MidiReceiver
from tests.sounds import write_melody

_ATTEMPTS = 4
"""Ardour 7.3 loses the JACK server in some of all runs, mostly while it loads."""
TAKE, SECOND = "Take 1", "Zweite Spur ü"
TAKE_AT, TAKE_TRIM = 5 * RATE + 77, (2 * RATE + 13, 8 * RATE + 13)
"""The tempo changes one second into it."""
SECOND_AT, SECOND_TRIM = 14 * RATE, (1 * RATE, 4 * RATE)


class Tap:
    """Stands where Ardour's scripts find the daemon; keeps each message and hands it on."""

    def __init__(self, daemon: RunningDaemon) -> None:
        self.heard: list[OscMessage] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._daemon = ("127.0.0.1", daemon.port)
        Thread(target=self._pass_on, daemon=True).start()

    def starts(self) -> list[OscMessage]:
        return [m for m in list(self.heard) if m.address == "/bridge/job/start"]

    def _pass_on(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while True:
                packet = self._socket.recv(65536)
                self.heard += [message for timed in decode(packet) for message in timed.messages]
                out.sendto(packet, self._daemon)


def requested(message: OscMessage) -> dict[str, object]:
    """The job that the daemon makes of a message."""
    command = parse(message).command
    assert isinstance(command, StartJob)
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(command.request).items()}


def notes_on_timeline(region: Region) -> list[tuple[float, int]]:
    """Second and pitch of the notes of a MIDI region, by its file: Ardour writes beats."""
    file = mido.MidiFile(region.files[0])
    origin = beats_of((region.position - region.start) / RATE)
    notes = []
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                notes.append((seconds_of(origin + tick / file.ticks_per_beat), message.note))
    return sorted(notes)


def errors_ms(expected: list[tuple[float, int]], found: list[tuple[float, int]]) -> list[float]:
    """By how much each note found is late, against the nearest of its pitch."""
    return [1000 * min((at - due for due, p in expected if p == pitch), key=abs, default=1.0) for at, pitch in found]


class Story:
    """The studio, and what is done in it one after another."""

    def __init__(self, ardour: ArdourWindow, daemon: RunningDaemon, ear: Ear, server: JackServer, folder: Path) -> None:
        self.ardour, self.ear, self.server, self.folder = ardour, ear, server, folder
        self.output = daemon.output
        self.tap = Tap(daemon)
        # The scripts are to find port and results in the daemon's settings, and to be told of a program that hears along.
        own = ardour.home / ".config/stembridge/config.toml"
        own.parent.mkdir(parents=True)
        own.write_text(f'[osc]\nport = {self.tap.port}  # a tap\n[output]\nfolder = "{daemon.output}"\n')
        settings = ardour.scripts / "stembridge/settings.lua"
        settings.write_text(settings.read_text().replace("reply_to = nil", f'reply_to = "127.0.0.1:{ear.port}"'))

    def prepare(self) -> None:
        take, second = self.folder / f"{TAKE}.wav", self.folder / f"{SECOND}.wav"
        write_melody(take, 12.0)
        samples, rate = soundfile.read(take)
        soundfile.write(take, samples * [1.0, 0.5], rate)  # so that exchanged channels would show
        write_melody(second, 6.0)
        samples, rate = soundfile.read(second)
        soundfile.write(second, samples[:, 0], rate)
        self.ardour.place(take, trim=TAKE_TRIM, position=TAKE_AT)
        self.ardour.place(second, trim=SECOND_TRIM, position=SECOND_AT)

    def region(self, track: str) -> Region:
        return next(region for region in self.ardour.regions() if region.track == track)

    def play(self, stem: str, *tracks: str) -> list[OscMessage]:
        """Select, run the action; return what it sent."""
        before = len(self.tap.starts())
        self.ardour.select(*tracks)
        self.ardour.run_action(f"play_{stem}")
        self.ardour.wait(lambda: len(self.tap.starts()) >= before + len(tracks), 10, "the action sent nothing")
        return self.tap.starts()[before:]

    def answer(self, name: str, job: object, timeout: float = 60) -> tuple[object, ...]:
        """Wait for what the daemon says of a job, at the address that `reply_to` names."""
        found: list[tuple[object, ...]] = []

        def look() -> bool:
            found[:] = [h.arguments for h in self.ear.of(name) if h.arguments[0] == job]
            return bool(found)

        self.ear.wait_until(look, timeout, f"{name} of {job}")
        return found[0]

    def record(self) -> Region:
        """Let Ardour roll over the clip, its MIDI track armed and connected to StemBridge; return what it recorded."""
        self.connect()
        self.ear.send("/bridge/subscribe", "transport")
        self.ear.send("/bridge/clock/source", "ardour")
        self.ardour.lua(
            """
            for r in Session:get_routes():iter() do
              if r:name() == "Bridge" then
                r:to_track():rec_enable_control():set_value(1, PBD.GroupControlDisposition.NoGroup)
              end
            end
            Session:maybe_enable_record(true)
            """
        )
        self.ear.wait_until(lambda: self.ear.of("clock")[-1].arguments[:2] == ("ardour", 1), what="Ardour's clock")
        self.ardour.osc("/locate", 3 * RATE, 0)
        time.sleep(0.5)
        self.ardour.osc("/transport_play")
        time.sleep((TAKE_AT + TAKE_TRIM[1] - TAKE_TRIM[0]) / RATE - 3 + 1.0)
        self.ardour.osc("/transport_stop")
        self.ardour.wait(lambda: any(r.track == "Bridge" for r in self.ardour.regions()), 10, "nothing was recorded")
        self.ardour.osc("/save_state")
        return self.region("Bridge")

    def connect(self) -> None:
        client = jack.Client("patchbay", no_start_server=True, servername=self.server.name)
        try:
            client.connect("StemBridge:out", "ardour:Bridge/midi_in 1")
        except jack.JackError as error:
            raise RuntimeError("Ardour has lost the JACK server") from error
        finally:
            client.close()

    def refused(self, *tracks: str) -> str:
        """Run the action where it cannot; return the picture of what Ardour then shows."""
        before = len(self.tap.heard)
        self.ardour.select(*tracks)
        self.ardour.run_action("play_vocals")
        window = self.ardour.dialog()
        picture = self.folder / "refused.png"
        self.ardour.picture(picture)
        self.ardour.close_dialog(window)
        assert len(self.tap.heard) == before
        return str(picture)


def main(folder: Path) -> dict[str, object]:
    folder.mkdir(parents=True)
    repo = make_repo(folder / "models", {"copy": mixer(0, 0, 0.5, 1, segment=4.0)})
    with JackServer(RATE) as server, Display() as display:
        settings = {
            "midi": {"backend": "jack", "jack_server": server.name},
            "inference": {
                "model": "copy",
                "models_folder": str(repo),
                "allow_download": False,
                "transcriber": "madmom-cnn",
            },
        }
        with (
            RunningDaemon(folder / "daemon", settings, server.environment) as daemon,
            daemon.ear() as ear,
            MidiReceiver(server) as synth,
            ArdourWindow(server, display, folder / "ardour") as ardour,
        ):
            story = Story(ardour, daemon, ear, server, folder)
            story.prepare()
            report = tell(story)
            return report | {"heard": [(event.host, event.data[1]) for event in synth.ons]}


def tell(story: Story) -> dict[str, object]:
    begun = time.monotonic()
    report: dict[str, object] = {}
    (message,) = story.play("vocals", TAKE)
    report["take"] = {"region": told(story.region(TAKE)), "request": requested(message)}
    story.answer("job/done", message.arguments[0])
    result = story.answer("job/result", message.arguments[0])
    truth = [(TAKE_AT / RATE + note.onset, note.pitch) for note in read_notes(Path(str(result[3])))]
    report["played"] = truth

    recorded = story.record()
    report["recorded"] = notes_on_timeline(recorded)
    report["recorded_errors_ms"] = errors_ms(truth, notes_on_timeline(recorded))

    story.ardour.select(TAKE)
    story.ardour.run_action("import")
    audio, notes = f"vocals of {TAKE}", f"vocals of {TAKE} (MIDI)"
    story.ardour.wait(lambda: {r.track for r in story.ardour.regions()} >= {audio, notes}, 15, "nothing was imported")
    story.ardour.osc("/save_state")
    time.sleep(0.5)
    stem = story.region(audio)
    notes_region = story.region(notes)
    report["imported"] = {"audio": told(stem), "notes": told(notes_region)}
    report["imported_domain"] = time_domain(story, notes_region.name)
    report["imported_difference"] = difference(stem, story.region(TAKE))
    report["imported_notes"] = notes_on_timeline(notes_region)
    report["imported_errors_ms"] = errors_ms(truth, notes_on_timeline(notes_region))
    story.ardour.osc("/access_action", "Editor/zoom-to-session")
    time.sleep(1.0)
    story.ardour.picture(story.folder / "imported.png")

    report["refused"] = story.refused(notes)

    several = story.play("other", TAKE, SECOND)
    report["several"] = [requested(message) for message in several]
    report["second"] = told(story.region(SECOND))
    for message in several:
        story.answer("job/accepted", message.arguments[0])
    story.ardour.run_action("cancel")
    report["unloaded"] = [story.answer("job/unloaded", message.arguments[0])[1] for message in several]
    report["seconds"] = time.monotonic() - begun
    return report


def told(region: Region) -> dict[str, object]:
    return region._asdict() | {"files": [str(path) for path in region.files]}


def time_domain(story: Story, name: str) -> str:
    """Whether the saved session has a region's length and position in beats, `b@b`, or in audio's time, `a@a`."""
    session = (story.ardour.session / "s.ardour").read_text()
    (length,) = re.findall(rf'<Region name="{name}"[^>]* length="(\w+@\w+)"', session.split("<Playlists>")[1])
    return re.sub(r"\d", "", length)


def difference(stem: Region, take: Region) -> float:
    """The largest difference between the stem's samples on the timeline and the clip's: the model gives back what it gets."""
    parts = [np.stack([soundfile.read(path)[0] for path in region.files]) for region in (stem, take)]
    a, b = (
        part[:, region.start : region.start + region.length] for part, region in zip(parts, (stem, take), strict=True)
    )
    frames = min(a.shape[1], b.shape[1])
    return float(np.abs(a[:, :frames] - b[:, :frames]).max())


if __name__ == "__main__":
    for attempt in range(_ATTEMPTS):
        try:
            print(json.dumps(main(Path(sys.argv[1]) / str(attempt))))
            break
        except (RuntimeError, TimeoutError) as error:
            print(error, file=sys.stderr)
    sys.stdout.flush()
    os._exit(0)  # threads that read sockets wait for ever

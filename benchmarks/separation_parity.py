"""Streamed separation against `demucs.api.Separator(shifts=0, overlap=0.25)` in one run: differences and times.

    python -m benchmarks.separation_parity [--seconds 20] [--threads 1] [--rounds 1] [--model htdemucs [--folder DIR]]

Without `--model`, networks with random weights of every kind that Demucs knows; `htdemucs_full` has the size of the published
one, so its times are those of the real model. The last lines give its times and the stems' distance from float32 in the
half-width formats. The reference runs in a process of its own, so that nothing that StemBridge sets in a process helps it.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from demucs.api import Separator as WholeFileSeparator

from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.precision import PrecisionName
from bridge.inference.precision_choice import sdr_db
from bridge.music.sound import Stem
from bridge.session.ports import Separator
from bridge.units import Seconds
from tests.inference.model_zoo import RATE, ArrayClip, hdemucs, htdemucs, make_repo, song, time_demucs

NETWORKS = {
    "hdemucs": hdemucs(0, 2.0),
    "hdemucs_long": hdemucs(1, 3.0),
    "demucs": time_demucs(2, 2.0),
    "htdemucs": htdemucs(3, 2),
    "htdemucs_full": htdemucs(4, Fraction(39, 5), full_size=True),
}
BAGS = {
    "bag_one_hot": {"models": ["hdemucs", "hdemucs_long", "demucs", "htdemucs"], "weights": np.eye(4).tolist()},
    "bag_mixed": {
        "models": ["hdemucs", "hdemucs_long", "demucs", "htdemucs"],
        "weights": [[1, 0, 0.2, 0.5], [0, 1, 0.3, 0.25], [0, 0.3, 1, 0], [0, 0, 0.7, 1]],
    },
}


def whole_file(
    name: str, folder: Path | None, samples: np.ndarray, threads: int
) -> tuple[dict[str, np.ndarray], float]:
    """Separate as Demucs does; return stems and seconds."""
    torch.set_num_threads(threads)
    separator = WholeFileSeparator(name, repo=folder, device="cpu", shifts=0, overlap=0.25)
    begin = time.perf_counter()
    stems = separator.separate_tensor(torch.from_numpy(samples.copy()))[1]
    return {stem: array.numpy() for stem, array in stems.items()}, time.perf_counter() - begin


def streamed(
    separator: Separator, samples: np.ndarray, stems: list[Stem], at: float
) -> tuple[dict[Stem, np.ndarray], float, float]:
    """Separate with the playhead at `at` seconds; return stems, seconds, and seconds until the first stretch."""
    result = {stem: np.zeros_like(samples) for stem in stems}
    begin = time.perf_counter()
    first_s = 0.0
    for stretch in separator.separate(ArrayClip(samples), stems, lambda: Seconds(at)):
        first_s = first_s or time.perf_counter() - begin
        for stem, part in stretch.stems.items():
            result[stem][:, stretch.start : stretch.start + part.shape[1]] = part
    return result, time.perf_counter() - begin, first_s


def compare(
    reference: Executor, name: str, options: ModelOptions, samples: np.ndarray, stems: list[Stem], *, rounds: int
) -> None:
    """Print one line: a model, how far its stems are from Demucs', and the medians of what both ways took."""
    separator = ModelLoader(options).load(name, stems)
    whole_s, streamed_s, first_s = [], [], []
    for _ in range(rounds):
        expected, seconds = reference.submit(whole_file, name, options.folder, samples, options.threads).result()
        whole_s.append(seconds)
        # Not from the start: the order must not matter.
        found, seconds, first = streamed(separator, samples, stems, samples.shape[1] / RATE / 2)
        streamed_s.append(seconds)
        first_s.append(first)
    difference = max(float(np.abs(found[stem] - expected[stem]).max()) for stem in stems)
    level = min(sdr_db(torch.from_numpy(expected[stem]), torch.from_numpy(found[stem])) for stem in stems)
    asked = "all" if len(stems) == len(Stem) else ",".join(stems)
    times = f"{median(whole_s):10.2f} {median(streamed_s):10.2f} {median(first_s):10.2f}"
    print(f"{name:16} {separator.precision:9} {asked:8} {difference:10.1e} {level:8.1f} {times}", flush=True)


def time_spleeter(samples: np.ndarray) -> None:
    """Print Spleeter's line; it has no outside reference that runs here, so no difference."""
    separator = ModelLoader(ModelOptions(device="cpu")).load("spleeter-2stems", [Stem.VOCALS])
    _, seconds, first = streamed(separator, samples, [Stem.VOCALS], 0.0)
    print(f"{separator.model:16} {'float32':9} {'vocals':8} {'-':>10} {'-':>8} {'-':>10} {seconds:10.2f} {first:10.2f}")


def main() -> None:
    """Compare one named model, or all kinds with random weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the made-up clip")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--rounds", type=int, default=1, help="of both ways in turns, whose medians are given")
    parser.add_argument("--model", help="a model of Demucs' hub or of --folder")
    parser.add_argument("--folder", type=Path, help="of models of your own")
    options = parser.parse_args()
    samples = song(options.seconds)
    length = f"clip {samples.shape[1] / RATE:.1f} s"
    print(f"{length}, {options.threads} thread(s), PyTorch {torch.__version__}, CPU, medians of {options.rounds}")
    titles = f"{'max diff':>10} {'SDR dB':>8} {'whole s':>10} {'streamed s':>10} {'first s':>10}"
    print(f"{'model':16} {'precision':9} {'stems':8} {titles}")
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as reference,
        tempfile.TemporaryDirectory() as made,
    ):

        def line(name: str, stems: list[Stem], precision: PrecisionName = "float32") -> None:
            chosen = ModelOptions(folder=folder, device="cpu", precision=precision, threads=options.threads)
            compare(reference, name, chosen, samples, stems, rounds=options.rounds)

        if options.model:
            folder = options.folder
            for precision in ("float32", "auto"):
                line(options.model, list(Stem), precision)
            return
        folder = make_repo(Path(made), NETWORKS, BAGS)
        for name in (*NETWORKS, *BAGS):
            line(name, list(Stem))
        for name in BAGS:
            line(name, [Stem.VOCALS])
        for precision in ("auto", "bfloat16"):
            line("htdemucs_full", [Stem.VOCALS], precision)
        time_spleeter(samples)


if __name__ == "__main__":
    main()

"""Streamed separation against `demucs.api.Separator(shifts=0, overlap=0.25)` in one run: differences and times.

    python -m benchmarks.separation_parity [--seconds 20] [--threads 1] [--model htdemucs [--folder DIR]]

Without `--model`, networks with random weights of every kind that Demucs knows; `htdemucs, full width` has the size of
the published one, so its times are those of the real model.
"""

import argparse
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from demucs.api import Separator as WholeFileSeparator

from bridge.inference.models import ModelLoader, ModelOptions
from bridge.music.sound import Stem
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


def compare(name: str, folder: Path | None, samples: np.ndarray, stems: list[Stem]) -> None:
    """Print one line: the model, its largest difference in any sample, and what both ways took."""
    whole = WholeFileSeparator(name, repo=folder, device="cpu", shifts=0, overlap=0.25)
    begin = time.perf_counter()
    expected = whole.separate_tensor(torch.from_numpy(samples.copy()))[1]
    whole_s = time.perf_counter() - begin
    loader = ModelLoader(ModelOptions(model="htdemucs", folder=folder, device="cpu"))
    separator = loader.load(name, stems)
    begin = time.perf_counter()
    first_s = None
    difference = 0.0
    for stretch in separator.separate(ArrayClip(samples), stems):
        first_s = first_s or time.perf_counter() - begin
        for stem, part in stretch.stems.items():
            end = stretch.start + part.shape[1]
            difference = max(difference, float(np.abs(part - expected[stem][:, stretch.start : end].numpy()).max()))
    streamed_s = time.perf_counter() - begin
    asked = "all" if len(stems) == len(Stem) else ",".join(stems)
    print(f"{separator.model:16} {asked:8} {difference:10.1e} {whole_s:10.2f} {streamed_s:10.2f} {first_s:12.2f}")


def time_spleeter(samples: np.ndarray) -> None:
    """Print Spleeter's line; it has no outside reference that runs here, so no difference."""
    separator = ModelLoader(ModelOptions(device="cpu")).load("spleeter-2stems", [Stem.VOCALS])
    begin = time.perf_counter()
    times = [time.perf_counter() - begin for _ in separator.separate(ArrayClip(samples), [Stem.VOCALS])]
    print(f"{separator.model:16} {'vocals':8} {'-':>10} {'-':>10} {times[-1]:10.2f} {times[0]:12.2f}")


def main() -> None:
    """Compare one named model, or all kinds with random weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the made-up clip")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--model", help="a model of Demucs' hub or of --folder")
    parser.add_argument("--folder", type=Path, help="of models of your own")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    samples = song(options.seconds)
    print(
        f"clip {samples.shape[1] / RATE:.1f} s, {options.threads} thread(s), PyTorch {torch.__version__}, CPU, float32"
    )
    print(f"{'model':16} {'stems':8} {'max diff':>10} {'whole s':>10} {'streamed s':>10} {'first s':>12}")
    if options.model:
        compare(options.model, options.folder, samples, list(Stem))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = make_repo(Path(made), NETWORKS, BAGS)
        for name in (*NETWORKS, *BAGS):
            compare(name, folder, samples, list(Stem))
        for name in BAGS:
            compare(name, folder, samples, [Stem.VOCALS])
    time_spleeter(samples)


if __name__ == "__main__":
    main()

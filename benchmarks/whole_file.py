"""What there is without StemBridge: Demucs on the whole file, then madmom on the whole stem; in a process of its own.

    python -m benchmarks.whole_file REPO MODEL CLIP [--no-notes]

Prints one line of JSON: seconds of each, the notes of madmom (onset, pitch, duration), and the most memory that the process held. Demucs
runs as its users run it, without what StemBridge's process sets for its own sake.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import soundfile
import torch
from demucs.api import Separator

from bridge.inference.madmom_models import madmom
from tests.inference.madmom_reference import adsr_notes, signal


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repo", type=Path)
    parser.add_argument("model")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--no-notes", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(os.cpu_count() or 1)
    separator = Separator(options.model, repo=options.repo, device="cpu", shifts=0, overlap=0.25)
    samples = soundfile.read(options.clip, dtype="float32", always_2d=True)[0].T.copy()
    began = time.perf_counter()
    stems = separator.separate_tensor(torch.from_numpy(samples))[1]
    found = {"separation": time.perf_counter() - began, "transcription": 0.0, "notes": []}
    if not options.no_notes:
        network = madmom.features.notes.CNNPianoNoteProcessor()
        began = time.perf_counter()
        activations = network(signal(stems["vocals"].numpy()))
        found["notes"] = adsr_notes(activations)[0].tolist()
        found["transcription"] = time.perf_counter() - began
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()

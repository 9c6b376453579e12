"""When notes begin against when they were played, with the transcribers' own onsets and with refined ones.

    python -m benchmarks.onset_error [FOLDER] [--only TEXT]

Made-up pieces always; recordings where FOLDER, or else STEMBRIDGE_DATA, holds them: `benchmarks.recordings` says in which form. Notes
are matched within 50 ms and half a semitone (mir_eval). Of those that are, in ms: the median error, below 0 where they come too
early; the median and the 99th percentile of its size; and the median of its distance from the median error, as some references
lie as a whole before or after the sound. Then F within 50 ms and within 25 ms. What `refine_onsets` leaves alone is not listed.

`lag` is what StemBridge's own quality report measures, without any reference: by how many ms the notes are late against the sound.

Each piece is fed in 20 ms and in 6 s at once, and has to give the same notes. One thread.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import describe
from benchmarks.recordings import Piece, made_up, recorded
from benchmarks.scoring import Notes, hear, onset_errors, score
from benchmarks.transcribers import PITCHED, get
from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.inference.transcribers import LoadedTranscribers, auto_for
from bridge.music.measures import QualityMeter
from bridge.music.notes import Note
from bridge.music.sound import Stem
from bridge.session.ports import Transcriber
from bridge.units import Seconds

NEAR, NEARER = 0.05, 0.025
"""Seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("STEMBRIDGE_DATA"))
    parser.add_argument("--only", default="", metavar="TEXT", help="pieces whose names hold this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe())
    if options.folder is None:
        print("no folder named and STEMBRIDGE_DATA not set: recordings are left out")
    pieces = [*made_up(), *(recorded(Path(options.folder)) if options.folder else ())]
    ways = LoadedTranscribers(), LoadedTranscribers(refine_onsets=True)
    print(f"\n{'':67} median   |e|   |e|  from    F at  F at  lag")
    print(
        f"{'piece':40} {'transcriber':12} {'onsets':8} found error median  p99 median 50 ms 25 ms   ms",
    )
    for piece in pieces:
        if options.only in piece.name and piece.stem is not Stem.DRUMS:
            report(piece, *ways)


def report(piece: Piece, plain: LoadedTranscribers, refining: LoadedTranscribers) -> None:
    for name in PITCHED:
        pair = [get(transcribers, name, piece.stem) for transcribers in (plain, refining)]
        if pair[0].fingerprint == pair[1].fingerprint:
            continue
        found = [notes_and_lag(transcriber, piece) for transcriber in pair]
        for whose, true in piece.references.items():
            picked = "*" if name == auto_for(piece.stem) else " "
            for what, (notes, lag) in zip(("frames", "refined"), found, strict=True):
                title = f"{f'{piece.name} {whose}':40} {name:11}{picked}" if what == "frames" else f"{'':53}"
                print(f"{title} {what:8} {' '.join(columns(Notes.of(notes), true))} {lag}", flush=True)


def notes_and_lag(transcriber: Transcriber, piece: Piece) -> tuple[tuple[Note, ...], str]:
    notes = hear(transcriber, piece.samples).notes
    meter = QualityMeter(lambda start, stop: piece.samples[:, start:stop], SAMPLE_RATE)
    end = Seconds(piece.samples.shape[1] / SAMPLE_RATE)
    lag = meter.report(notes, Seconds(0.0), end, lambda: None).onset_lag_ms
    return notes, "   -" if lag is None else f"{lag:4.0f}"


def columns(found: Notes, true: Notes) -> Iterator[str]:
    errors = 1000.0 * onset_errors(found, true)
    yield f"{len(errors):5}"
    if len(errors):
        bias, sizes = float(np.median(errors)), np.abs(errors)
        yield f"{bias:5.1f} {np.median(sizes):6.1f} {np.quantile(sizes, 0.99):4.0f} {np.median(np.abs(errors - bias)):6.1f}"
    else:
        yield f"{'-':>5} {'-':>6} {'-':>4} {'-':>6}"
    for near in (NEAR, NEARER):
        yield f"{score(found, true, ends=False, near=near).f:5.2f}"


if __name__ == "__main__":
    main()

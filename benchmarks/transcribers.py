"""Every transcriber on music whose notes are known: how many it finds, how soon, how fast, and how loud.

    python -m benchmarks.transcribers [FOLDER] [--basic-pitch PYTHON] [--only TEXT]

Made-up pieces always; recordings where FOLDER, or else STEMBRIDGE_DATA, holds them: `benchmarks.recordings` says in which form.
A found note is right within 50 ms and half a semitone; with its end, also within 50 ms or a fifth of the duration (mir_eval).
`bent` is the F of onsets with the pitch that sounds where bends are played, as a singer's lies between the keys. The
delay is from the onset until enough audio for the note to be final was there, fed 20 ms at a time. The star marks what `auto`
picks for such a stem. A second table says how much the notes of separated vocals are those of the true ones.

`--basic-pitch` names the Python of an environment that has Spotify's basic-pitch (Apache-2.0), which hears the whole file at once:

    python3.11 -m venv somewhere && somewhere/bin/pip install 'basic-pitch[onnx]'
    python -m benchmarks.transcribers FOLDER --basic-pitch somewhere/bin/python

One thread each.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.machine import describe
from benchmarks.recordings import Mix, Piece, made_up, mixes, recorded
from benchmarks.scoring import Heard, Notes, hear, score, velocity_correlation
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.inference.separate_spleeter import SPLEETER_NAME
from bridge.inference.transcribers import LoadedTranscribers, auto_for
from bridge.music.notes import Note
from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS
from bridge.session.ports import Transcriber
from bridge.session.request import TranscriberName
from bridge.units import Pitch, Seconds, Velocity
from tests.inference.model_zoo import ArrayClip

PITCHED = (TranscriberName.MADMOM_CNN, TranscriberName.MADMOM_RNN, TranscriberName.MONO)
"""Those whose notes have pitches; the keys of drums are names."""
BASIC_PITCH = "basic-pitch"
SINGING = (TranscriberName.MONO, TranscriberName.MADMOM_CNN)
"""Those that separated vocals are tried with."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("STEMBRIDGE_DATA"))
    parser.add_argument("--basic-pitch", metavar="PYTHON", help="of an environment that has basic-pitch")
    parser.add_argument("--only", default="", metavar="TEXT", help="pieces whose names hold this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe())
    print(f"swift-f0 {version('swift-f0')}, onnxruntime {version('onnxruntime')}, mir_eval {version('mir_eval')}")
    folder = options.folder and Path(options.folder)
    if folder is None:
        print("no folder named and STEMBRIDGE_DATA not set: recordings are left out")
    pieces = [*made_up(), *(recorded(folder) if folder else ())]
    pieces = [piece for piece in pieces if options.only in piece.name]
    transcribers = LoadedTranscribers()
    beside = basic_pitch(options.basic_pitch, pieces) if options.basic_pitch else [None] * len(pieces)
    heading()
    for piece, other in zip(pieces, beside, strict=True):
        report(piece, transcribers, other)
    if folder:
        agreement([mix for mix in mixes(folder) if options.only in mix.name], transcribers)


def get(transcribers: LoadedTranscribers, name: TranscriberName, stem: Stem) -> Transcriber:
    return transcribers.get(name, stem, PARAMETERS["hold_ms"].default)


def heading() -> None:
    print(f"\n{'':40} {'':12}                   onset                 with offset       delay, ms  times  velocity")
    print(
        f"{'piece':40} {'transcriber':12} played found    P    R    F bent      P    R    F   median  p95   real  correlation"
    )


def report(piece: Piece, transcribers: LoadedTranscribers, other: Heard | None) -> None:
    names = (TranscriberName.DRUMS,) if piece.stem is Stem.DRUMS else PITCHED
    heard = {str(name): hear(get(transcribers, name, piece.stem), piece.samples) for name in names}
    if other is not None and piece.stem is not Stem.DRUMS:
        heard[BASIC_PITCH] = other
    for whose, true in piece.references.items():
        title = f"{piece.name} {whose}"
        for name, found in heard.items():
            notes, bent = Notes.of(found.notes), Notes.bent(found.notes)
            if piece.keys:
                notes = bent = notes.renamed(piece.keys[whose])
            picked = "*" if name == auto_for(piece.stem) else " "
            print(
                f"{title:40} {name:11}{picked} {line(notes, bent, true, found, durations=piece.durations)}", flush=True
            )
            title = ""


def line(notes: Notes, bent: Notes, true: Notes, heard: Heard, *, durations: bool) -> str:
    whole = str(score(notes, true, ends=True)) if durations else f"{'-':>14}"
    delays = "      -    -"
    if len(heard.delays):
        median, late = 1000 * np.quantile(heard.delays, [0.5, 0.95])
        delays = f"{median:7.0f} {late:4.0f}"
    correlation = velocity_correlation(notes, true)
    loudness = "-" if correlation is None else f"{correlation:.2f}"
    return f"{len(true):6} {len(notes):5} {score(notes, true, ends=False)} {score(bent, true, ends=False).f:4.2f} {whole:>16} {delays} {heard.speed:7.0f} {loudness:>9}"


def agreement(multitracks: Sequence[Mix], transcribers: LoadedTranscribers) -> None:
    if not multitracks:
        print("\nno mixture with its vocals: separated vocals are left out")
        return
    separator = ModelLoader(ModelOptions(model=SPLEETER_NAME, device="cpu")).load(None, [Stem.VOCALS])
    print(f"\nnotes against those of the true vocals, onset; vocals separated by {separator.model}")
    print(f"{'':40} {'':12}                separated         mixture as it is")
    print(f"{'piece':40} {'transcriber':12}   true found    P    R    F  found    P    R    F")
    for mix in multitracks:
        stretches = separator.separate(ArrayClip(mix.mixture), [Stem.VOCALS], lambda: Seconds(0.0))
        separated = np.concatenate([stretch.stems[Stem.VOCALS] for stretch in stretches], axis=1)
        title = mix.name
        for name in SINGING:
            transcriber = get(transcribers, name, Stem.VOCALS)
            true, found, unseparated = (
                Notes.of(hear(transcriber, samples).notes) for samples in (mix.vocals, separated, mix.mixture)
            )
            picked = "*" if name == auto_for(Stem.VOCALS) else " "
            print(
                f"{title:40} {name:11}{picked} {len(true):6} {len(found):5} {score(found, true, ends=False)}"
                f" {len(unseparated):6} {score(unseparated, true, ends=False)}",
                flush=True,
            )
            title = ""


def basic_pitch(python: str, pieces: Sequence[Piece]) -> list[Heard]:
    """What basic-pitch makes of the pieces, at its own defaults."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.wav" for number in range(len(pieces))]
        for path, piece in zip(files, pieces, strict=True):
            soundfile.write(path, piece.samples.T, SAMPLE_RATE, subtype="FLOAT")
        script = Path(__file__).with_name("basic_pitch_notes.py")
        # The threads of its libraries are counted here; it is read by no one but us.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""}
        run = subprocess.run([python, script, *files], env=environment, capture_output=True, check=False)
    if run.returncode:
        raise SystemExit(f"{BASIC_PITCH} did not run with {python}:\n{run.stderr.decode()[-2000:]}")
    answer = json.loads(run.stdout)
    print(f"{BASIC_PITCH} {answer['version']}")
    found = []
    for piece, result in zip(pieces, answer["files"], strict=True):
        notes = tuple(
            Note(Seconds(onset), Seconds(duration), Pitch(pitch), Velocity(velocity), 1.0)
            for onset, duration, pitch, velocity in result["notes"]
        )
        found.append(Heard(notes, np.empty(0), piece.samples.shape[1] / SAMPLE_RATE / result["spent"]))
    return found


if __name__ == "__main__":
    main()

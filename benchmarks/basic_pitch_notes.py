"""The notes that Spotify's basic-pitch finds in audio files; run by `benchmarks.transcribers`, in an environment of its own.

    PYTHON basic_pitch_notes.py FILE... > notes.json

It needs nothing of StemBridge. The network runs on one thread of onnxruntime, with basic-pitch's own defaults.
"""

import contextlib
import importlib
import json
import sys
import time
from importlib.metadata import version


def run(files: list[str]) -> dict[str, object]:
    """Per file: rows of onset s, duration s, pitch, velocity; and the seconds of processor time it took."""
    package = importlib.import_module("basic_pitch")
    inference = importlib.import_module("basic_pitch.inference")
    model = inference.Model(package.build_icassp_2022_model_path(package.FilenameSuffix.onnx))
    found = []
    # The first file is heard twice: what is compiled at first use counts for none.
    for path in [*files[:1], *files]:
        begin = time.process_time()
        _, _, notes = inference.predict(path, model)
        spent = time.process_time() - begin
        rows = [
            (float(onset), float(end - onset), int(pitch), round(127 * float(amplitude)))
            for onset, end, pitch, amplitude, _ in notes
        ]
        found.append({"notes": sorted(rows), "spent": spent})
    return {"version": version("basic-pitch"), "files": found[1:]}


if len(sys.argv) > 1:
    with contextlib.redirect_stdout(sys.stderr):
        answer = run(sys.argv[1:])
    json.dump(answer, sys.stdout)

"""Where notes fall on the timeline of a real Ardour that records them."""

import json
import subprocess
import sys
from math import inf
from pathlib import Path
from statistics import median

import pytest

from tests.alone import ALONE, missing_ardour, require
from tests.jack_peer import missing_jack

_TAKES = 3


def take(source: str, folder: Path) -> dict:
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.app.ardour_take", folder, source, "8", "capture"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def p99(found: dict) -> float:
    """Ms; where Ardour records by JACK's transport, some takes are a cycle beside their place as a whole."""
    beside = median(found["metronome_ms"]) if found["metronome_ms"] else 0.0
    assert abs(beside) < 11.0
    errors = sorted(abs(error - beside) for error in found["errors_ms"])
    return errors[int(len(errors) * 0.99)] if errors else inf


@pytest.mark.parametrize("source", ["jack", "midi", "ardour"])
def test_notes_are_recorded_at_their_places_on_the_timeline(source: str, tmp_path: Path) -> None:
    require(missing_ardour() or missing_jack())
    for number in range(_TAKES):
        found = take(source, tmp_path / str(number))
        # With a cycle that JACK misses, Ardour's timeline and its clock part: then once more.
        if p99(found) < 5.0 or not found["xruns"]:
            break
    # A clock that is heard only once it rolls may cost the first notes.
    assert found["played"] - 2 <= found["recorded"] <= found["played"]
    assert len(found["errors_ms"]) == found["recorded"]
    assert p99(found) < 5.0

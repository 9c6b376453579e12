"""Where notes fall on the timeline of a real Ardour that records them."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.alone import ALONE, missing_ardour, require
from tests.jack_peer import missing_jack


@pytest.mark.parametrize("source", ["jack", "midi", "ardour"])
def test_notes_are_recorded_at_their_places_on_the_timeline(source: str, tmp_path: Path) -> None:
    require(missing_ardour() or missing_jack())
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.app.ardour_take", tmp_path, source, "8", "capture"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    # A clock that is heard only once it rolls may cost the first notes.
    assert found["played"] - 2 <= found["recorded"] <= found["played"]
    # Where Ardour records by JACK's transport, some takes are a cycle beside their place as a whole.
    beside = median(found["metronome_ms"]) if found["metronome_ms"] else 0.0
    assert abs(beside) < 11.0
    errors = sorted(abs(error - beside) for error in found["errors_ms"])
    assert len(errors) == found["recorded"]
    assert errors[int(len(errors) * 0.99)] < 5.0

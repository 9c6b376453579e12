"""Ardour itself as the clock: over OSC, MIDI clock and MTC at once, against where its own transport was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alone import ALONE, missing_ardour, require
from tests.jack_peer import missing_jack


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict:
    require(missing_ardour() or missing_jack())
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.clock.ardour_rig", tmp_path_factory.mktemp("ardour")],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def errors(heard: dict, source: str, begin: float, end: float) -> list[float]:
    """Magnitudes in seconds, in order."""
    found = sorted(abs(error) for host, error in heard[source]["errors"] if begin <= host < end)
    assert len(found) > 50
    return found


def p99(found: list[float]) -> float:
    return found[int(len(found) * 0.99)]


def bound(heard: dict) -> float:
    """A JACK period, by which Ardour shifts what it sends where it believes in a latency, and 2 ms."""
    return heard["period"] + 0.002


@pytest.mark.parametrize("source", ["ardour", "midi", "mtc"])
def test_a_steady_roll_is_followed_to_a_period_at_p99(heard: dict, source: str) -> None:
    assert p99(errors(heard, source, heard["begun"] + 2, heard["begun"] + 6)) < bound(heard)


@pytest.mark.parametrize("source", ["ardour", "mtc"])
def test_a_tempo_change_moves_nothing_for_long(heard: dict, source: str) -> None:
    # Ardour 7.3's MIDI clock ticks on at the tempo before.
    found = errors(heard, source, heard["begun"] + 7, heard["moved"])
    # A thread reads the datagrams, and a busy machine lets it wait: a tenth may be worse.
    assert found[int(len(found) * 0.9)] < bound(heard)


@pytest.mark.parametrize("source", ["ardour", "midi", "mtc"])
def test_a_locate_is_found_within_half_a_second_and_kept_to_a_period(heard: dict, source: str) -> None:
    assert p99(errors(heard, source, heard["moved"] + 0.5, heard["stopped"])) < bound(heard)


@pytest.mark.parametrize("source", ["ardour", "midi"])
def test_a_stop_parks_where_ardour_stopped(heard: dict, source: str) -> None:
    assert heard[source]["playing"] is False
    # A cycle, or a tick of the clock.
    assert heard[source]["parked"] == pytest.approx(heard["parked"], abs=0.06)


def test_mtc_ends_with_its_quarter_frames(heard: dict) -> None:
    assert heard["mtc"]["playing"] is False


def test_the_tempi_that_no_address_tells_are_measured(heard: dict) -> None:
    assert heard["ardour"]["tempi"][-1] == 97

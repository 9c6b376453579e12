"""Ableton Link with a real second peer, in a network namespace where nobody else hears of it."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.clock.link import LinkSource
from bridge.clock.project import ProjectClock
from bridge.errors import BridgeError, ErrorCode
from bridge.units import Bpm, HostTime
from tests.alone import ALONE, missing_namespace, require


def _missing_link() -> str | None:
    if importlib.util.find_spec("aalink") is None:
        return "aalink is not installed (pip install 'stembridge[link]')"
    return missing_namespace()


def rig(part: str) -> dict[str, object]:
    """What happened on our side."""
    require(_missing_link())
    folders = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.clock.link_rig", part],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_peers_tempo_phase_start_and_stop_are_followed_and_its_leaving_is_a_loss() -> None:
    found = rig("follow")
    assert found["located_at_first"] is False
    assert found["located"] is True
    errors = sorted(found["errors"])
    assert errors[len(errors) // 2] < 0.001
    # Its first beat is 0, in the bar that it began to play in or the next.
    assert -4 <= found["beats"] < 4
    assert [*map(tuple, found["sources"])] == [("link", False), ("link", True), ("link", False)]


def test_a_peer_is_led_in_tempo_phase_start_and_stop() -> None:
    found = rig("lead")
    assert found["playing"] is True
    assert all(abs(off) < 0.006 for off in found["phases"])


def test_without_aalink_link_is_refused_by_the_package_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aalink", None)  # What import finds where a package is missing.
    clock = ProjectClock(Bpm(120.0), lambda: HostTime(0.0), lambda _: None, lambda *_: None, [LinkSource()])
    clock.start()
    with pytest.raises(BridgeError, match="aalink") as refusal:
        clock.choose("link")
    assert refusal.value.code is ErrorCode.NOT_SUPPORTED
    assert clock.wish == "auto"

"""One studio for the tests that do not break it, and one JACK server for all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.studio import OpenStudio, Studio
from tests.jack_peer import JackServer, jack_server


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with jack_server() as server:
        yield server


@pytest.fixture(scope="module")
def rooms(server: JackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests of this file that do not break it."""
    with OpenStudio(tmp_path_factory.mktemp("studio"), server, "Studio") as studio:
        yield studio


@pytest.fixture
def studio(rooms: Studio) -> Iterator[Studio]:
    """The studio, silent and idle, with a fresh ear and a closed gate."""
    rooms.gate.unlink(missing_ok=True)
    Path(f"{rooms.gate}.log").unlink(missing_ok=True)
    rooms.synth.events.clear()
    with rooms.daemon.ear("job", "quality", "transport", "note", "midi") as ear:
        rooms.ear = ear
        yield rooms
        rooms.open_gate()
        rooms.ear.send("/bridge/transport/stop")
        rooms.ear.send("/bridge/job/cancel")
        rooms.ear.ask("/bridge/ping", answer="pong")
    assert rooms.synth.wait_for(lambda: not rooms.synth.sounding()), "a note hangs after the test"

"""The daemon with a playhead in the middle of a clip: what lies there is analysed and heard first, also after a jump."""

from pathlib import Path

import pytest

from bridge.midi.file_read import read_notes
from tests.app.studio import Studio

PITCHES = tuple(range(40, 79))
"""A note a second, each with a pitch of its own, from 0.5 s on."""
BEATS = 2.0
"""In a second, at the internal clock's 120 a minute."""


@pytest.fixture
def scale(studio: Studio) -> Path:
    studio.ear.send("/bridge/transport/stop")
    studio.ear.send("/bridge/transport/tempo", 120.0)
    return studio.song(40, every=1.0, length=0.7, pitches=PITCHES)


def locate(studio: Studio, seconds: float) -> None:
    studio.ear.ask("/bridge/transport/locate", seconds * BEATS, answer="transport")


def heard_from(studio: Studio, seconds: float, notes: int) -> list[int]:
    """Roll from there until so many notes were heard; return their pitches."""
    studio.synth.events.clear()
    locate(studio, seconds)
    studio.ear.send("/bridge/transport/play")
    assert studio.synth.wait_for(lambda: len(studio.synth.ons) >= notes, 30)
    studio.ear.send("/bridge/transport/stop")
    assert studio.synth.wait_for(lambda: not studio.synth.sounding())
    return [on.place[1] for on in studio.synth.ons][:notes]


def test_what_lies_under_the_playhead_is_heard_before_the_clips_start_is_separated(studio: Studio, scale: Path) -> None:
    locate(studio, 30.0)
    studio.ear.start_job("a", scale, model="held", sync="transport", at=0.0)
    studio.ear.wait_until(lambda: studio.segments_begun() == 4, what="the fourth segment, which waits at the gate")
    assert heard_from(studio, 30.0, 3) == list(PITCHES[30:33])
    assert studio.ear.endings("a") == []
    studio.open_gate()
    studio.ear.wait("job/done", "a", timeout=60)
    written = read_notes(Path(str(studio.ear.wait("job/result", "a").arguments[3])))
    assert [note.pitch for note in written] == list(PITCHES), "in the end nothing is missing"


def test_a_seek_brings_forward_what_is_under_it(studio: Studio, scale: Path) -> None:
    locate(studio, 30.0)
    studio.ear.start_job("a", scale, model="held", sync="transport", at=0.0)
    studio.ear.wait_until(lambda: studio.segments_begun() == 4, what="the fourth segment, which waits at the gate")
    locate(studio, 10.2)
    studio.open_gate(3)  # The one that waits, and two that are chosen after the jump.
    studio.ear.wait_until(lambda: studio.segments_begun() == 7, what="the seventh segment")
    assert heard_from(studio, 10.2, 2) == list(PITCHES[10:12])
    assert studio.ear.endings("a") == []
    studio.open_gate()
    studio.ear.wait("job/done", "a", timeout=60)
    assert studio.ear.wait("job/result", "a").arguments[2] == len(PITCHES)
    assert heard_from(studio, 0.0, 3) == list(PITCHES[:3]), "what came last is there too"


def test_the_files_are_those_of_a_job_that_began_at_the_start(studio: Studio, scale: Path) -> None:
    locate(studio, 20.0)
    studio.ear.start_job("middle", scale, model="copy", sync="transport", at=0.0)
    studio.ear.wait("job/done", "middle", timeout=60)
    locate(studio, 0.0)
    studio.ear.start_job("start", scale, model="copy", sync="transport", at=0.0)
    studio.ear.wait("job/done", "start", timeout=60)
    files = [studio.ear.wait("job/result", job).arguments[3:5] for job in ("middle", "start")]
    for one, other in zip(*files, strict=True):
        assert Path(str(one)).read_bytes() == Path(str(other)).read_bytes()

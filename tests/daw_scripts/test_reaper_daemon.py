"""REAPER's scripts and a running daemon: the action plays notes at the clip's place, and the import reads the daemon's files."""

import json
import time
from bisect import bisect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.midi.file_read import read_notes
from bridge.music.notes import Note
from tests.alone import require
from tests.daemon_peer import Ear, RunningDaemon
from tests.daw_scripts.reaper_peer import PLAY_VOCALS, Reaper, clip, missing_lua
from tests.inference.model_zoo import make_repo, mixer
from tests.sounds import write_melody

PLACE, OFFSET, LENGTH = 1.0, 0.95, 7.0
"""Of the clip: project seconds, seconds of its file, seconds."""
TEMPI = [{"seconds": 0.0, "bpm": 120}, {"seconds": 3.0, "bpm": 90}]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One for all, as each takes its time to start."""
    require(missing_lua())
    folder = tmp_path_factory.mktemp("daemon")
    repo = make_repo(folder / "models", {"copy": mixer(0, 0, 0.5, 1, segment=4.0)})
    settings = {
        "midi": {"backend": "recording"},
        "inference": {"model": "copy", "models_folder": str(repo), "allow_download": False, "precision": "float32"},
    }
    with RunningDaemon(folder / "daemon", settings) as daemon:
        yield daemon


@pytest.fixture
def ear(daemon: RunningDaemon) -> Iterator[Ear]:
    with daemon.ear("job", "transport") as ear:
        yield ear


def analysed(reaper: Reaper, ear: Ear, jobs: int) -> list[tuple[Path, Path]]:
    """Play what is selected; return the MIDI file and the stem of each job, once all are complete."""
    reaper.run(PLAY_VOCALS)
    reaper.turn_until(lambda: len(ear.of("job/done")) == jobs, "the analysis", 60)
    reaper.turn(3)
    assert (reaper.boxes, reaper.console) == ([], [])
    return [(Path(str(heard.arguments[3])), Path(str(heard.arguments[4]))) for heard in ear.of("job/result")]


def rolled(reaper: Reaper, daemon: RunningDaemon, begin: float, end: float) -> list[tuple[float, int]]:
    """Let the project roll; return each note that left: the project's second then, and its pitch."""
    recording = daemon.output / "recording.jsonl"
    before = len(recording.read_text().splitlines())
    passed: list[tuple[float, float]] = []
    reaper.lua(f"project.state, project.position = 1, {begin}")
    while not passed or passed[-1][1] < end:
        reaper.turn()
        passed.append((reaper.turned, float(reaper.lua("return project.position"))))
    reaper.lua("project.state = 0")
    reaper.turn(20)
    hosts = [host for host, _ in passed]
    found = []
    for line in recording.read_text().splitlines()[before:]:
        message = json.loads(line)
        status, pitch, *rest = message["bytes"]
        if status & 0xF0 == 0x90 and rest[0]:
            host, position = passed[max(0, bisect(hosts, message["host"]) - 1)]
            found.append((position + message["host"] - host, pitch))
    return found


def check_places(found: list[tuple[float, int]], wanted: list[tuple[float, int]], where: str) -> None:
    """Notes left when their place was passed."""
    assert [pitch for _, pitch in found] == [pitch for _, pitch in wanted]
    late = [abs(place - due) for (place, _), (due, _) in zip(found, wanted, strict=True)]
    print(
        f"{where}: {1000 * float(np.median(late)):.1f} ms from their place at the median, {1000 * max(late):.1f} at most"
    )
    assert np.median(late) < 0.01
    assert max(late) < 0.04


def places(notes: list[Note], at: float) -> list[tuple[float, int]]:
    return [(at + note.onset, int(note.pitch)) for note in notes]


def end_all(reaper: Reaper, ear: Ear, jobs: int) -> None:
    reaper.run("Cancel")
    reaper.turn_until(lambda: len(ear.of("job/unloaded")) == jobs, "the end of what is loaded")


def test_the_action_plays_the_clip_and_the_import_brings_it_back(
    daemon: RunningDaemon, ear: Ear, tmp_path: Path
) -> None:
    song = tmp_path / "song.wav"
    write_melody(song, 9.0)
    source = clip({"path": song, "length": 9.0}, PLACE, LENGTH, D_STARTOFFS=OFFSET)
    with Reaper(tmp_path / "the musician's own", daemon.port, tracks=[{"items": [source]}], markers=TEMPI) as reaper:
        [(midi_path, stem_path)] = analysed(reaper, ear, 1)
        notes = read_notes(midi_path)
        assert len(notes) == 14
        # Behind a tempo change that was not heard yet: it is known from the project's tempo map.
        assert ear.of("clock/map")[-1].arguments[1] == 2
        there = [place for place in places(notes, PLACE) if place[0] > 5.2]
        check_places(rolled(reaper, daemon, 5.2, 8.5), there, "from the midst on")
        check_places(rolled(reaper, daemon, 0.0, 8.5), places(notes, PLACE), "from the start on")
        assert [heard.arguments[0] for heard in ear.of("clock")][-1] == "osc"
        reaper.run("Import result")
        layout = {track["name"]: track["items"] for track in reaper.summary["tracks"]}
        end_all(reaper, ear, 1)

    [imported], [stem] = layout["vocals (notes)"], layout["vocals (stem)"]
    assert (imported["values"]["D_POSITION"], imported["values"]["D_LENGTH"]) == (PLACE, LENGTH)
    assert stem["path"] == str(stem_path)
    assert (stem["values"]["D_POSITION"], stem["take"]["values"]["D_STARTOFFS"]) == (PLACE, 0.0)

    def seconds(quarter: float) -> float:
        quarter += PLACE * 2
        return quarter / 2 if quarter < 6 else 3 + (quarter - 6) / 1.5

    found = [(seconds(first), pitch) for first, _, _, pitch, _ in imported["take"]["notes"]]
    assert found == [(pytest.approx(place, abs=0.001), pitch) for place, pitch in places(notes, PLACE)]


@pytest.mark.parametrize("way", ["loop", "copies"])
def test_the_same_audio_at_two_places_sounds_at_both(daemon: RunningDaemon, ear: Ear, tmp_path: Path, way: str) -> None:
    bar = tmp_path / "bar.wav"
    write_melody(bar, 3.0)
    source = {"path": bar, "length": 3.0}
    items: list[dict[str, Any]] = [clip(source, 1.0, 6.0, B_LOOPSRC=1)]
    if way == "copies":
        items = [clip(source, 1.0, 3.0), clip(source, 4.0, 3.0)]
    with Reaper(tmp_path / "the musician's own", daemon.port, tracks=[{"items": items}]) as reaper:
        notes = read_notes(analysed(reaper, ear, 2)[0][0])
        assert ear.of("job/unloaded") == []
        wanted = places(notes, 1.0) + places(notes, 4.0)
        check_places(rolled(reaper, daemon, 0.0, 7.2), wanted, way)
        end_all(reaper, ear, 2)


def test_what_the_daemon_refuses_reaches_the_musician(daemon: RunningDaemon, tmp_path: Path) -> None:
    letter = tmp_path / "letter.wav"
    letter.write_text("Dear musician")
    item = clip({"path": letter, "length": 9.0}, 0, 9)
    with Reaper(tmp_path / "the musician's own", daemon.port, tracks=[{"items": [item]}]) as reaper:
        reaper.run(PLAY_VOCALS)
        reaper.turn_until(lambda: reaper.boxes, "the box")
        assert "is not audio that can be decoded" in reaper.boxes[0]
        started = time.monotonic()
        reaper.quit()
        assert time.monotonic() - started < 2, "REAPER does not wait for the sender"

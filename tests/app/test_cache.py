"""The daemon meets a clip again: it plays at once, and no segment of it is separated twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_peer import Ear, RunningDaemon
from tests.inference.model_zoo import make_repo, mixer
from tests.sounds import write_melody


class Rooms:
    """A daemon that keeps analyses, with a model that counts its segments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.song = folder / "song.wav"
        write_melody(self.song, 9.0)
        self.gate = folder / "gate"
        self.gate.touch()
        repo = make_repo(folder / "models", {"counted": mixer(0, 0, 0.5, 1, segment=4.0, gate=str(self.gate))})
        self._settings = {
            "midi": {"backend": "recording"},
            # Neither measured nor warmed up: those would be counted too.
            "inference": {
                "model": "counted",
                "models_folder": str(repo),
                "allow_download": False,
                "precision": "float32",
                "warm_start": False,
            },
            "cache": {"folder": str(folder / "kept"), "limit_gb": 1},
        }

    @property
    def segments(self) -> int:
        log = Path(f"{self.gate}.log")
        return len(log.read_text().splitlines()) if log.exists() else 0

    def daemon(self, name: str) -> RunningDaemon:
        return RunningDaemon(self.folder / name, self._settings)

    def analyse(self, ear: Ear, job: str, **pairs: str | float) -> tuple[int, bytes, bytes]:
        """Run a job to its end; return its notes, its MIDI file and its stem."""
        ear.start_job(job, self.song, sync="transport", **pairs)
        ear.wait("job/done", job, timeout=60)
        _, _, notes, midi, stem, _ = ear.wait("job/result", job).arguments
        return int(notes), Path(str(midi)).read_bytes(), Path(str(stem)).read_bytes()


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path)


@pytest.fixture
def ear(rooms: Rooms) -> Iterator[Ear]:
    with rooms.daemon("daemon") as daemon, daemon.ear("note") as ear:
        yield ear


def test_the_same_clip_again_is_not_separated_again(rooms: Rooms, ear: Ear) -> None:
    first = rooms.analyse(ear, "first")
    separated = rooms.segments
    assert separated > 2
    assert rooms.analyse(ear, "again") == first
    assert rooms.analyse(ear, "less sure", threshold=0.1)[0] >= first[0]
    rooms.analyse(ear, "another transcriber", transcriber="madmom-rnn")
    assert rooms.segments == separated
    rooms.analyse(ear, "another region", end=5.0)
    assert rooms.segments > separated


def test_a_second_daemon_takes_what_the_first_one_kept(rooms: Rooms, ear: Ear) -> None:
    first = rooms.analyse(ear, "first")
    separated = rooms.segments
    with rooms.daemon("second") as second, second.ear() as other:
        assert rooms.analyse(other, "again") == first
    assert rooms.segments == separated


def test_damaged_entries_are_analysed_anew(rooms: Rooms, ear: Ear) -> None:
    first = rooms.analyse(ear, "first")
    separated = rooms.segments
    kept = [path for path in (rooms.folder / "kept").rglob("*") if path.is_file() and path.stat().st_size > 1000]
    assert kept
    for path in kept:
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 0xFF
        path.write_bytes(damaged)
    assert rooms.analyse(ear, "again") == first
    assert rooms.segments > separated
    separated = rooms.segments
    assert rooms.analyse(ear, "and again") == first
    assert rooms.segments == separated


def test_a_song_that_was_edited_is_analysed_anew(rooms: Rooms, ear: Ear) -> None:
    first = rooms.analyse(ear, "first")
    write_melody(rooms.song, 9.0, pitches=(50, 55))
    assert rooms.analyse(ear, "edited")[1] != first[1]


def test_kept_notes_are_played(rooms: Rooms, ear: Ear) -> None:
    notes = rooms.analyse(ear, "first")[0]
    ear.send("/bridge/job/unload")
    ear.start_job("played", rooms.song)
    ear.wait("job/unloaded", "played", timeout=60)
    part = f"{ear.id('played')}/vocals"
    assert len([h for h in ear.of("note") if h.arguments[:2] == ("on", part)]) == notes

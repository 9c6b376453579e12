"""Real files in a folder that the running daemon watches."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from bridge.app.watch_files import WatchFiles
from bridge.app.watch_orders import OrderReader
from bridge.app.watch_scan import scan
from bridge.midi.file_read import read_notes
from bridge.osc.codec import Value
from tests.app.studio import OpenStudio, Studio
from tests.daemon_peer import Ear, RunningDaemon
from tests.jack_peer import JackServer
from tests.sounds import write_melody

SETTLE = 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bounces")


@pytest.fixture(scope="module")
def watching(server: JackServer, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    watch = {"folder": str(folder), "settle_s": SETTLE, "poll_s": 0.1}
    with OpenStudio(tmp_path_factory.mktemp("watching"), server, "Watch", {"watch": watch}) as studio:
        yield studio


@pytest.fixture
def ear(watching: Studio) -> Iterator[Ear]:
    watching.gate.unlink(missing_ok=True)
    watching.synth.events.clear()
    with watching.daemon.ear("job", "note") as ear:
        ear.ask("/bridge/ping", answer="pong")
        yield ear
        watching.open_gate()
        ear.send("/bridge/job/cancel")
        ear.ask("/bridge/ping", answer="pong")


def wait_for(ear: Ear, path: Path, timeout: float = 30.0) -> Path:
    ear.wait_until(path.exists, timeout, str(path))
    return path


_MARKERS = count(1)


def settled(ear: Ear, folder: Path) -> None:
    """What lay in the folder has been looked at until it was settled: so has a file that came after it, and is refused."""
    marker = folder / f"marker {next(_MARKERS)}.wav"
    marker.write_text("no audio")
    wait_for(ear, marker.with_suffix(".error.txt"))
    ear.ask("/bridge/ping", answer="pong")


def stays(ear: Ear, predicate: Callable[[], bool], seconds: float = 2 * (SETTLE + 0.6)) -> None:
    """Several looks long something is so; nothing tells that it never will be otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ear.ask("/bridge/ping", answer="pong")
        assert predicate()


def errors(ear: Ear) -> list[tuple[Value, ...]]:
    """All but the markers'."""
    return [h.arguments for h in ear.of("error") if "marker " not in str(h.arguments[3])]


def jobs(ear: Ear) -> int:
    return len(ear.of("job/accepted"))


def test_a_bounce_becomes_stem_and_notes_next_to_it_once_and_silently(watching: Studio, folder: Path, ear: Ear) -> None:
    notes = write_melody(folder / "Take 1.wav", 6)
    midi = wait_for(ear, folder / "Take 1.stem-vocals.mid")
    assert wait_for(ear, folder / "Take 1.stem-vocals.wav").stat().st_size > 6 * 44100
    assert abs(len(read_notes(midi)) - len(notes)) <= 2
    settled(ear, folder)
    assert jobs(ear) == 1
    assert ear.of("job/unloaded")[0].arguments[1] == "stopped"
    assert not watching.synth.ons
    assert {p.name for p in folder.glob("*Take 1*")} == {
        "Take 1.wav",
        "Take 1.stem-vocals.mid",
        "Take 1.stem-vocals.wav",
    }


def test_a_bounce_that_is_still_being_written_is_waited_for(watching: Studio, folder: Path, ear: Ear) -> None:
    whole = watching.song(7).read_bytes()
    with (folder / "slow.wav").open("wb") as file:
        for begin in range(0, len(whole), len(whole) // 10):
            file.write(whole[begin : begin + len(whole) // 10])
            file.flush()
            time.sleep(SETTLE / 2)
            assert jobs(ear) == 0
    wait_for(ear, folder / "slow.stem-vocals.mid")
    settled(ear, folder)
    assert jobs(ear) == 1
    assert not errors(ear)


def test_a_copy_that_stalls_before_it_opens_as_audio_is_no_error_yet(watching: Studio, folder: Path, ear: Ear) -> None:
    whole = watching.song(5).read_bytes()
    (folder / "stalled.wav").write_bytes(whole[:20])
    stays(ear, lambda: not (folder / "stalled.error.txt").exists(), SETTLE * 3)
    (folder / "stalled.wav").write_bytes(whole)
    wait_for(ear, folder / "stalled.stem-vocals.mid")
    assert not (folder / "stalled.error.txt").exists()
    assert not errors(ear)


def test_a_job_file_that_says_when_plays_as_it_says(watching: Studio, folder: Path, ear: Ear) -> None:
    job = {"stem": "other", "sync": "now", "channel": 7, "start": 1}
    (folder / "loud.json").write_text(json.dumps(job))
    write_melody(folder / "loud.wav", 6)
    wait_for(ear, folder / "loud.stem-other.mid")
    ear.wait_until(lambda: [h.arguments[1] for h in ear.of("job/unloaded")] == ["played"])
    assert len(watching.synth.ons) >= 8
    assert {on.data[0] & 0x0F for on in watching.synth.ons} == {6}
    assert not (folder / "loud.stem-vocals.mid").exists()


def test_a_wrong_job_file_gets_an_error_next_to_it_and_its_repair_the_results(
    watching: Studio, folder: Path, ear: Ear
) -> None:
    (folder / "wrong.json").write_text('{"stem": "voice"}')
    write_melody(folder / "wrong.wav", 4)
    error = wait_for(ear, folder / "wrong.error.txt").read_text()
    _, address, code, message = ear.wait("error").arguments
    assert (address, code) == ("/bridge/job/start", "bad_argument")
    assert error == f"bad_argument: {message}\n"
    ear.send("/bridge/job/start", "x", str(folder / "wrong.wav"), "stem", "voice")
    assert ear.wait("error", count=2).arguments[3] == message
    settled(ear, folder)
    assert len(errors(ear)) == 2
    assert jobs(ear) == 0
    (folder / "wrong.json").write_text('{"stem": "other"}')
    wait_for(ear, folder / "wrong.stem-other.mid")
    ear.wait_until(lambda: not (folder / "wrong.error.txt").exists())


def test_what_is_no_audio_is_said_once_and_done_when_it_becomes_audio(watching: Studio, folder: Path, ear: Ear) -> None:
    (folder / "text.wav").write_text("no audio at all")
    assert "is not audio" in wait_for(ear, folder / "text.error.txt").read_text()
    settled(ear, folder)
    assert [code for _, _, code, _ in errors(ear)] == ["bad_audio"]
    write_melody(folder / "text.wav", 4)
    wait_for(ear, folder / "text.stem-vocals.mid")
    ear.wait_until(lambda: not (folder / "text.error.txt").exists())


def test_a_region_beyond_the_end_is_the_same_error_as_over_osc(watching: Studio, folder: Path, ear: Ear) -> None:
    write_melody(folder / "short.wav", 4)
    (folder / "short.json").write_text('{"start": 100}')
    error = wait_for(ear, folder / "short.error.txt").read_text()
    ear.send("/bridge/job/start", "x", str(folder / "short.wav"), "start", 100)
    ear.wait_until(lambda: len(ear.of("error")) == 2)
    first, second = (h.arguments for h in ear.of("error"))
    assert first[2:] == second[2:]
    assert error == f"{second[2]}: {second[3]}\n"


def test_a_cancelled_job_says_so_and_is_not_begun_again(watching: Studio, folder: Path, ear: Ear) -> None:
    (folder / "stopped.json").write_text('{"model": "shut"}')
    write_melody(folder / "stopped.wav", 6)
    job = ear.wait("job/accepted").arguments[0]
    ear.wait_until(lambda: any(h.arguments[1] == "separating" for h in ear.of("job/progress")))
    ear.send("/bridge/job/cancel", job)
    assert "was cancelled" in wait_for(ear, folder / "stopped.error.txt").read_text()
    watching.open_gate()
    settled(ear, folder)
    assert jobs(ear) == 1


def test_links_are_not_followed(watching: Studio, folder: Path, ear: Ear) -> None:
    (folder / "link.wav").symlink_to(watching.song(5))
    (folder / "linked.json").write_text('{"path": "link.wav"}')
    settled(ear, folder)
    assert jobs(ear) == 0
    (folder / "link.wav").unlink()
    (folder / "linked.json").unlink()


def test_a_folder_that_goes_away_is_said_once_and_taken_up_again(watching: Studio, folder: Path, ear: Ear) -> None:
    before = set(folder.iterdir())
    assert any(path.name.endswith(".stem-vocals.mid") for path in before)
    away = folder.with_name("away")
    folder.rename(away)
    assert ear.wait("error").arguments[2] == "disk"
    stays(ear, lambda: len(errors(ear)) == 1)
    away.rename(folder)
    write_melody(folder / "back.wav", 4)
    wait_for(ear, folder / "back.stem-vocals.mid")
    settled(ear, folder)
    assert jobs(ear) == 1, "what was done before the folder went away was done again"


def test_thousands_of_files_keep_nobody_waiting(watching: Studio, folder: Path, ear: Ear) -> None:
    away = folder.with_name("many")
    folder.rename(away)
    for n in range(3000):
        (away / f"many {n}.wav").write_bytes(b"x")
    files, seen = WatchFiles(away), scan(away)
    for order in OrderReader(folder, "vocals").orders(seen, dict.fromkeys(seen, 9.0), 0.0):
        if order.file.startswith("many"):
            files.remember(order)
    away.rename(folder)
    write_melody(folder / "last.wav", 4)
    waits = []
    while not (folder / "last.stem-vocals.mid").exists():
        began = time.perf_counter()
        ear.ask("/bridge/ping", answer="pong")
        waits.append(time.perf_counter() - began)
        time.sleep(0.01)
        assert len(waits) < 3000
    assert sorted(waits)[len(waits) * 99 // 100] < 0.1
    assert jobs(ear) == 1


def test_another_daemon_finds_nothing_left_to_do(watching: Studio, folder: Path, ear: Ear, tmp_path: Path) -> None:
    """The last test of this file: what all the others left is done."""
    settled(ear, folder)
    watch = {"folder": str(folder), "settle_s": SETTLE, "poll_s": 0.1}
    with (
        RunningDaemon(tmp_path, {"watch": watch, "midi": {"backend": "recording"}}) as daemon,
        daemon.ear("job") as other,
    ):
        stays(other, lambda: not other.of("job/accepted") and not other.of("error"))
    assert jobs(ear) == 0

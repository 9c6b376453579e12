"""What is left in the watched folder."""

import threading
from pathlib import Path

import pytest

from bridge.app.watch_files import MEMORY, WatchFiles
from bridge.app.watch_orders import Order
from bridge.app.watch_scan import Mark, scan
from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session.events import Result


def order(file: str = "a.wav", size: int = 1) -> Order:
    nothing = BridgeError(ErrorCode.INTERNAL, "")
    return Order(file, Path(file).stem, ((file, Mark(size, 5)),), nothing, 9.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"1")
    return folder


def result(folder: Path, stem: Stem = Stem.BASS, sound: bytes = b"sound") -> Result:
    midi, audio = folder.parent / "x.mid", folder.parent / "x.flac"
    midi.write_bytes(b"notes")
    audio.write_bytes(sound)
    return Result("id", stem, 3, midi, audio, "model")


def test_results_lie_next_to_what_asked_and_are_no_bounces(folder: Path) -> None:
    files = WatchFiles(folder)
    files.say(order(), "no")
    files.deliver(order(), [result(folder)])
    assert {path.name for path in folder.iterdir()} == {"a.wav", "a.stem-bass.flac", "a.stem-bass.mid"}
    assert (folder / "a.stem-bass.flac").read_bytes() == b"sound"
    assert set(scan(folder)) == {"a.wav"}


def test_a_result_is_there_whole_or_not_at_all(folder: Path) -> None:
    files = WatchFiles(folder)
    big = {n: bytes([n]) * 20_000_000 for n in (1, 2)}
    files.deliver(order(), [result(folder, sound=big[1])])
    seen: set[bytes] = set()
    end = threading.Event()

    def look() -> None:
        while not end.is_set():
            data = (folder / "a.stem-bass.flac").read_bytes()
            seen.add(data if len(data) != 20_000_000 else data[:1] + data[-1:])

    looking = threading.Thread(target=look)
    looking.start()
    for n in (2, 1, 2, 1):
        files.deliver(order(), [result(folder, sound=big[n])])
    end.set()
    looking.join()
    assert seen <= {b"\x01\x01", b"\x02\x02"}


def test_links_that_lie_where_something_is_written_are_not_written_through(folder: Path) -> None:
    precious = folder.parent / "precious"
    precious.write_text("mine")
    for name in (".a.stem-bass.flac.part", "a.stem-bass.flac", "a.error.txt", ".a.error.txt.part", MEMORY):
        (folder / name).symlink_to(precious)
    files = WatchFiles(folder)
    files.recall()
    files.say(order(), "no")
    files.remember(order())
    assert (folder / "a.error.txt").read_text() == "no\n"
    files.deliver(order(), [result(folder)])
    assert (folder / "a.stem-bass.flac").read_bytes() == b"sound"
    assert precious.read_text() == "mine"
    again = WatchFiles(folder)
    again.recall()
    assert again.is_done(order())


def test_what_is_done_stays_done_for_who_comes_later_and_only_as_it_was(folder: Path) -> None:
    WatchFiles(folder).remember(order())
    later = WatchFiles(folder)
    assert not later.is_done(order())
    later.recall()
    assert later.is_done(order())
    assert not later.is_done(order(size=2))
    assert not later.is_done(order("b.wav"))


def test_a_memory_that_was_cut_off_loses_its_last_line_alone(folder: Path) -> None:
    files = WatchFiles(folder)
    for n in range(3):
        files.remember(order(size=n))
    memory = folder / MEMORY
    memory.write_bytes(memory.read_bytes()[:-5] + b"\xff")
    later = WatchFiles(folder)
    later.recall()
    assert [later.is_done(order(size=n)) for n in range(3)] == [True, True, False]
    later.remember(order(size=2))
    last = WatchFiles(folder)
    last.recall()
    assert [last.is_done(order(size=n)) for n in range(3)] == [True, True, True]


def test_what_cannot_be_written_down_is_still_not_done_twice(folder: Path) -> None:
    (folder / MEMORY).mkdir()
    files = WatchFiles(folder)
    files.recall()
    with pytest.raises(OSError, match=MEMORY):
        files.remember(order())
    assert files.is_done(order())


def test_no_error_is_left_for_what_is_gone(folder: Path) -> None:
    (folder / "a.wav").unlink()
    WatchFiles(folder).say(order(), "no")
    assert list(folder.iterdir()) == []


def test_an_error_about_a_name_that_is_no_utf_8_can_be_written(folder: Path) -> None:
    WatchFiles(folder).say(order(), "b\udcff.wav")
    assert (folder / "a.error.txt").read_text() == "b\\udcff.wav\n"

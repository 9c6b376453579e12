"""What counts in a watched folder, and since when it has not changed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.app.watch_scan import Mark, Stillness, is_bounce, scan
from bridge.music.sound import Stem


def test_bounces_and_job_files_count_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.wav", "B.AIFF", "c.json", "notes.txt", ".d.wav", "e.wav.part", "f.stem-vocals.wav", "f.error.txt"):
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "g.wav").mkdir()
    os.mkfifo(tmp_path / "h.wav")
    found = scan(tmp_path)
    assert set(found) == {"a.wav", "B.AIFF", "c.json"}
    stat = (tmp_path / "a.wav").stat()
    assert found["a.wav"] == Mark(5, stat.st_mtime_ns)


def test_links_are_left_out_wherever_they_lead(tmp_path: Path) -> None:
    outside = tmp_path / "outside.wav"
    outside.write_bytes(b"1")
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "inside.wav").write_bytes(b"1")
    (folder / "out.wav").symlink_to(outside)
    (folder / "in.wav").symlink_to(folder / "inside.wav")
    (folder / "nowhere.wav").symlink_to(folder / "none")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    assert set(scan(folder)) == {"inside.wav"}


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        scan(tmp_path / "none")


@given(st.text(st.characters(exclude_characters="/\0"), max_size=20), st.sampled_from([".wav", ".WAV", ".mp3"]))
def test_a_result_is_never_a_bounce_whatever_its_bounce_was_called(name, suffix):
    assert is_bounce(f"x{name}{suffix}")
    assert is_bounce(f"x{name}.stem-1{suffix}")
    for stem in Stem:
        assert not is_bounce(f"x{name}.stem-{stem}{suffix}")


def test_a_file_is_still_from_its_last_change_on() -> None:
    stillness = Stillness()
    assert stillness.look({"a": Mark(1, 1)}, 10.0) == {"a": 0.0}
    assert stillness.look({"a": Mark(1, 1), "b": Mark(1, 1)}, 12.0) == {"a": 2.0, "b": 0.0}
    assert stillness.look({"a": Mark(1, 2), "b": Mark(1, 1)}, 13.0) == {"a": 0.0, "b": 1.0}
    assert stillness.look({"a": Mark(2, 2)}, 14.0) == {"a": 0.0}
    assert stillness.look({"a": Mark(2, 2), "b": Mark(1, 1)}, 15.0) == {"a": 1.0, "b": 0.0}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)), max_size=12))
def test_stillness_is_the_time_since_a_scan_last_differed(scans):
    stillness = Stillness()
    for now, sizes in enumerate(scans):
        seen = {name: Mark(size, 0) for name, size in sizes.items()}
        still = stillness.look(seen, float(now))
        for name, size in sizes.items():
            same = 0
            while same < now and scans[now - same - 1].get(name) == size:
                same += 1
            assert still[name] == same
        assert set(still) == set(sizes)

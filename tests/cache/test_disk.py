"""Disks that are read-only, full or in the way."""

import subprocess
import sys

import pytest

from bridge.errors import BridgeError, ErrorCode
from tests.cache.rig import (
    NOTES,
    STEM,
    cache_in,
    entries_in,
    files_below,
    keep_stem,
    recalled_stem,
    some_notes,
    sound,
    warnings_of,
)

ENTRY = 8000


def test_notes_that_cannot_be_kept_cost_one_line_in_the_log(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file in the folder's place")
    cache = cache_in(tmp_path)
    cache.keep_notes(NOTES, some_notes())
    assert len(warnings_of(caplog)) == 1
    assert "notes are not kept" in warnings_of(caplog)[0]
    assert cache.recall_notes(NOTES) is None


def test_a_stem_that_cannot_be_kept_costs_one_line_and_can_be_used_all_the_same(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file in the folder's place")
    cache = cache_in(tmp_path)
    take = cache.begin_stem(STEM, 3000, 2)
    take.write(0, sound())
    cache.keep_stem(take)
    assert (take.read(0, 3000) == sound()).all()
    take.close()
    assert len(warnings_of(caplog)) == 1
    assert "a stem will not be kept" in warnings_of(caplog)[0]
    assert files_below(tmp_path) == [tmp_path / "cache"]


def test_an_entry_that_cannot_be_put_in_its_place_costs_one_line_and_leaves_nothing(tmp_path, caplog):
    cache = cache_in(tmp_path)
    take = cache.begin_stem(STEM, 3000, 2)
    take.write(0, sound())
    (tmp_path / "cache" / "entries").write_text("a file in the folder's place")
    cache.keep_stem(take)
    assert (take.read(0, 3000) == sound()).all()
    take.close()
    cache.keep_notes(NOTES, some_notes())
    assert [line.split(":")[0] for line in warnings_of(caplog)] == ["a stem is not kept", "notes are not kept"]
    assert files_below(tmp_path) == [tmp_path / "cache" / "entries"]


def test_a_cache_that_cannot_be_cleared_or_counted_raises_nothing(tmp_path):
    (tmp_path / "cache").write_text("a file in the folder's place")
    cache = cache_in(tmp_path)
    assert cache.usage() == (0, 0)
    cache.clear()


@pytest.mark.parametrize("limit", [0, 1 << 60])
def test_a_stem_without_a_place_to_lie_is_a_disk_error(tmp_path, limit):
    for name in ("cache", "work"):
        (tmp_path / name).write_text("a file in the folder's place")
    with pytest.raises(BridgeError, match="work cannot take a stem of 0 MB") as error:
        cache_in(tmp_path, limit).begin_stem(STEM, 3000, 2)
    assert error.value.code is ErrorCode.DISK


@pytest.mark.parametrize("limit", [0, 1 << 60])
def test_a_stem_larger_than_the_disk_is_refused_before_the_work(tmp_path, limit):
    with pytest.raises(BridgeError, match="No space left") as error:
        cache_in(tmp_path, limit).begin_stem(STEM, 10**13, 2)
    assert error.value.code is ErrorCode.DISK
    assert files_below(tmp_path) == []


FULL = """
import logging, resource, sys
from pathlib import Path
from bridge.errors import BridgeError
from tests.cache.rig import NOTES, STEM, cache_in, files_below, some_notes, sound

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
logging.basicConfig(stream=sys.stdout, format="log: %(message)s")
cache = cache_in(folder, limit)
take = cache.begin_stem(STEM, 100_000, 2)
take.write(0, sound(50_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    take.write(50_000, sound(50_000))
except BridgeError as error:
    print(error.code, error.message)
assert (take.read(0, 50_000) == sound(50_000)).all()
take.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 500_000))
cache.keep_notes(NOTES, some_notes())
print(len(files_below(folder)), "files")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to be set there")
def test_a_disk_that_fills_up_ends_the_take_and_leaves_nothing(tmp_path):
    def run(limit):
        command = [sys.executable, "-c", FULL, str(tmp_path), str(limit)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

    failed = "disk the stem's temporary file cannot be written: File too large"
    assert run(1 << 30) == [failed, "log: notes are not kept: [Errno 27] File too large", "0 files"]
    assert run(0) == [failed, "0 files"]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_where_files_cannot_be_locked_nothing_is_kept_and_nothing_left(tmp_path, monkeypatch, caplog):
    def refuse(*_arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    cache = cache_in(tmp_path)
    keep_stem(cache, STEM, sound())
    cache.keep_notes(NOTES, some_notes())
    assert len(warnings_of(caplog)) == 2
    assert all("No locks available" in line for line in warnings_of(caplog))
    assert files_below(tmp_path) == []


def test_entries_can_be_used_though_nothing_can_be_marked_or_removed(tmp_path, monkeypatch):
    cache = cache_in(tmp_path)
    cache.keep_notes(NOTES, some_notes())
    (whole,) = entries_in(tmp_path)
    keep_stem(cache, STEM, sound())
    (damaged,) = set(entries_in(tmp_path)) - {whole}
    damaged.write_bytes(b"not an entry")

    # Permissions do not hold a superuser back.
    def refuse(*_args, **_options):
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr("os.utime", refuse)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert cache.recall_notes(NOTES) == some_notes()
    assert cache.recall_stem(STEM) is None
    assert damaged.exists()


def test_a_stem_that_vanishes_from_under_a_take_is_a_disk_error(tmp_path):
    cache = cache_in(tmp_path)
    keep_stem(cache, STEM, sound())
    take = cache.recall_stem(STEM)
    entries_in(tmp_path)[0].write_bytes(b"")
    with pytest.raises(BridgeError, match="cannot be read") as error:
        take.read(0, 3000)
    assert error.value.code is ErrorCode.DISK
    take.close()


def test_where_open_files_cannot_be_moved_a_stem_is_kept_when_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("bridge.cache.partial.MOVES_OPEN_FILES", False)
    cache = cache_in(tmp_path, limit=6 * ENTRY)
    take = cache.begin_stem(STEM, 3000, 2)
    take.write(0, sound())
    cache.keep_stem(take)
    assert (take.read(0, 3000) == sound()).all()
    assert entries_in(tmp_path) == []
    take.close()
    take.close()
    assert (recalled_stem(cache, STEM) == sound()).all()
    cache.keep_notes(NOTES, some_notes())
    assert cache.recall_notes(NOTES) == some_notes()
    assert len(files_below(tmp_path)) == 2

from types import SimpleNamespace

import pytest

from bridge.cache import takes
from bridge.cache.entry import Kind, entry_name
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
"""Bytes of the samples of the stems here."""


def fill(cache, names):
    for name in names:
        keep_stem(cache, (name,), sound(ENTRY // 8))


def held(cache, names):
    # Without a recall, which would count as use.
    found = {path.name for path in cache._store._entry_folder.iterdir()}
    return "".join(name for name in names if entry_name(Kind.STEM, (name,)) in found)


def test_the_least_recently_kept_goes_first(tmp_path):
    cache = cache_in(tmp_path, limit=3 * ENTRY + 1000)
    fill(cache, "abcd")
    assert held(cache, "abcd") == "bcd"
    fill(cache, "ef")
    assert held(cache, "abcdef") == "def"


def test_a_recall_counts_as_use(tmp_path):
    cache = cache_in(tmp_path, limit=3 * ENTRY + 1000)
    fill(cache, "abc")
    assert recalled_stem(cache, ("a",)) is not None
    fill(cache, "d")
    assert held(cache, "abcd") == "acd"


def test_notes_are_used_by_recall_too(tmp_path):
    cache = cache_in(tmp_path, limit=3 * ENTRY + 1000)
    cache.keep_notes(NOTES, some_notes(count=3))
    fill(cache, "abc")
    assert cache.recall_notes(NOTES) is not None
    fill(cache, "d")
    assert held(cache, "abcd") == "bcd"
    assert cache.recall_notes(NOTES) == some_notes(count=3)


def test_the_folder_never_holds_more_than_the_limit(tmp_path):
    limit = 5 * ENTRY
    cache = cache_in(tmp_path, limit)
    for i in range(40):
        keep_stem(cache, (str(i),), sound(100 + 97 * i % 4000))
        cache.keep_notes((str(i),), some_notes(count=i))
        total = sum(path.stat().st_size for path in entries_in(tmp_path))
        assert total <= limit
        assert cache.usage() == (len(entries_in(tmp_path)), total)
        assert cache.recall_notes((str(i),)) is not None
    assert total > limit - 2 * 32_000


def test_what_is_larger_than_the_limit_is_not_kept_and_costs_nothing_else_its_place(tmp_path, caplog):
    cache = cache_in(tmp_path, limit=2 * ENTRY + 1000)
    fill(cache, "ab")
    large = sound(3 * ENTRY // 8)
    take = cache.begin_stem(STEM, large.shape[1], 2)
    take.write(0, large)
    cache.keep_stem(take)
    assert (take.read(0, large.shape[1]) == large).all()
    take.close()
    cache.keep_notes(NOTES, some_notes(count=2000))
    assert cache.recall_stem(STEM) is None
    assert cache.recall_notes(NOTES) is None
    assert held(cache, "ab") == "ab"
    assert warnings_of(caplog) == []


def test_a_limit_of_0_keeps_nothing_and_takes_still_work(tmp_path, caplog):
    cache = cache_in(tmp_path, limit=0)
    take = cache.begin_stem(STEM, 100, 2)
    take.write(50, sound(50))
    take.write(0, sound(50))
    cache.keep_stem(take)
    assert (take.read(50, 100) == sound(50)).all()
    take.close()
    cache.keep_notes(NOTES, some_notes())
    assert cache.recall_notes(NOTES) is None
    assert cache.recall_stem(STEM) is None
    assert files_below(tmp_path) == []
    assert not (tmp_path / "cache").exists()
    assert warnings_of(caplog) == []


def test_a_limit_of_0_leaves_what_others_keep_and_does_not_use_it(tmp_path):
    other = cache_in(tmp_path)
    fill(other, "a")
    off = cache_in(tmp_path, limit=0)
    fill(off, "b")
    assert off.recall_stem(("a",)) is None
    assert other.usage().entries == 1
    assert recalled_stem(other, ("a",)) is not None


def test_nothing_is_made_before_something_is_kept(tmp_path):
    cache = cache_in(tmp_path)
    assert cache.recall_stem(STEM) is None
    assert cache.usage() == (0, 0)
    cache.clear()
    assert list(tmp_path.iterdir()) == []


def test_clear_removes_all_entries_and_what_was_known_of_sources(tmp_path):
    cache = cache_in(tmp_path)
    fill(cache, "abc")
    cache.keep_notes(NOTES, some_notes())
    assert cache.usage().entries == 4
    (tmp_path / "cache" / "sources").write_text("")
    cache.clear()
    assert cache.usage() == (0, 0)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("place", ["cache", "cache/entries"])
def test_files_of_others_in_the_folder_are_left_alone(tmp_path, place):
    cache = cache_in(tmp_path, limit=2 * ENTRY)
    fill(cache, "a")
    foreign = tmp_path / place / "song.wav"
    foreign.write_bytes(bytes(10 * ENTRY))
    fill(cache, "bc")
    assert cache.usage().entries == 1
    cache.clear()
    assert files_below(tmp_path) == [foreign]


def test_a_full_disk_takes_the_place_of_what_was_used_least_recently(tmp_path, monkeypatch):
    cache = cache_in(tmp_path)
    fill(cache, "abcd")
    room = 4 * ENTRY + 1000

    def disk_usage(_):
        used = sum(path.stat().st_size for path in entries_in(tmp_path))
        return SimpleNamespace(free=room - used)

    monkeypatch.setattr(takes.shutil, "disk_usage", disk_usage)
    fill(cache, "e")
    assert held(cache, "abcde") == "bcde"


def test_a_smaller_limit_holds_from_the_next_start_on(tmp_path):
    fill(cache_in(tmp_path), "abcd")
    cache = cache_in(tmp_path, limit=2 * ENTRY + 1000)
    assert held(cache, "abcd") == "cd"

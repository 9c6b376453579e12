"""Several processes in one folder, some of them killed."""

import random
import subprocess
import sys
import time

import pytest

from bridge.cache.sources import SourceIndex
from tests.cache.peer import KINDS
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


class Peer:
    def __init__(self, *arguments):
        command = [sys.executable, "-m", "tests.cache.peer", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def expect(self, word):
        assert self.process.stdout.readline() == f"{word}\n"

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def peer():
    peers = []

    def start(*arguments):
        peers.append(Peer(*arguments))
        return peers[-1]

    yield start
    for each in peers:
        each.kill()
        each.process.stdin.close()
        each.process.stdout.close()


def partials(folder):
    return files_below(folder / "cache" / "partial")


def test_what_a_killed_process_half_wrote_is_never_an_entry_and_is_swept_at_the_next_start(tmp_path, peer):
    other = peer("write_half", tmp_path)
    other.expect("half")
    other.kill()
    assert len(partials(tmp_path)) == 1
    assert cache_in(tmp_path).recall_stem(STEM) is None
    assert files_below(tmp_path) == []


def test_what_a_living_process_writes_survives_the_start_of_another(tmp_path, peer):
    other = peer("write_half", tmp_path)
    other.expect("half")
    cache = cache_in(tmp_path)
    cache.clear()
    assert len(partials(tmp_path)) == 1
    assert cache.recall_stem(STEM) is None
    other.go_on()
    other.expect("kept")
    samples = recalled_stem(cache, STEM)
    assert (samples[:, :1000] == sound(1000)).all()
    assert (samples[:, 1000:] == sound(1000)).all()
    assert partials(tmp_path) == []


def test_ones_own_open_take_survives_another_cache_of_the_same_process(tmp_path):
    cache = cache_in(tmp_path)
    take = cache.begin_stem(STEM, 100, 2)
    cache_in(tmp_path)
    take.write(0, sound(100))
    cache.keep_stem(take)
    take.close()
    assert (recalled_stem(cache_in(tmp_path), STEM) == sound(100)).all()


def test_kills_at_any_moment_leave_whole_entries_or_none(tmp_path, peer):
    moment = random.Random(5)
    stems = [sound(20_000, seed=i) for i in range(KINDS)]
    notes = [some_notes(count=200, seed=i) for i in range(KINDS)]
    for _ in range(6):
        other = peer("write_for_ever", tmp_path)
        other.expect("began")
        with pytest.raises(subprocess.TimeoutExpired):
            other.process.wait(moment.uniform(0.0, 0.05))
        other.kill()
        cache = cache_in(tmp_path)
        assert partials(tmp_path) == []
        found = recalled_stem(cache, STEM)
        assert found is None or any((found == stem).all() for stem in stems)
        assert cache.recall_notes(NOTES) in [None, *notes]
        # What is still there was whole: a damaged entry would have been removed.
        assert len(entries_in(tmp_path)) == (found is not None) + (cache.recall_notes(NOTES) is not None)


def test_two_processes_that_keep_one_key_both_succeed_and_nobody_sees_a_half(tmp_path, peer, caplog):
    others = [peer("keep_one_key", tmp_path, seed) for seed in range(2)]
    for other in others:
        other.expect("began")
    cache = cache_in(tmp_path)
    for other in others:
        other.go_on()
    stems = [sound(5000 + i, seed=i) for i in range(2)]
    deadline = time.monotonic() + 60
    while recalled_stem(cache, STEM) is None:
        assert time.monotonic() < deadline
    for _ in range(100):
        found = recalled_stem(cache, STEM)
        assert any(found.shape == stem.shape and (found == stem).all() for stem in stems)
    for other in others:
        other.expect("done")
        assert other.process.wait() == 0
    assert len(entries_in(tmp_path)) == 2
    assert partials(tmp_path) == []
    assert warnings_of(caplog) == []


def test_two_processes_that_make_room_keep_within_the_limit(tmp_path, peer):
    limit = 5 * 4300
    others = [peer("keep_many", tmp_path, limit) for _ in range(2)]
    for other in others:
        other.expect("began")
    for other in others:
        other.go_on()
    for other in others:
        other.expect("done")
        assert other.process.wait() == 0
    # The last look of each at the folder may have missed what the other put there just then.
    cache = cache_in(tmp_path, limit, now=time.time)
    keep_stem(cache, STEM, sound(500))
    assert 1 < cache.usage().entries <= 5
    assert cache.usage().bytes <= limit


def test_a_file_that_was_just_made_is_not_swept(tmp_path, peer, caplog):
    other = peer("sweep_for_ever", tmp_path)
    other.expect("began")
    cache = cache_in(tmp_path)
    for i in range(1000):
        cache.keep_notes((str(i),), some_notes(count=1))
    assert cache.usage().entries == 1000
    assert warnings_of(caplog) == []


def test_two_processes_share_what_they_know_of_sources(tmp_path, peer):
    for i in range(120):
        (tmp_path / f"{i}.wav").write_bytes(b"%d" % i)
    others = [peer("identify_many", tmp_path, first) for first in (0, 60)]
    for other in others:
        other.expect("began")
        other.go_on()
    for other in others:
        other.expect("done")
        assert other.process.wait() == 0
    index = SourceIndex(tmp_path / "sources", tmp_path / "partial", now=lambda: 1e12)
    fresh = SourceIndex(tmp_path / "nowhere", None)
    index._load()
    # Whichever wrote last knows at least its own; lines may be lost, but never be wrong.
    assert 60 <= len(index._lines) <= 120
    for i in range(120):
        path = tmp_path / f"{i}.wav"
        assert index.digest(path) == fresh.digest(path)

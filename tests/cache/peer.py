"""Another process that uses the cache: `python -m tests.cache.peer what folder [argument]`. Says what it does, waits for lines."""

import sys
import time
from pathlib import Path

from bridge.cache.partial import sweep_partials
from tests.cache.rig import NOTES, STEM, cache_in, keep_stem, recalled_stem, some_notes, sound

ROUNDS = 150
KINDS = 3


def say(word):
    print(word, flush=True)


def write_half(folder):
    cache = cache_in(folder)
    take = cache.begin_stem(STEM, 2000, 2)
    take.write(0, sound(1000))
    say("half")
    sys.stdin.readline()
    take.write(1000, sound(1000))
    cache.keep_stem(take)
    take.close()
    say("kept")


def write_for_ever(folder):
    cache = cache_in(folder)
    say("began")
    for i in range(10**9):
        keep_stem(cache, STEM, sound(20_000, seed=i % KINDS))
        cache.keep_notes(NOTES, some_notes(count=200, seed=i % KINDS))


def keep_one_key(folder, seed):
    cache = cache_in(folder, now=time.time)
    say("began")
    sys.stdin.readline()
    for _ in range(ROUNDS):
        keep_stem(cache, STEM, sound(5000 + int(seed), seed=int(seed)))
        cache.keep_notes(NOTES, some_notes(seed=int(seed)))
        found = recalled_stem(cache, STEM)
        assert any(
            (found == s).all() for s in (sound(5000 + i, seed=i) for i in range(KINDS)) if s.shape == found.shape
        )
        assert cache.recall_notes(NOTES) in [some_notes(seed=i) for i in range(KINDS)]
    say("done")


def keep_many(folder, limit):
    cache = cache_in(folder, int(limit), now=time.time)
    say("began")
    sys.stdin.readline()
    for i in range(ROUNDS):
        keep_stem(cache, (str(i % 20),), sound(500 + i % 20))
        found = recalled_stem(cache, (str((i * 7) % 20),))
        assert found is None or (found == sound(500 + (i * 7) % 20)).all()
    say("done")


def identify_many(folder, first):
    from bridge.cache.sources import SourceIndex

    # A clock far ahead: all files count as settled.
    index = SourceIndex(folder / "sources", folder / "partial", now=lambda: 1e12)
    say("began")
    sys.stdin.readline()
    for i in range(int(first), int(first) + 60):
        index.digest(folder / f"{i}.wav")
    say("done")


def sweep_for_ever(folder):
    say("began")
    while True:
        sweep_partials(folder / "cache" / "partial")


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])

import itertools
import logging

import numpy as np

from bridge.cache.cache import AnalysisCache
from bridge.music.notes import Note
from bridge.session.ports import KeptNotes

STEM = ("audio", "weights", "vocals")
NOTES = (*STEM, "transcriber")


def cache_in(folder, limit=1 << 30, **options):
    """A cache whose clock moves on at every look, so that no two uses are at one time."""
    options.setdefault("now", itertools.count(1_000_000).__next__)
    return AnalysisCache(folder / "cache", limit, folder / "work", **options)


def sound(frames=3000, channels=2, seed=0):
    return np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)


def some_notes(count=50, seed=0):
    random = np.random.default_rng(seed)
    onsets = np.sort(random.uniform(0, 60, count))
    notes = tuple(
        Note(float(onset), float(random.uniform(0.01, 5)), int(random.integers(128)), 64, float(random.uniform()))
        for onset in onsets
    )
    return KeptNotes(notes, frames=44100 * 60, sample_rate=44100)


def keep_stem(cache, key, samples):
    take = cache.begin_stem(key, samples.shape[1], samples.shape[0])
    take.write(0, samples)
    cache.keep_stem(take)
    take.close()


def recalled_stem(cache, key):
    take = cache.recall_stem(key)
    if take is None:
        return None
    samples = take.read(0, take.frames)
    take.close()
    return samples


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def entries_in(folder):
    return files_below(folder / "cache" / "entries")


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

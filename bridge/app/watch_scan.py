"""What lies in the watched folder, and for how long it has not changed.

The folder is looked at again and again: what the system says of changes does not reach across most network drives.
"""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

from bridge.music.sound import Stem

AUDIO = frozenset(
    (".wav", ".wave", ".bwf", ".w64", ".rf64", ".aif", ".aiff", ".aifc", ".caf", ".flac", ".ogg", ".oga", ".mp3")
)
"""Endings of a bounce, in lower case."""
JOB = ".json"
RESULT_MARK = ".stem-"
"""What a result's name holds behind its bounce's: `take.stem-vocals.wav`, which is no bounce."""

_RESULTS = tuple(f"{RESULT_MARK}{stem}" for stem in Stem)


class Mark(NamedTuple):
    """What tells one state of a file from another."""

    size: int
    """Bytes."""
    changed: int
    """Nanoseconds since 1970."""


def scan(folder: Path) -> dict[str, Mark]:
    """Return the bounces and job files in a folder, by name; raises OSError where it cannot be read.

    Links are left out, as they may lead anywhere; so are hidden files, in which programs write what is not ready.
    """
    found: dict[str, Mark] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not (is_job(entry.name) or is_bounce(entry.name)):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    # Not the entry's own, which on Windows is as old as the last time that the file was closed.
                    stat = Path(entry.path).stat(follow_symlinks=False)
                    found[entry.name] = Mark(stat.st_size, stat.st_mtime_ns)
            except FileNotFoundError:
                continue
    return found


def is_job(name: str) -> bool:
    return PurePath(name).suffix.lower() == JOB


def is_bounce(name: str) -> bool:
    """Whether a name is that of audio which StemBridge did not put there itself."""
    path = PurePath(name)
    return path.suffix.lower() in AUDIO and not path.stem.endswith(_RESULTS)


class Stillness:
    """Remembers since when each file has been as it is."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[Mark, float]] = {}

    def look(self, seen: Mapping[str, Mark], now: float) -> dict[str, float]:
        """Take in a scan; return for how many seconds each file has not changed, as far as scans have shown it."""
        before = self._since
        self._since = {
            name: before[name] if name in before and before[name][0] == mark else (mark, now)
            for name, mark in seen.items()
        }
        return {name: now - since for name, (_, since) in self._since.items()}

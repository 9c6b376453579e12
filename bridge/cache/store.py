"""The folder of entries: found by key, bounded in size, the least recently used going first.

An entry's time of modification is when it was last used. Several processes may share the folder: entries appear and go whole, and
one that is open can be read to its end though it is gone from the folder.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from bridge.cache.entry import DamagedError, Found, Kind, entry_name, read_verified
from bridge.cache.partial import PartialFile, sweep_partials
from bridge.session.ports import CacheKey

_log = logging.getLogger("bridge.cache")


class Usage(NamedTuple):
    """How much a cache holds."""

    entries: int
    bytes: int


class EntryStore:
    """Entries in `folder/entries`, files being written in `folder/partial`; nothing else in the folder is touched."""

    def __init__(self, folder: Path, limit: int, now: Callable[[], float] = time.time) -> None:
        """`limit` in bytes counts whole entries, not what is being written; 0: nothing is kept or found. `now`: Unix seconds."""
        self.limit = limit
        self.partial_folder = folder / "partial"
        self._entry_folder = folder / "entries"
        self._now = now
        if limit:
            sweep_partials(self.partial_folder)
            self._evict(limit)

    def find(self, kind: Kind, key: CacheKey) -> tuple[FileIO, Found] | None:
        """Open an entry and mark it as used; the file is the caller's to close. A damaged one is removed."""
        if not self.limit:
            return None
        path = self._entry_folder / entry_name(kind, key)
        try:
            file = FileIO(path)
        except OSError:
            return None
        try:
            found = read_verified(file, kind, key)
        except (DamagedError, OSError) as error:
            with file:
                _log.warning("%s is recomputed: %s is damaged (%s)", kind, path, error)
                with contextlib.suppress(OSError):
                    # Not if another process has put a whole one in its place.
                    if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                        file.close()
                        path.unlink()
            return None
        self._mark_used(path)
        return file, found

    def publish(self, partial: PartialFile, kind: Kind, key: CacheKey) -> None:
        """Make a written file an entry, in place of any other of its key, and make room for it; raises OSError."""
        path = self._entry_folder / entry_name(kind, key)
        self._mark_used(partial.path)
        # Not synchronised to the disk first, which takes seconds: what a power cut leaves is damaged, and found to be.
        partial.publish(path)
        self._evict(self.limit)

    def give_up(self, size: int) -> None:
        """Remove least recently used entries of that size or more together: the disk has no room for something newer."""
        self._evict(max(0, self.usage().bytes - size))

    def usage(self) -> Usage:
        """How much lies in the folder."""
        sizes = [entry.stat().st_size for entry in self._entries()]
        return Usage(len(sizes), sum(sizes))

    def clear(self) -> None:
        """Remove all entries, and what dead processes left."""
        for entry in self._entries():
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()
        sweep_partials(self.partial_folder)

    def _mark_used(self, path: Path) -> None:
        # The system's own idea of now would be some milliseconds coarse: two uses could look like one.
        now = round(self._now() * 1e9)
        with contextlib.suppress(OSError):
            os.utime(path, ns=(now, now))

    def _evict(self, limit: int) -> None:
        """Remove least recently used entries until the rest takes no more than that."""
        entries = sorted(self._entries(), key=lambda entry: entry.stat().st_mtime_ns)
        total = sum(entry.stat().st_size for entry in entries)
        for entry in entries:
            if total <= limit:
                return
            try:
                Path(entry.path).unlink(missing_ok=True)
            except OSError:  # on Windows, where somebody reads it
                continue
            total -= entry.stat().st_size

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        endings = tuple(f".{kind}" for kind in Kind)
        with contextlib.suppress(OSError), os.scandir(self._entry_folder) as found:
            for entry in found:
                if entry.name.endswith(endings):
                    with contextlib.suppress(OSError):
                        # Looked at once: the entry remembers it, also when the file is gone.
                        entry.stat()
                        yield entry

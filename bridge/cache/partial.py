"""Files being written: whole or absent under their final name, locked by their writer, swept away when it is gone.

The lock is the system's own and ends with the process, however that ends, so a file that can be locked has no writer any more.
Windows removes no file that is open, which says the same.
"""

import contextlib
import os
import sys
import uuid
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.cache.entry import write_at

MOVES_OPEN_FILES = sys.platform != "win32"
"""Whether a file can take another name while it is open."""


class PartialFile:
    """A new, empty file under a passing name; gone when closed, unless it was published."""

    def __init__(self, folder: Path) -> None:
        """Make it in a folder, and the folder where it is missing; raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._final: Path | None = None
        while True:
            self.path = folder / uuid.uuid4().hex
            self.file = FileIO(self.path, "x+b")
            try:
                # Between the two a sweep may have taken it for a dead process's.
                if _lock(self.file) and self._is_there():
                    return
            except OSError:
                self.close()
                raise
            self.file.close()

    def publish(self, path: Path) -> None:
        """Give the file its final name on the same disk, in place of any other there; it can still be read.

        Raises OSError. Where open files cannot be moved this happens in `close`.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if MOVES_OPEN_FILES:
            self.path.replace(path)
        self._final = path

    def close(self) -> None:
        """Close the file; idempotent; raises OSError where it could not be published."""
        if self.file.closed:
            return
        self.file.close()
        if self._final is None:
            self.path.unlink(missing_ok=True)
        elif not MOVES_OPEN_FILES:
            self.path.replace(self._final)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def write_whole(folder: Path, path: Path, data: bytes) -> None:
    """Make a file of these bytes appear under its name, by way of `folder` on the same disk; raises OSError."""
    with PartialFile(folder) as partial:
        write_at(partial.file, 0, data)
        partial.publish(path)


def sweep_partials(folder: Path) -> None:
    """Remove the files whose writer is gone."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                _remove_abandoned(path)


if sys.platform == "win32":

    def _lock(_: FileIO) -> bool:
        return True

    def _remove_abandoned(path: Path) -> None:
        path.unlink()

else:
    import fcntl

    def _lock(file: FileIO) -> bool:
        """Lock a file while it is open; False where another has locked it; raises OSError where nothing can be locked."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _remove_abandoned(path: Path) -> None:
        with FileIO(path, "r+b") as file:
            if _lock(file):
                path.unlink()

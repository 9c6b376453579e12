"""What StemBridge leaves in the watched folder: results, errors, and the memory of what is done. A file appears whole or not at all."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from bridge.app.watch_orders import Order
from bridge.app.watch_scan import RESULT_MARK
from bridge.session.events import Result

MEMORY = ".stembridge-done"
"""Name of the file that remembers: one line of JSON for each order that came to an end."""


class WatchFiles:
    """Writes into one folder; all methods may block, and raise OSError where the folder does not let them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: set[str] = set()
        self._memory_read: tuple[int, int] | None = None
        """Size and time of the memory when it was last read or written here."""

    def recall(self) -> None:
        """Read what was done before, where that has changed: at the start, and when a drive has come back."""
        path = self._folder / MEMORY
        try:
            stat = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        if not S_ISREG(stat.st_mode) or (stat.st_size, stat.st_mtime_ns) == self._memory_read:
            return
        self._memory_read = stat.st_size, stat.st_mtime_ns
        # A line that was cut off is no line of an order: the order is done again.
        self._done.update(path.read_text(encoding="utf-8", errors="replace").splitlines())

    def is_done(self, order: Order) -> bool:
        return _line(order) in self._done

    def remember(self, order: Order) -> None:
        """Never do this again, also where it cannot be written down."""
        line = _line(order)
        self._done.add(line)
        path = self._folder / MEMORY
        if path.is_symlink():
            path.unlink()
        with path.open("ab") as file:
            # An empty line costs nothing, and one that was cut off before ends there.
            file.write(b"\n" + line.encode() + b"\n")
        stat = path.stat()
        self._memory_read = stat.st_size, stat.st_mtime_ns

    def deliver(self, order: Order, results: Sequence[Result]) -> None:
        """Put stems and MIDI files next to what asked for them; take away the error of an earlier try."""
        for result in results:
            for source in (result.stem_path, result.midi_path):
                name = f"{order.name}{RESULT_MARK}{result.stem}{source.suffix}"
                self._write(name, lambda temporary, source=source: shutil.copyfile(source, temporary))  # type: ignore[misc]
        self._error_path(order).unlink(missing_ok=True)

    def say(self, order: Order, error: str) -> None:
        """Leave an error next to what asked, unless that is gone."""
        if (self._folder / order.file).exists():
            text = (error + "\n").encode(errors="backslashreplace")
            self._write(self._error_path(order).name, lambda temporary: temporary.write_bytes(text))

    def _error_path(self, order: Order) -> Path:
        return self._folder / f"{order.name}.error.txt"

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        with self._temporary(name) as temporary:
            write(temporary)
            temporary.replace(self._folder / name)

    @contextmanager
    def _temporary(self, name: str) -> Iterator[Path]:
        path = self._folder / f".{name}.part"
        # Whatever lies there, a link above all, is not written through.
        path.unlink(missing_ok=True)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _line(order: Order) -> str:
    """An order in one line, the same for the same files in the same state."""
    return json.dumps([order.file, [[name, *mark] for name, mark in order.marks]])

"""Which audio a file holds: a digest of its bytes, which an unchanged file does not have computed again."""

import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from bridge.cache.partial import write_whole
from bridge.errors import BridgeError, ErrorCode

LONGEST_INDEX = 4096
"""Lines, one a file; the oldest go first."""

SETTLED_AFTER = 2.0
"""Seconds. A file changed later than that before it was read may change again without its times telling: file systems count in
steps of up to two seconds."""


class _Stamp(NamedTuple):
    """What changes when a file does."""

    size: int
    modified_ns: int
    changed_ns: int
    """Also grows where a tool puts the time of modification back."""
    inode: int

    @classmethod
    def of(cls, state: os.stat_result) -> "_Stamp":
        return cls(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


_Lines = dict[str, tuple[_Stamp, str]]
"""Stamp and digest by absolute path, the oldest first."""


class SourceIndex:
    """Digests of files, remembered here and in a small file, which several processes may share.

    They may lose lines to each other, which costs a computation; a damaged file counts as empty.
    """

    def __init__(self, path: Path, partial_folder: Path | None, now: Callable[[], float] = time.time) -> None:
        """Take the file's path and a folder on its disk to write it in; without that it is only read. `now`: Unix seconds."""
        self._path = path
        self._partial_folder = partial_folder
        self._now = now
        self._lines: _Lines = {}
        self._loaded: _Stamp | None = None

    def digest(self, path: Path) -> str:
        """Return a digest of a file's bytes; raises BridgeError FILE_NOT_FOUND, BAD_AUDIO where it cannot be read."""
        with _reaching(path):
            name = str(path.absolute())
            state = path.stat()
        # A pipe would block, a device might never end.
        if not S_ISREG(state.st_mode):
            raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"{path} is not a file")
        stamp = _Stamp.of(state)
        known = self._known(name, stamp)
        if known is None:
            self._load()
            known = self._known(name, stamp)
        return self._computed(path, name) if known is None else known

    def clear(self) -> None:
        """Forget all files."""
        self._lines = {}
        with suppress(OSError):
            self._path.unlink()

    def _known(self, name: str, stamp: _Stamp) -> str | None:
        line = self._lines.get(name)
        return line[1] if line is not None and line[0] == stamp else None

    def _computed(self, path: Path, name: str) -> str:
        began = self._now()
        with _reaching(path):
            file = path.open("rb", buffering=0)
        with file:
            before = os.fstat(file.fileno())
            try:
                found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
            except OSError as error:
                raise BridgeError(ErrorCode.BAD_AUDIO, f"{path} cannot be read: {error.strerror}") from error
            after = os.fstat(file.fileno())
        stamp = _Stamp.of(before)
        settled = max(before.st_mtime, before.st_ctime) + SETTLED_AFTER <= began
        if settled and stamp == _Stamp.of(after):
            self._remember(name, stamp, found)
        return found

    def _remember(self, name: str, stamp: _Stamp, found: str) -> None:
        self._load()
        self._lines.pop(name, None)
        self._lines[name] = (stamp, found)
        for oldest in list(self._lines)[:-LONGEST_INDEX]:
            del self._lines[oldest]
        if self._partial_folder is not None:
            # What cannot be written is computed again: nobody needs to hear of it.
            with suppress(OSError):
                write_whole(self._partial_folder, self._path, _pack(self._lines))

    def _load(self) -> None:
        """Take over what another process has written meanwhile."""
        try:
            stamp = _Stamp.of(self._path.stat())
            if stamp != self._loaded:
                self._lines |= _unpack(self._path.read_bytes())
                self._loaded = stamp
        except OSError:
            self._loaded = None


@contextmanager
def _reaching(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a zero byte in the name
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"{path} does not exist") from error
    except OSError as error:
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"{path} cannot be opened: {error.strerror}") from error


def _pack(lines: _Lines) -> bytes:
    """A checksum in a line of its own, then a JSON list of path, digest and stamp a file."""
    body = json.dumps([(name, digest, *stamp) for name, (stamp, digest) in lines.items()]).encode()
    return b"%08x\n" % zlib.crc32(body) + body


def _unpack(packed: bytes) -> _Lines:
    """What `_pack` was given; nothing where it is damaged."""
    stated, _, body = packed.partition(b"\n")
    if stated != b"%08x" % zlib.crc32(body):
        return {}
    return {name: (_Stamp(*stamp), digest) for name, digest, *stamp in json.loads(body)}

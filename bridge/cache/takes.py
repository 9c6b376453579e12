"""A stem on disk, float32 and interleaved: written in any order, read by range, at any time."""

import errno
import logging
import os
import shutil
import threading
from io import FileIO
from pathlib import Path

import numpy as np

from bridge.cache.entry import Kind, checksum, describe, header_bytes, pack_header, read_into, write_at
from bridge.cache.partial import PartialFile
from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Samples
from bridge.session.ports import CacheKey

_log = logging.getLogger("bridge.cache")

_SAMPLE = np.dtype("<f4")


class StemTake:
    """A `bridge.session.ports.Take`; frames that were not written are silent.

    Reading and writing are safe from several threads, and need no more memory than what is read or written.
    """

    def __init__(self, file: FileIO, payload_at: int, frames: int, channels: int) -> None:
        """Take a file whose samples are to lie, or lie already, from `payload_at` on; it is closed with the take."""
        self.channels = channels
        self._frames = frames
        self._file = file
        self._payload_at = payload_at
        self._lock = threading.Lock()
        self._written: list[tuple[int, int]] = []
        """Ranges of frames, in order, none touching another."""
        self._sealed = not file.writable()

    @property
    def frames(self) -> int:
        """Of the whole stem."""
        return self._frames

    def write(self, start: int, samples: Samples) -> None:
        """Put float32 frames, shape (channels, frames), at frame `start`; raises BridgeError DISK."""
        if self._sealed:
            raise ValueError("a stem that is kept does not change any more")
        channels, count = samples.shape
        if channels != self.channels or not 0 <= start <= start + count <= self._frames:
            raise ValueError(
                f"{channels} channels at frames {start} to {start + count} do not fit into"
                f" a stem of {self.channels} channels and {self._frames} frames"
            )
        if not count:
            return
        data = np.ascontiguousarray(samples.T, dtype=_SAMPLE)
        with self._lock:
            try:
                write_at(self._file, self._at(start), data.reshape(-1).view(np.uint8).data)
            except OSError as error:
                raise _disk("written", error) from error
            self._written = _joined(self._written, start, start + count)

    def read(self, start: int, stop: int) -> Samples:
        """Return frames `start` to `stop`, cut to the stem; float32, shape (channels, frames), a copy; raises BridgeError DISK."""
        start = min(max(start, 0), self._frames)
        data = np.empty((max(min(stop, self._frames) - start, 0), self.channels), dtype=_SAMPLE)
        with self._lock:
            try:
                read_into(self._file, self._at(start), data.reshape(-1).view(np.uint8).data)
            except OSError as error:
                raise _disk("read", error) from error
        return np.ascontiguousarray(data.T, dtype=np.float32)

    def close(self) -> None:
        """Let go of the file; idempotent."""
        with self._lock:
            self._file.close()

    def _at(self, frame: int) -> int:
        return self._payload_at + stem_bytes(frame, self.channels)


class PartialTake(StemTake):
    """A take that can become an entry."""

    def __init__(self, folder: Path, key: CacheKey, frames: int, channels: int) -> None:
        """Make room in a folder; raises OSError."""
        self.key = key
        self.partial = PartialFile(folder)
        self._description = _description(key, frames, channels)
        try:
            make_room(self.partial.file, folder, entry_bytes(key, frames, channels))
        except OSError:
            self.partial.close()
            raise
        super().__init__(self.partial.file, header_bytes(self._description), frames, channels)

    def seal(self) -> None:
        """Put the header before the samples, all of which must be written; raises OSError."""
        if self._frames and self._written != [(0, self._frames)]:
            raise ValueError(f"of frames 0 to {self._frames} only {self._written} are written")
        size = stem_bytes(self._frames, self.channels)
        with self._lock:
            self._sealed = True
            found = checksum(self._file, self._payload_at, size)
            write_at(self._file, 0, pack_header(self._description, size, found))

    def close(self) -> None:
        with self._lock:
            try:
                self.partial.close()
            except OSError as error:
                _log.warning("a stem is not kept: %s", error)


def stem_bytes(frames: int, channels: int) -> int:
    """Of a stem's samples."""
    return frames * channels * _SAMPLE.itemsize


def entry_bytes(key: CacheKey, frames: int, channels: int) -> int:
    """Of a whole entry."""
    return header_bytes(_description(key, frames, channels)) + stem_bytes(frames, channels)


def make_room(file: FileIO, folder: Path, size: int) -> None:
    """Give a new file its length; raises OSError where its disk has less room than that, so that it shows before the work."""
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate(size)


def _description(key: CacheKey, frames: int, channels: int) -> bytes:
    return describe(Kind.STEM, key, {"frames": frames, "channels": channels})


def _joined(ranges: list[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    """Add a range to others, joined to those that it touches."""
    apart = [(a, b) for a, b in ranges if b < start or a > stop]
    touching = [(a, b) for a, b in ranges if not (b < start or a > stop)]
    return sorted([*apart, (min([start, *(a for a, _ in touching)]), max([stop, *(b for _, b in touching)]))])


def _disk(done: str, error: OSError) -> BridgeError:
    return BridgeError(ErrorCode.DISK, f"the stem's temporary file cannot be {done}: {error.strerror or error}")

"""What was analysed before: a `bridge.session.ports.Cache` in a folder."""

import errno
import json
import logging
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from bridge.cache.entry import Kind, describe, pack_header, read_at, write_at
from bridge.cache.notes import pack_notes, unpack_notes
from bridge.cache.partial import PartialFile
from bridge.cache.sources import SourceIndex
from bridge.cache.store import EntryStore, Usage
from bridge.cache.takes import PartialTake, StemTake, entry_bytes, make_room, stem_bytes
from bridge.errors import BridgeError, ErrorCode
from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.session.ports import CacheKey, KeptNotes, Take
from bridge.session.request import JobRequest

_log = logging.getLogger("bridge.cache")


_SAID = {Kind.NOTES: "notes are", Kind.KEY: "a key is", Kind.BEATS: "beats are"}


class AnalysisCache:
    """A `bridge.session.ports.Cache`. Several processes may use one folder; one object is for one thread, its takes for several."""

    def __init__(self, folder: Path, limit: int, work_dir: Path, *, now: Callable[[], float] = time.time) -> None:
        """Keep at most `limit` bytes in `folder`, 0: nothing. Stems that are not kept lie in `work_dir`.

        `now` gives Unix seconds: it orders entries by their last use, and tells which files have just been changed.
        """
        self._store = EntryStore(folder, limit, now)
        self._sources = SourceIndex(folder / "sources", self._store.partial_folder if limit else None, now)
        self._work_dir = work_dir

    def identify(self, request: JobRequest) -> CacheKey:
        """Return digests of the files' contents and the region; raises BridgeError FILE_NOT_FOUND, BAD_AUDIO.

        A file that changes later is another one: ask again before keeping what was made from it.
        """
        return (
            self._sources.digest(request.path),
            "" if request.path2 is None else self._sources.digest(request.path2),
            repr(float(request.start)),
            "" if request.end is None else repr(float(request.end)),
        )

    def recall_notes(self, key: CacheKey) -> KeptNotes | None:
        """Return the notes that were kept for this key."""
        payload = self._recall(Kind.NOTES, key)
        return None if payload is None else unpack_notes(payload)

    def keep_notes(self, key: CacheKey, notes: KeptNotes) -> None:
        """Keep notes; where that cannot be, nothing happens but a line in the log."""
        self._keep(Kind.NOTES, key, pack_notes(notes))

    def recall_key(self, key: CacheKey) -> KeyEstimate | None:
        """Return the key of a clip that was kept for this cache key."""
        payload = self._recall(Kind.KEY, key)
        return None if payload is None else KeyEstimate(*json.loads(payload))

    def keep_key(self, key: CacheKey, estimate: KeyEstimate) -> None:
        """Keep the key of a clip; where that cannot be, nothing happens but a line in the log."""
        self._keep(Kind.KEY, key, json.dumps([estimate.key, estimate.confidence]).encode())

    def recall_beats(self, key: CacheKey) -> BeatTrack | None:
        """Return the beats of a clip that were kept for this cache key."""
        payload = self._recall(Kind.BEATS, key)
        if payload is None:
            return None
        beats, downbeats, confidence = json.loads(payload)
        return BeatTrack(tuple(beats), tuple(downbeats), confidence)

    def keep_beats(self, key: CacheKey, track: BeatTrack) -> None:
        """Keep the beats of a clip; where that cannot be, nothing happens but a line in the log."""
        self._keep(Kind.BEATS, key, json.dumps([track.beats, track.downbeats, track.confidence]).encode())

    def _recall(self, kind: Kind, key: CacheKey) -> bytearray | None:
        entry = self._store.find(kind, key)
        if entry is None:
            return None
        file, found = entry
        with file:
            return read_at(file, found.payload_at, found.payload_bytes)

    def _keep(self, kind: Kind, key: CacheKey, payload: bytes) -> None:
        whole = pack_header(describe(kind, key, {}), len(payload), zlib.crc32(payload)) + payload
        if len(whole) > self._store.limit:
            return
        try:
            with PartialFile(self._store.partial_folder) as partial:
                write_at(partial.file, 0, whole)
                self._store.publish(partial, kind, key)
        except OSError as error:
            _log.warning("%s not kept: %s", _SAID[kind], error)

    def recall_stem(self, key: CacheKey) -> Take | None:
        """Return the stem that was kept for this key, all of it checked."""
        entry = self._store.find(Kind.STEM, key)
        if entry is None:
            return None
        file, found = entry
        return StemTake(file, found.payload_at, found.facts["frames"], found.facts["channels"])

    def begin_stem(self, key: CacheKey, frames: int, channels: int) -> Take:
        """Make room for a stem, in `work_dir` where it cannot be kept; raises BridgeError DISK."""
        size = entry_bytes(key, frames, channels)
        if size > self._store.limit:
            return self._unkept(frames, channels)
        try:
            return PartialTake(self._store.partial_folder, key, frames, channels)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._store.give_up(size)
        try:
            return PartialTake(self._store.partial_folder, key, frames, channels)
        except OSError as error:
            _log.warning("a stem will not be kept: %s", error)
        return self._unkept(frames, channels)

    def keep_stem(self, take: Take) -> None:
        """Keep a stem that `begin_stem` gave, all of it written; where that cannot be, nothing happens but a line in the log."""
        if not isinstance(take, PartialTake):
            return
        try:
            take.seal()
            self._store.publish(take.partial, Kind.STEM, take.key)
        except OSError as error:
            _log.warning("a stem is not kept: %s", error)

    def usage(self) -> Usage:
        """How many entries there are, and their bytes."""
        return self._store.usage()

    def clear(self) -> None:
        """Remove everything that no process is writing."""
        self._store.clear()
        self._sources.clear()

    def _unkept(self, frames: int, channels: int) -> StemTake:
        size = stem_bytes(frames, channels)
        try:
            self._work_dir.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._work_dir, buffering=0)  # noqa: SIM115 -- closed by the take
            try:
                make_room(file, self._work_dir, size)
            except OSError:
                file.close()
                raise
        except OSError as error:
            raise BridgeError(
                ErrorCode.DISK,
                f"{self._work_dir} cannot take a stem of {size / 1e6:.0f} MB: {error.strerror}",
            ) from error
        return StemTake(file, 0, frames, channels)

"""The selected audio, decoded, mixed and resampled once into a temporary file, so that an hour needs no more memory than a minute."""

import tempfile
import threading
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import soxr

from bridge.audio.downmix import mix_matrix
from bridge.audio.source import LOUDEST, AudioFacts, probe, read_blocks
from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Samples
from bridge.units import Seconds

DECODING = f"clip 1, soxr {version('soxr')}, soundfile {version('soundfile')}"
"""What a clip's samples depend on beside the file; the number is to be raised when this room may make others of it."""

END_TOLERANCE = Seconds(0.1)
"""An end this little beyond the file's is the file's end: OSC floats carry 24 bits, decoders disagree on an mp3's padding."""


class FileClip:
    """A `bridge.music.sound.Clip` in a temporary file that has no name and goes with the clip, however the process ends.

    Reading is safe from several threads.
    """

    def __init__(self, sample_rate: int, channels: int, work_dir: Path) -> None:
        """Make an empty clip to be filled by `open_clip`; raises BridgeError DISK."""
        self.sample_rate = sample_rate
        self.channels = channels
        self.frames = 0
        self.warnings: tuple[str, ...] = ()
        """For the user: what of the audio is not as it should be."""
        self._loudness = _Loudness()
        self._reading = threading.Lock()
        try:
            work_dir.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = tempfile.TemporaryFile(dir=work_dir)  # noqa: SIM115 -- closed by close()
        except OSError as error:
            raise _disk(work_dir, error) from error

    def fill(self, blocks: Iterable[Samples], work_dir: Path) -> None:
        """Append blocks, float32, shape (channels, frames), then make the clip readable; raises BridgeError DISK."""
        try:
            for block in blocks:
                self._loudness.add(block)
                self._file.write(np.ascontiguousarray(block.T).data)
                self.frames += block.shape[1]
            self._file.flush()
        except OSError as error:
            raise _disk(work_dir, error) from error

    def read(self, start: int, stop: int) -> Samples:
        """Return frames `start` to `stop`, clamped to the clip; float32, shape (channels, frames), a copy."""
        start = min(max(0, start), self.frames)
        # Interleaved, so that a range of frames lies together. Read and not mapped: what is mapped counts as this process's memory.
        frames = np.empty((max(0, min(stop, self.frames) - start), self.channels), np.float32)
        with self._reading:
            self._file.seek(start * frames.itemsize * self.channels)
            self._file.readinto(frames.data)  # type: ignore[attr-defined]
        return np.ascontiguousarray(frames.T)

    def loudness(self) -> tuple[float, float]:
        """Return mean and standard deviation (ddof 1) of the channel mean over the whole clip; 0 deviation for one frame."""
        return self._loudness.mean, self._loudness.deviation

    def close(self) -> None:
        """Give the disk space back; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_clip(
    path: Path,
    path2: Path | None,
    start: Seconds,
    end: Seconds | None,
    *,
    sample_rate: int,
    channels: int,
    work_dir: Path,
) -> FileClip:
    """Decode a region of a file, or of two mono files as left and right, to a sample rate and channel count.

    The region's borders are rounded to the file's own frames, and the region alone is resampled (soxr, very high quality, delay
    compensated): frame n of the clip is where n / sample_rate seconds after `start` were, and the length is the region's times the
    ratio of the rates, rounded. Of two files the shorter one ends in silence.

    Raises BridgeError FILE_NOT_FOUND; BAD_AUDIO (not decodable, no frames, a region outside the file, two files that are not mono
    or not at one rate); NOT_SUPPORTED (channels); DISK (no room in `work_dir`).
    """
    facts = [probe(p) for p in (path, path2) if p is not None]
    rate = facts[0].sample_rate
    first, last = check_region(facts, start, end)
    matrix = mix_matrix(sum(f.channels for f in facts), channels)
    cleaned = _Cleaned(read_blocks([f.path for f in facts], first, last))
    mixed = (matrix @ block for block in cleaned)
    clip = FileClip(sample_rate, channels, work_dir)
    try:
        clip.fill(_resampled(mixed, channels, rate, sample_rate), work_dir)
    except BaseException:
        clip.close()
        raise
    if not clip.frames:
        clip.close()
        reason = "it is too short" if cleaned.frames else f"it is cut short: its header says {facts[0].duration:.3f} s"
        raise BridgeError(ErrorCode.BAD_AUDIO, f"{path} holds no audio from {start:g} s on, {reason}")
    promised = (last if last is not None else max(f.frames for f in facts)) - first
    clip.warnings = _warnings(path, cleaned, promised, rate)
    return clip


def check_region(facts: list[AudioFacts], start: Seconds, end: Seconds | None) -> tuple[int, int | None]:
    """Return a region's first and last frame (exclusive; None: wherever the file ends) in the file's own frames.

    Raises BridgeError BAD_AUDIO for a region that is empty or outside the file (of two files: outside both), and for two files that
    are not mono or not at one rate.
    """
    if len(facts) > 1:
        _check_pair(*facts)
    longest = max(facts, key=lambda f: f.frames)
    rate, duration = longest.sample_rate, longest.duration
    if not 0 <= start < duration:
        raise BridgeError(
            ErrorCode.BAD_AUDIO, f"start is {start:g} s, but {longest.path} goes from 0 to {duration:.3f} s"
        )
    first = round(start * rate)
    if end is None:
        last = longest.frames
    elif not end <= duration + END_TOLERANCE:
        raise BridgeError(ErrorCode.BAD_AUDIO, f"end is {end:g} s, but {longest.path} ends at {duration:.3f} s")
    else:
        last = min(longest.frames, round(end * rate))
    if last <= first:
        raise BridgeError(
            ErrorCode.BAD_AUDIO,
            f"the region from {start:g} s to {duration if end is None else end:g} s holds no audio;"
            f" end must be after start ({longest.path} lasts {duration:.3f} s)",
        )
    return first, None if last == longest.frames else last


def _check_pair(left: AudioFacts, right: AudioFacts) -> None:
    for facts in (left, right):
        if facts.channels != 1:
            raise BridgeError(
                ErrorCode.BAD_AUDIO,
                f"{facts.path} has {facts.channels} channels; path and path2 must each be mono, left and right",
            )
    if left.sample_rate != right.sample_rate:
        raise BridgeError(
            ErrorCode.BAD_AUDIO,
            f"{left.path} is at {left.sample_rate} Hz and {right.path} at {right.sample_rate} Hz;"
            " path and path2 must have one sample rate",
        )


class _Cleaned:
    """Passes blocks on with what is no number set to 0, and counts."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = blocks
        self.frames = 0
        self.damaged = 0

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks:
            sound = np.abs(block) <= LOUDEST  # False for NaN, too
            damaged = sound.size - int(np.count_nonzero(sound))
            self.frames += block.shape[1]
            self.damaged += damaged
            yield np.where(sound, block, np.float32(0.0)) if damaged else block


def _warnings(path: Path, read: _Cleaned, promised: int, rate: int) -> tuple[str, ...]:
    warnings = []
    if read.damaged:
        warnings.append(f"{path}: {read.damaged} samples were not finite numbers and are taken as silence")
    if read.frames < promised - END_TOLERANCE * rate:
        warnings.append(
            f"{path} is cut short: {read.frames / rate:.2f} s could be decoded where its header says {promised / rate:.2f} s"
        )
    return tuple(warnings)


def _resampled(blocks: Iterable[Samples], channels: int, source: int, target: int) -> Iterator[Samples]:
    """The same audio at another rate, each block as soon as it is known."""
    if source == target:
        yield from blocks
        return
    stream = soxr.ResampleStream(source, target, channels, dtype="float32", quality="VHQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).T
    yield stream.resample_chunk(np.zeros((0, channels), dtype=np.float32), last=True).T


class _Loudness:
    """Mean and deviation of the channel mean, in double precision, merged block by block (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.mean = 0.0
        self._frames = 0
        self._squares = 0.0

    def add(self, block: Samples) -> None:
        count = block.shape[1]
        if not count:
            return
        mono = block.mean(axis=0, dtype=np.float64)
        mean = float(mono.mean())
        total = self._frames + count
        apart = mean - self.mean
        self._squares += float(np.sum(np.square(mono - mean))) + apart * apart * self._frames * count / total
        self.mean += apart * count / total
        self._frames = total

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self._squares / (self._frames - 1))) if self._frames > 1 else 0.0


def _disk(work_dir: Path, error: OSError) -> BridgeError:
    return BridgeError(ErrorCode.DISK, f"the clip cannot be kept in {work_dir}: {error.strerror or error}")

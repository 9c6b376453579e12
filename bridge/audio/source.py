"""Audio files as they lie on the disk: what they hold, and their frames block by block. Decoded by libsndfile; no ffmpeg."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import numpy as np
import soundfile

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Samples
from bridge.units import Seconds

FORMATS = ("wav", "aiff", "flac", "ogg", "mp3")
"""What is tested; libsndfile knows some more."""

SLOWEST_RATE, FASTEST_RATE = 4_000, 768_000
"""Sample rates beyond these are damaged headers, not audio."""

LOUDEST = np.float32(1e6)
"""Samples beyond this (+120 dB full scale) are damage, like NaN."""

BLOCK_FRAMES = 1 << 16

_UNKNOWN_LENGTH = 1 << 62

_FORWARD_ONLY = ("MP3",)
"""Formats that are decoded from their start, 0.1 s for a minute of mp3, whatever the region."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What a file's header says."""

    path: Path
    sample_rate: int
    """Hertz."""
    channels: int
    frames: int

    @property
    def duration(self) -> Seconds:
        """Of the whole file; a damaged file may hold less."""
        return Seconds(self.frames / self.sample_rate)


def probe(path: Path) -> AudioFacts:
    """Read a file's header: quick enough to ask before a job is accepted.

    Raises BridgeError FILE_NOT_FOUND, or BAD_AUDIO where the file is no audio that can be decoded, or empty.
    """
    with _opened(path) as file:
        frames = file.frames if file.frames < _UNKNOWN_LENGTH else _counted(path, file)
        facts = AudioFacts(path, file.samplerate, file.channels, frames)
    if not facts.frames:
        raise BridgeError(ErrorCode.BAD_AUDIO, f"{path} is empty: it holds no audio frames")
    if not SLOWEST_RATE <= facts.sample_rate <= FASTEST_RATE:
        raise BridgeError(
            ErrorCode.BAD_AUDIO,
            f"{path} has a sample rate of {facts.sample_rate} Hz; {SLOWEST_RATE} to {FASTEST_RATE} Hz was expected",
        )
    return facts


def read_blocks(paths: Sequence[Path], start: int, stop: int | None) -> Iterator[Samples]:
    """Yield frames `start` to `stop` (None: the end) in blocks, the channels of all files one after the other.

    Blocks are float32, shape (channels, frames). A file that ends before the others goes on as silence. Ends early where all
    files hold less than their headers said.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(_opened(path)) for path in paths]
        for path, file in zip(paths, files, strict=True):
            _advance(path, file, start)
        position = start
        while stop is None or position < stop:
            wanted = BLOCK_FRAMES if stop is None else min(BLOCK_FRAMES, stop - position)
            parts = [_decode(path, file, wanted) for path, file in zip(paths, files, strict=True)]
            longest = max(part.shape[1] for part in parts)
            if not longest:
                return
            yield np.concatenate([np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in parts])
            position += longest


class _SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is sought in only when asked to."""

    # soundfile seeks to where it is after every read of a seekable file. In an mp3 each seek restarts the decoder, which then
    # lacks bits that lie further back than it looks: clicks between blocks and at a region's start, seen at 48 kbit/s. In a flac
    # of unknown length such a seek fails.
    def seekable(self) -> bool:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[_SoundFile]:
    try:
        # A pipe would block, a device might never end.
        if not S_ISREG(path.stat().st_mode):
            raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"{path} is not a file")
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a zero byte in the name
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"{path} does not exist") from error
    except OSError as error:
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"{path} cannot be opened: {error.strerror}") from error
    try:
        file = _SoundFile(path)
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:  # TypeError: headerless files
        raise BridgeError(
            ErrorCode.BAD_AUDIO,
            f"{path} is not audio that can be decoded; formats that work: {', '.join(FORMATS)}"
            " (render or convert others to wav)",
        ) from error
    with file:
        yield file


def _decode(path: Path, file: _SoundFile, frames: int) -> Samples:
    """The next frames, fewer at the end; shape (channels, frames)."""
    try:
        block: Samples = file.read(frames, dtype="float32", always_2d=True).T
    except soundfile.LibsndfileError as error:
        raise BridgeError(
            ErrorCode.BAD_AUDIO, f"{path} is damaged: it cannot be decoded beyond {file.tell() / file.samplerate:.2f} s"
        ) from error
    return block


def _advance(path: Path, file: _SoundFile, frame: int) -> None:
    """Go to a frame, which may lie beyond the end."""
    if file.format not in _FORWARD_ONLY and file.frames < _UNKNOWN_LENGTH:
        file.seek(min(frame, file.frames))
        return
    while frame > 0:
        skipped = _decode(path, file, min(frame, BLOCK_FRAMES)).shape[1]
        if not skipped:
            return
        frame -= skipped


def _counted(path: Path, file: _SoundFile) -> int:
    """How many frames a file without a length in its header holds."""
    counted = 0
    while block := _decode(path, file, BLOCK_FRAMES).shape[1]:
        counted += block
    return counted

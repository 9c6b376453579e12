"""Separated stems as audio files, written as they come and complete or absent under their name."""

import contextlib
import os
import time
import uuid
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Samples

ABANDONED_AFTER = 86_400.0
"""Seconds without a write after which nobody writes a stem any more."""


class StemFormat(StrEnum):
    """What a stem can be written as, by the name that the configuration uses."""

    WAV16 = "wav16"
    WAV24 = "wav24"
    WAV32F = "wav32f"
    FLAC = "flac"
    """24 bit."""
    MP3 = "mp3"
    """320 kbit/s, constant."""

    @property
    def suffix(self) -> str:
        """Of a file's name, with its dot."""
        return f".{_CODECS[self].name.lower()}"


class _Codec(NamedTuple):
    """libsndfile's names for a format."""

    name: str
    subtype: str
    clips: bool
    """Whether samples beyond full scale cannot be kept."""


_CODECS = {
    StemFormat.WAV16: _Codec("WAV", "PCM_16", clips=True),
    StemFormat.WAV24: _Codec("WAV", "PCM_24", clips=True),
    StemFormat.WAV32F: _Codec("WAV", "FLOAT", clips=False),
    StemFormat.FLAC: _Codec("FLAC", "PCM_24", clips=True),
    StemFormat.MP3: _Codec("MP3", "MPEG_LAYER_III", clips=True),
}

MP3_RATES = (32_000, 44_100, 48_000)
"""Where MPEG-1 layer III knows 320 kbit/s."""

_MP3_CHANNELS = 2

_WRITE_FRAMES = 1 << 15
"""libsndfile's encoders keep a whole write on the stack; a long one has been seen to end the process."""


def sweep_partial_stems(folder: Path) -> None:
    """Remove what killed processes left half written in a folder's folders; what was touched within a day may still be wanted."""
    with contextlib.suppress(OSError):
        for partial in folder.glob("*/.*.part"):
            with contextlib.suppress(OSError):
                if time.time() - partial.stat().st_mtime > ABANDONED_AFTER:
                    partial.unlink()


class AudioStemFile:
    """A `bridge.session.ports.StemFile`: under a passing name until `close`, so that a half-written stem is never taken for whole.

    Separated stems may exceed full scale. `wav32f` keeps that; the other formats hold such samples at full scale and count them
    in `clipped`.
    """

    def __init__(self, path: Path, kind: StemFormat, sample_rate: int, channels: int) -> None:
        """Begin a file, making its folder; one of that name is replaced on `close`.

        Raises BridgeError DISK, or NOT_SUPPORTED where mp3 knows no 320 kbit/s at that rate or channel count.
        """
        if kind is StemFormat.MP3 and (sample_rate not in MP3_RATES or channels > _MP3_CHANNELS):
            raise BridgeError(
                ErrorCode.NOT_SUPPORTED,
                f"mp3 at 320 kbit/s needs 1 or 2 channels at one of {', '.join(map(str, MP3_RATES))} Hz,"
                f" not {channels} at {sample_rate} Hz",
            )
        self.path = path
        self.clipped = 0
        """Samples held at full scale so far."""
        self._codec = _CODECS[kind]
        self._partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        self._file: soundfile.SoundFile | None = None
        self._whole = False
        """Whether what lies under the name is this stem."""
        constant = {"bitrate_mode": "CONSTANT", "compression_level": 0.0} if kind is StemFormat.MP3 else {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(error) from error
        try:
            self._file = soundfile.SoundFile(
                self._partial,
                "x",
                samplerate=sample_rate,
                channels=channels,
                format=self._codec.name,
                subtype=self._codec.subtype,
                **constant,
            )
        except soundfile.SoundFileError as error:
            self._partial.unlink(missing_ok=True)
            raise self._failure(error) from error

    def write(self, samples: Samples) -> None:
        """Append float32 frames, shape (channels, frames); raises BridgeError DISK."""
        if self._file is None:
            raise ValueError(f"{self.path} is closed")
        if self._codec.clips:
            self.clipped += int(np.count_nonzero(np.abs(samples) > 1.0))
            samples = np.clip(samples, -1.0, 1.0)
        try:
            for i in range(0, samples.shape[1], _WRITE_FRAMES):
                self._file.write(samples[:, i : i + _WRITE_FRAMES].T)
        # soundfile asserts that all frames were taken
        except (OSError, soundfile.SoundFileError, AssertionError) as error:
            self.discard()
            raise self._failure(error) from error

    def close(self) -> None:
        """Finish the file and give it its name; idempotent; raises BridgeError DISK."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
            os.replace(self._partial, self.path)  # noqa: PTH105 -- atomic on every system
            self._whole = True
        except (OSError, soundfile.SoundFileError) as error:
            self._partial.unlink(missing_ok=True)
            raise self._failure(error) from error

    def discard(self) -> None:
        """Close and remove what was written, also after `close`; an older file of that name stays unless it was replaced."""
        if self._whole:
            self.path.unlink(missing_ok=True)
            self._whole = False
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except soundfile.SoundFileError:  # a full disk; the file goes anyway
            pass
        finally:
            self._partial.unlink(missing_ok=True)

    def _failure(self, error: Exception) -> BridgeError:
        reason = getattr(error, "strerror", None) or str(error) or "the disk took less than was written"
        return BridgeError(ErrorCode.DISK, f"{self.path} cannot be written: {reason}")

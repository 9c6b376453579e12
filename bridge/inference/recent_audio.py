"""The stretch of a mono signal that is still needed, addressed by frame from the clip's start; silence around it."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Samples

Mono = npt.NDArray[np.float32]
"""Shape (frames,)."""

SAMPLE_RATE = 44100
"""Hertz; madmom's note networks were trained at this rate."""

PIECE = 10 * SAMPLE_RATE
"""Frames that `RecentAudio.take` appends at most before it pauses."""


def require_rate(sample_rate: int) -> None:
    """Raise BridgeError NOT_SUPPORTED unless the rate is the one that the networks know."""
    if sample_rate != SAMPLE_RATE:
        message = f"cannot transcribe audio at {sample_rate} Hz, expected {SAMPLE_RATE} Hz"
        raise BridgeError(ErrorCode.NOT_SUPPORTED, message)


def mono(samples: Samples) -> Mono:
    """Return the channels' mean, float32, shape (frames,); what is not finite becomes silence.

    It is the mean that madmom's `SignalProcessor(num_channels=1)` takes, bit for bit up to seven channels.
    """
    mean: Mono = samples.mean(axis=0, dtype=np.float32)
    finite = np.isfinite(mean)
    return mean if finite.all() else np.where(finite, mean, np.float32(0.0))


class RecentAudio:
    """Appended at the end, forgotten at the beginning; memory is at most four times what is kept or appended at once."""

    def __init__(self) -> None:
        self._buffer = np.zeros(1 << 15, np.float32)
        self._origin = 0
        self._kept = 0
        self._frames = 0

    @property
    def frames(self) -> int:
        """How many were appended in all."""
        return self._frames

    def append(self, samples: Mono) -> None:
        """Take the next samples."""
        room = self._buffer.size - (self._frames - self._origin)
        if len(samples) > room:
            kept = self._buffer[self._kept - self._origin : self._frames - self._origin]
            buffer = np.zeros(max(2 * (kept.size + len(samples)), 1 << 15), np.float32)
            buffer[: kept.size] = kept
            self._buffer, self._origin = buffer, self._kept
        begin = self._frames - self._origin
        self._buffer[begin : begin + len(samples)] = samples
        self._frames += len(samples)

    def take(self, samples: Samples) -> Iterator[None]:
        """Append the mix of the next samples, shape (channels, frames), a few seconds at a time, pausing after each.

        However much comes at once, what is made of it then fits in as little memory as if it came in small chunks.
        """
        for begin in range(0, samples.shape[1], PIECE):
            self.append(mono(samples[:, begin : begin + PIECE]))
            yield

    def forget(self, before: int) -> None:
        """Let go of what lies before this frame."""
        self._kept = max(self._kept, min(before, self._frames))

    def read(self, start: int, stop: int) -> Mono:
        """Return a copy of frames `start` to `stop`; zeros before the clip's start and after what was appended.

        Raises:
            IndexError: a part of it was forgotten.

        """
        begin, end = max(start, 0), min(stop, self._frames)
        if begin < min(self._kept, end):
            raise IndexError(f"frame {begin} was forgotten, the first kept is {self._kept}")
        wanted = np.zeros(stop - start, np.float32)
        if end > begin:
            wanted[begin - start : end - start] = self._buffer[begin - self._origin : end - self._origin]
        return wanted

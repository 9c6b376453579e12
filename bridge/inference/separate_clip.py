"""How separators read a clip: by frame range, with zeros beyond its ends, after making sure that it fits the model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Clip, Samples, Stem


@dataclass(frozen=True, slots=True)
class Silence:
    """A clip in which nothing sounds."""

    sample_rate: int
    """Hertz."""
    channels: int
    frames: int

    def read(self, start: int, stop: int) -> Samples:
        """Return zeros for frames `start` to `stop`, clamped to the clip; shape (channels, frames)."""
        return np.zeros((self.channels, max(0, min(stop, self.frames) - max(start, 0))), dtype=np.float32)

    def loudness(self) -> tuple[float, float]:
        return 0.0, 0.0


def check_request(clip: Clip, stems: Sequence[Stem], separator: str, sample_rate: int, channels: int) -> None:
    """Raise BridgeError where the clip was not opened for the model, or no stem is asked for."""
    if not stems:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"no stem was asked of {separator}; expected at least one")
    if (clip.sample_rate, clip.channels) != (sample_rate, channels):
        raise BridgeError(
            ErrorCode.INTERNAL,
            f"{separator} takes clips of {sample_rate} Hz and {channels} channels,"
            f" not {clip.sample_rate} Hz and {clip.channels}",
        )


def read_window(clip: Clip, start: int, stop: int) -> torch.Tensor:
    """Return frames `start` to `stop`, shape (channels, stop - start); zeros where the clip has none.

    Raises BridgeError BAD_AUDIO where a sample is no finite number.
    """
    begin, end = max(0, start), min(clip.frames, stop)
    window = torch.zeros(clip.channels, stop - start)
    if begin < end:
        window[:, begin - start : end - start] = torch.tensor(clip.read(begin, end))
    if not bool(window.isfinite().all()):
        raise BridgeError(
            ErrorCode.BAD_AUDIO, f"frames {begin} to {end} of the clip hold samples that are not finite numbers"
        )
    return window


class Loudness(NamedTuple):
    """What a clip is normalised by."""

    mean: float
    deviation: float
    """Never 0: Demucs adds 1e-8, so silence divides by that."""


def loudness(clip: Clip) -> Loudness:
    """Return the clip's mean and deviation; raises BridgeError BAD_AUDIO where samples are no finite numbers."""
    mean, deviation = clip.loudness()
    if clip.frames == 1:
        deviation = 0.0  # one value has no sample deviation
    if not (math.isfinite(mean) and math.isfinite(deviation)):
        raise BridgeError(
            ErrorCode.BAD_AUDIO,
            f"the clip holds samples that are not finite numbers: mean {mean}, deviation {deviation}",
        )
    return Loudness(mean, deviation + 1e-8)


def to_samples(tensor: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return a stem as a contiguous float32 array of its own, shape (channels, frames)."""
    return np.ascontiguousarray(tensor.numpy(), dtype=np.float32)

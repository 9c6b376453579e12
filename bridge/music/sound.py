"""Stems: what a mix is separated into."""

from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
"""Audio, float32, shape (channels, frames), nominal range -1 to 1."""


class Stem(StrEnum):
    """The four sources that Demucs' four-source models separate."""

    VOCALS = "vocals"
    DRUMS = "drums"
    BASS = "bass"
    OTHER = "other"


class Clip(Protocol):
    """The selected audio, opened: resampled already, read by frame range, never whole in memory."""

    @property
    def sample_rate(self) -> int:
        """Hertz."""

    @property
    def channels(self) -> int: ...

    @property
    def frames(self) -> int: ...

    def read(self, start: int, stop: int) -> Samples:
        """Return frames `start` to `stop`, clamped to the clip; float32, shape (channels, frames)."""

    def loudness(self) -> tuple[float, float]:
        """Return mean and standard deviation (ddof 1) of the channel mean over the whole clip, as Demucs normalises."""

"""What madmom's recurrent piano network hears, incremental: three spectrograms, and how much each has risen.

Frames of 1024, 2048 and 4096 samples every 441 samples, 12 filters an octave from 30 Hz to 17 kHz. The rise is against a
frame some way back, as far as madmom goes; where the clip had not begun there is none.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from bridge.inference.madmom_models import madmom
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio
from bridge.inference.spectrogram import Analysis, SpectrogramStream

Features = npt.NDArray[np.float32]
"""Shape (frames, features)."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """One of the spectrograms."""

    analysis: Analysis
    back: int
    """Frames that the rise looks back."""

    @classmethod
    def of(cls, framing: Any, transform: Any, filtering: Any, logarithm: Any, difference: Any) -> Self:
        """What madmom's processors do, as a trial on silence shows it."""
        data: Any = madmom.audio.signal.Signal(np.zeros(framing.frame_size, np.float32), sample_rate=SAMPLE_RATE)
        for processor in (framing, transform, filtering, logarithm, difference):
            data = processor(data)
        return cls(Analysis.of(framing, transform, filtering, logarithm), difference.diff_frames)


def piano_rnn_resolutions(processor: Any) -> list[Resolution]:
    """Those of a `RNNPianoNoteProcessor`, in the order in which its network takes them."""
    _, parallel, _ = processor.processors[0].processors
    return [Resolution.of(*chain.processors) for chain in parallel.processors]


class _Risen:
    """One spectrogram and its rise."""

    def __init__(self, audio: RecentAudio, resolution: Resolution) -> None:
        self.spectrogram = SpectrogramStream(audio, resolution.analysis)
        # Nothing rises above what is infinite: the first frames have no rise.
        self._before = np.full((resolution.back, resolution.analysis.bands), np.inf, np.float32)

    def until(self, stop: int) -> Features:
        frames = self.spectrogram.until(stop)
        known = np.concatenate([self._before, frames])
        rise = np.maximum(frames - known[: len(frames)], 0)
        self._before = known[len(frames) :]
        return np.concatenate([frames, rise], axis=1)


class FeatureStream:
    """Follows the end of a signal that others append to and forget; the features are madmom's on the whole signal within 1e-6."""

    def __init__(self, audio: RecentAudio, resolutions: list[Resolution]) -> None:
        self._parts = [_Risen(audio, resolution) for resolution in resolutions]

    @property
    def needs(self) -> int:
        """The first sample that frames to come will read."""
        return min(part.spectrogram.needs for part in self._parts)

    @property
    def complete(self) -> int:
        """How many frames there are from the clip's start whose samples have all been appended."""
        return min(part.spectrogram.complete for part in self._parts)

    @property
    def last(self) -> int:
        """How many frames there will be if the clip ends here."""
        return self._parts[0].spectrogram.last

    def until(self, stop: int) -> Features:
        """Return the frames up to this one since the last call; where they reach beyond the end, they are filled with silence."""
        return np.concatenate([part.until(stop) for part in self._parts], axis=1)

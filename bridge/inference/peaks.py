"""Note onsets from the RNN's activations while they come in, as madmom's `NoteOnsetPeakPickingProcessor` picks them.

Settings are those of madmom's own piano transcription program: smoothing over 90 ms, local maxima within 10 ms on either
side, one onset for each key within 50 ms. Peaks are picked once from `FLOOR` up, and their height is kept as the
confidence, so that the threshold can be moved later. At 0.35, the default, the onsets are madmom's. Elsewhere there is one
difference: madmom reports a group of peaks within 50 ms at the first that reaches the threshold, here it stays where it is
at the default; it appears and disappears at the same threshold, up to 50 ms off. And a clip whose only onsets are at its
very first frame keeps them, where madmom returns none.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bridge.inference.madmom_models import KEYS, madmom

FPS = 100
"""Frames a second."""
THRESHOLD = 0.35
FLOOR = 0.1
"""Below this a peak is no note at any threshold."""
SMOOTH = 9
COMBINE = 5
_MARGIN = SMOOTH // 2 + 1
"""Frames on either side that decide whether a frame is a peak."""

OnsetActivations = npt.NDArray[np.float32]
"""Shape (frames, 88 keys from A0)."""


@dataclass(frozen=True, slots=True)
class Onset:
    """One onset of one key."""

    frame: int
    key: int
    """0 is A0."""
    height: float
    """Of the highest peak in its group: the activation summed over a Hamming window, so it may exceed 1."""


class PeakPicker:
    """Fed with activations in order, any number at a time."""

    def __init__(self) -> None:
        # Silence before the clip: the smoothing of its first frames reaches there.
        self._activations = np.zeros((_MARGIN, KEYS), np.float32)
        self._groups: dict[int, Onset] = {}
        self._frames = 0

    @property
    def known(self) -> int:
        """Every onset before this frame was given."""
        return min([self._frames, *(group.frame for group in self._groups.values())])

    def feed(self, activations: OnsetActivations) -> list[Onset]:
        """Take the next frames; return onsets that are certain, in order of time."""
        buffer = np.concatenate([self._activations, activations])
        found = max(0, len(buffer) - 2 * _MARGIN)
        onsets = self._search(buffer, found) + self._close(self._frames)
        return sorted(onsets, key=lambda onset: (onset.frame, onset.key))

    def finish(self) -> list[Onset]:
        """Return the rest."""
        # The signal ends in silence, as it began; groups have nothing to wait for.
        onsets = self.feed(np.zeros((_MARGIN, KEYS), np.float32)) + list(self._groups.values())
        self._groups.clear()
        return sorted(onsets, key=lambda onset: (onset.frame, onset.key))

    def _search(self, buffer: OnsetActivations, frames: int) -> list[Onset]:
        smoothed = madmom.audio.signal.smooth(buffer, SMOOTH)
        rows, keys = madmom.features.onsets.peak_picking(smoothed, FLOOR, None, pre_max=1, post_max=1)
        inside = (rows >= _MARGIN) & (rows < _MARGIN + frames)
        onsets = []
        for row, key in zip(rows[inside].tolist(), keys[inside].tolist(), strict=True):
            peak = Onset(self._frames + row - _MARGIN, key, float(smoothed[row, key]))
            onsets.extend(self._group(peak))
        self._frames += frames
        self._activations = buffer[frames:]
        return onsets

    def _group(self, peak: Onset) -> list[Onset]:
        """Join a peak to its key's group; return the group before it, if the peak is too late for that."""
        group = self._groups.get(peak.key)
        if group is None or peak.frame - group.frame > COMBINE:
            self._groups[peak.key] = peak
            return [] if group is None else [group]
        start = peak.frame if group.height < THRESHOLD <= peak.height else group.frame
        self._groups[peak.key] = Onset(start, peak.key, max(group.height, peak.height))
        return []

    def _close(self, frame: int) -> list[Onset]:
        """Return the groups that no peak from this frame on can join."""
        closed = [group for group in self._groups.values() if frame - group.frame > COMBINE]
        for group in closed:
            del self._groups[group.key]
        return closed

"""How a note's pitch moves while it sounds, as steps small enough not to be heard: what pitch bend messages are made of."""

from bisect import bisect_left
from collections.abc import Iterable

from bridge.inference.mono_frames import Frame
from bridge.units import Pitch, Seconds

STEP = 5.0
"""Cents by which the pitch moves before there is another step: about what is just noticed."""
BETWEEN = 3
"""Steps that a frame's movement is given in at most, 5 to 7 ms each: a vibrato's steepest part moves 30 cents a frame."""
VOICED = 0.5
WIDEST = 2.0
"""Semitones; what lies farther from the note is another tone or a mistake."""

Bend = tuple[tuple[Seconds, float], ...]
"""Seconds from the note's onset, rising from 0, and cents above the note's pitch; each holds until the next."""


def moved(bend: Bend, by: Seconds) -> Bend:
    """Return the bend of the same note with its onset so much later, or below 0 earlier: it sounds as it did, from the onset on."""
    before = sum(at <= by for at, _ in bend[1:])
    return tuple(
        (Seconds(max(0.0, at - by) if place else 0.0), cents) for place, (at, cents) in enumerate(bend[before:])
    )


class BendTracker:
    """Follows one note, frame by frame; what it has said stays as more frames come.

    Args:
        begin: the note's first frame; a note begins half a period before that frame's middle.
        pitch: the note's.
        period: a frame's.

    """

    def __init__(self, begin: int, pitch: Pitch, period: Seconds) -> None:
        self._pitch, self._period = pitch, period
        self.frame = begin
        """The frame to be followed next."""
        self._begin = begin
        self._last: tuple[Seconds, float] | None = None
        """When a voice was heard last, and where."""
        self._steps: list[tuple[Seconds, float]] = []
        self._made_in: list[int] = []
        """The frame that showed each step."""

    def follow(self, frames: Iterable[Frame]) -> None:
        """Take the next frames; those without a voice, and those more than two semitones away, are bridged."""
        for frame in frames:
            middle = Seconds((self.frame - self._begin + 0.5) * self._period)
            if frame.voicing >= VOICED and abs(frame.pitch - self._pitch) <= WIDEST:
                self._reach(middle, 100.0 * (frame.pitch - self._pitch))
            self.frame += 1

    def bend(self, end: int | None = None) -> Bend:
        """Return the steps so far, or those that the frames before `end` show; empty where no voice was heard."""
        return tuple(self._steps[: None if end is None else bisect_left(self._made_in, end)])

    def _reach(self, time: Seconds, cents: float) -> None:
        if self._last is None:
            self._step(Seconds(0.0), cents)
        else:
            since, before = self._last
            for part in range(1, BETWEEN + 1):
                here = before + (cents - before) * part / BETWEEN
                # A gap without a voice is crossed at its end.
                at = Seconds(time - self._period * (1.0 - part / BETWEEN))
                if at > since and abs(here - self._steps[-1][1]) >= STEP:
                    self._step(at, here)
        self._last = (time, cents)

    def _step(self, at: Seconds, cents: float) -> None:
        self._steps.append((at, cents))
        self._made_in.append(self.frame)

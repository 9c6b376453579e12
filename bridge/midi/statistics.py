"""What the player counts of the messages that left."""

from collections.abc import Iterable

import numpy as np

from bridge.midi.messages import Sent
from bridge.session.playback import SentNote
from bridge.units import Seconds

REMEMBERED = 10_000
"""Messages over which lateness is reported."""


class SendStatistics:
    """Counts and lateness; notes only, for controllers have no musical deadline."""

    def __init__(self) -> None:
        self._lateness = np.zeros(REMEMBERED, np.float64)
        self.sent = 0
        self.sounding = 0

    def add(self, sent: Iterable[Sent]) -> tuple[SentNote, ...]:
        """Count messages and return the notes among them as reports give them."""
        notes = []
        for (due, _, note, on), at in sent:
            if note is None:
                continue
            lateness = Seconds(at - due)
            self._lateness[self.sent % REMEMBERED] = lateness
            self.sent += 1
            self.sounding += 1 if on else -1
            velocity = note.velocity if on else None
            notes.append(SentNote(note.part, on, note.channel, note.pitch, velocity, due, lateness))
        return tuple(notes)

    def lateness(self) -> tuple[Seconds, Seconds, Seconds]:
        """Median, 99th percentile and maximum; all 0 before anything left."""
        known = self._lateness[: min(self.sent, REMEMBERED)]
        if not known.size:
            return Seconds(0.0), Seconds(0.0), Seconds(0.0)
        # A selection instead of a sort: the interpreter stands still meanwhile, and a process callback with it.
        middle, high = known.size // 2, min(known.size - 1, int(known.size * 0.99))
        ordered = np.partition(known, (middle, high))
        return Seconds(float(ordered[middle])), Seconds(float(ordered[high])), Seconds(float(known.max()))

"""A transcriber small enough to reason about, with all that makes stitching hard: it looks ahead, remembers, and errs at its edges."""

from dataclasses import replace

import numpy as np

from bridge.music.notes import Note, NoteUpdate
from bridge.music.sound import Samples
from bridge.units import Pitch, Seconds, Velocity

RATE = 100
GRID = RATE // 10
"""It looks at tenths of a second."""
AHEAD = 4
"""Grid steps that it waits before it decides."""


class GateTranscriber:
    """Fulfils `Transcriber`: a note is a run of grid steps above half scale, its pitch from the level where it began.

    What sounds from its first step on is a fragment and no note, and the third note since the last silence of five steps is
    ignored: decisions that depend on what came long before.
    """

    name = "gate"
    threshold = 0.5
    fingerprint = "gate 1"

    def __init__(self) -> None:
        self.fed: list[int] = []
        """Frames that each transcription was fed."""

    def start(self, sample_rate: int) -> "Gate":
        assert sample_rate == RATE
        self.fed.append(0)
        return Gate(self, len(self.fed) - 1)


class Gate:
    """Fulfils `Transcription`."""

    def __init__(self, owner: GateTranscriber, number: int) -> None:
        self._owner, self._number = owner, number
        self._levels: list[float] = []
        self._rest = np.zeros(0, np.float32)
        self._given: dict[tuple[float, int], Note] = {}

    def feed(self, samples: Samples) -> NoteUpdate:
        self._owner.fed[self._number] += samples.shape[1]
        self._rest = np.concatenate([self._rest, np.abs(samples).max(axis=0)])
        whole = len(self._rest) // GRID
        self._levels += [float(np.float32(step.max())) for step in self._rest[: whole * GRID].reshape(whole, GRID)]
        self._rest = self._rest[whole * GRID :]
        return self._look(max(0, len(self._levels) - AHEAD), ended=False)

    def finish(self) -> NoteUpdate:
        update = self._look(len(self._levels), ended=True)
        return replace(update, until=Seconds(self._owner.fed[self._number] / RATE))

    def _look(self, decided: int, *, ended: bool) -> NoteUpdate:
        """Go through all that is decided anew: slow, and right."""
        notes, begun, quiet, row = [], None, 5, 0
        for step in range(decided + 1):
            level = self._levels[step] if step < decided else 0.0
            over = step == decided
            if level >= 0.5 and begun is None and not over:
                begun, row = step, (1 if quiet >= 5 else row + 1)
            elif (level < 0.5 or over) and begun is not None:
                open_end = over and not ended
                if begun > 0 and row != 3:
                    pitch = 40 + round(40 * self._levels[begun])
                    length = None if open_end else Seconds((step - begun) / 10)
                    confidence = max(self._levels[begun : max(step, begun + 1)])
                    notes.append(Note(Seconds(begun / 10), length, Pitch(pitch), Velocity(64), confidence))
                begun, quiet = None, 0
            if level < 0.5:
                quiet += 1
        new = [note for note in notes if self._given.get(note.key) != note]
        self._given.update((note.key, note) for note in new)
        return NoteUpdate(tuple(new), Seconds(decided / 10))


def one_pass(samples: Samples) -> tuple[Note, ...]:
    """The notes of the whole stem in one go."""
    gate = GateTranscriber().start(RATE)
    notes = {note.key: note for note in gate.feed(samples).notes}
    notes |= {note.key: note for note in gate.finish().notes}
    return tuple(replace(notes[key]) for key in sorted(notes))

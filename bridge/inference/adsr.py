"""Notes from the CNN's activations while they come in, as madmom's `ADSRNoteTrackingProcessor` finds them afterwards.

A hidden Markov model of silence, attack, decay, sustain and release is decoded for each key. A note is a run of states after
the attack's first and before the release; madmom keeps it if it passed through all states (the last frame of the run not
counting) and its note and onset activations reach a threshold. Here the greatest onset activation becomes the
note's confidence instead, so that its threshold can be moved later.

One thing differs from madmom, on purpose. Where a run has begun before the first frame, madmom takes its end for an onset
and pairs all later ends and onsets of that key wrongly. Here the run is dropped first, so a cut of a recording has the
notes of the whole away from the edges. And a key whose activations contradict the model altogether (madmom decodes
nothing of it in the whole file) starts anew at that frame.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bridge.inference.cnn import Activations
from bridge.inference.madmom_models import KEYS, LOWEST_PITCH, madmom
from bridge.inference.spectrogram import FPS
from bridge.inference.viterbi import Decision, OnlineViterbi
from bridge.music.notes import Note, NoteKey
from bridge.units import Pitch, Seconds, Velocity

VelocityAt = Callable[[int, Pitch], Velocity]
"""(frame of the onset, pitch) -> velocity."""


@dataclass(slots=True)
class _Run:
    """A run of sounding states whose end is not decided; what it holds is known for all its frames but the last."""

    onset: int
    velocity: Velocity
    given: Note | None = None
    states: int = 0
    """Bit n is set if state n was passed."""
    sounding: float = 0.0
    confidence: float = 0.0


@dataclass(slots=True)
class _Key:
    last: int = 0
    """The state decided last; silence before the first frame."""
    run: _Run | None = None


class NoteTracker:
    """Follows all keys at once; `velocity` is asked once for each run, when its onset is decided."""

    def __init__(self, velocity: VelocityAt) -> None:
        model = madmom.features.notes.ADSRNoteTrackingProcessor(onset_threshold=0.0, pitch_offset=LOWEST_PITCH)
        self._velocity = velocity
        self._viterbi = OnlineViterbi(model.hmm, KEYS)
        self._silence, self._attack, self._release = model.st.silence, model.st.attack, model.st.release
        self._complete = sum(1 << state for state in range(self._attack, self._release))
        self._note_threshold = model.note_threshold
        self._keys = [_Key() for _ in range(KEYS)]
        self._activations = np.empty((0, KEYS, 3), np.float32)
        self._origin = 0
        self._changed: dict[NoteKey, Note] = {}

    @property
    def decided(self) -> int:
        """The first frame that is undecided for some key; onsets to come are at least at the frame before it."""
        return int(self._viterbi.decided.min())

    @property
    def known(self) -> int:
        """Every note that begins before this frame was given."""
        return min(
            self._undecided_onset(key, int(decided))
            for key, decided in zip(self._keys, self._viterbi.decided, strict=True)
        )

    def feed(self, activations: Activations) -> list[Note]:
        """Take the next frames; return notes that are new or changed, in order of onset."""
        if not len(activations):
            return []
        self._activations = np.concatenate([self._activations, activations])
        for decision in self._viterbi.feed(activations):
            self._follow(decision)
        self._trim()
        return self._flush()

    def finish(self) -> list[Note]:
        """Return the rest; runs that still sound end with the last frame, which then counts as part of them."""
        self._follow(self._viterbi.finish())
        frames = self._viterbi.frames
        for index, key in enumerate(self._keys):
            if key.run is not None:
                self._absorb(index, key, key.run, frames - 1)
                self._give(index, key.run, ended=frames)
                key.run = None
        return self._flush()

    def _follow(self, decision: Decision) -> None:
        highest = decision.states.max(axis=0, initial=self._silence)
        for index, key in enumerate(self._keys):
            if key.last == self._silence == highest[index]:
                continue
            states = decision.lane(index).tolist()
            for frame, state in enumerate(states, int(decision.begin[index])):
                self._step(index, key, frame, state)
            if states and key.run is not None:
                self._give(index, key.run, ended=None)

    def _step(self, index: int, key: _Key, frame: int, state: int) -> None:
        """Take one decided state; the frame before it then surely belongs to the run, if this one does."""
        inside = self._attack < state < self._release
        was_inside = self._attack < key.last < self._release
        if inside and not was_inside and frame > 0:
            key.run = _Run(frame - 1, self._velocity(frame - 1, self._pitch(index)))
        if key.run is not None:
            if inside:
                self._absorb(index, key, key.run, frame - 1)
            else:
                self._give(index, key.run, ended=frame - 1)
                key.run = None
        key.last = state

    def _absorb(self, index: int, key: _Key, run: _Run, frame: int) -> None:
        sounding, onset, _ = self._activations[frame - self._origin, index].tolist()
        run.states |= 1 << key.last
        run.sounding = max(run.sounding, sounding)
        run.confidence = max(run.confidence, onset)

    def _give(self, index: int, run: _Run, ended: int | None) -> None:
        """Give the run's note, if it is one and not the same as given before."""
        if run.states & self._complete != self._complete or run.sounding < self._note_threshold:
            return
        note = Note(
            onset=Seconds(run.onset / FPS),
            duration=None if ended is None else Seconds((ended - run.onset) / FPS),
            pitch=self._pitch(index),
            velocity=run.velocity,
            confidence=run.confidence,
        )
        if note != run.given:
            run.given = note
            self._changed[note.key] = note

    def _undecided_onset(self, key: _Key, decided: int) -> int:
        """The earliest frame at which a note may begin that was not given yet."""
        if key.run is not None and key.run.given is None:
            return key.run.onset
        return decided - 1 if key.last == self._attack else decided

    def _flush(self) -> list[Note]:
        notes = [self._changed[key] for key in sorted(self._changed)]
        self._changed.clear()
        return notes

    def _trim(self) -> None:
        first = max(self._origin, self.decided - 1)
        self._activations = self._activations[first - self._origin :]
        self._origin = first

    @staticmethod
    def _pitch(index: int) -> Pitch:
        return Pitch(LOWEST_PITCH + index)

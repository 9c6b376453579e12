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
import numpy.typing as npt

from bridge.inference.attack import on_grid
from bridge.inference.cnn import Activations
from bridge.inference.madmom_models import KEYS, LOWEST_PITCH, madmom
from bridge.inference.spectrogram import FPS
from bridge.inference.viterbi import Decision, OnlineViterbi
from bridge.music.notes import Note, NoteKey
from bridge.units import Pitch, Seconds, Velocity

VelocityAt = Callable[[int, Pitch], Velocity]
"""(frame of the onset, pitch) -> velocity."""
OnsetAt = Callable[[int, Pitch], Seconds]
"""(frame of the onset, pitch) -> when the note begins: half a frame before that at the earliest, three frames after it at the latest."""


def at_frame(frame: int, _: Pitch) -> Seconds:
    """When a frame is, which is where madmom's notes begin."""
    return Seconds(frame / FPS)


@dataclass(slots=True)
class _Run:
    """A run of sounding states; what it holds is known for its frames up to `seen`."""

    onset: int
    seen: int
    heard: tuple[Seconds, Velocity] | None = None
    """When its note begins, and how loud."""
    given: Note | None = None
    states: int = 0
    """Bit n is set if state n was passed."""
    sounding: float = 0.0
    confidence: float = 0.0


class NoteTracker:
    """Follows all keys at once.

    `velocity` and `onset` are asked once for each run: when its note is first given, or else at the end of the call in which its
    onset was decided. A run lasts three frames at least and begins a frame after the last one's end, so that notes of a key last a
    while and do not overlap, wherever within its bounds `onset` puts them.
    """

    def __init__(self, velocity: VelocityAt, onset: OnsetAt = at_frame) -> None:
        model = madmom.features.notes.ADSRNoteTrackingProcessor(onset_threshold=0.0, pitch_offset=LOWEST_PITCH)
        self._velocity, self._onset = velocity, onset
        self._viterbi = OnlineViterbi(model.hmm, KEYS)
        self._silence, self._attack, self._release = model.st.silence, model.st.attack, model.st.release
        self._complete = sum(1 << state for state in range(self._attack, self._release))
        self._note_threshold = model.note_threshold
        self._last = np.full(KEYS, self._silence, np.uint8)
        """Of each key the state decided last; silence before the first frame."""
        self._runs: dict[int, _Run] = {}
        """Of each key the run whose end is not decided."""
        self._activations = np.empty((0, KEYS, 3), np.float32)
        self._origin = 0
        self._changed: dict[NoteKey, Note] = {}

    @property
    def decided(self) -> int:
        """The first frame that is undecided for some key; onsets to come are at least at the frame before it."""
        return int(self._viterbi.decided.min())

    @property
    def known(self) -> int:
        """Every note whose onset was decided to be before this frame was given."""
        undecided = self._viterbi.decided - (self._last == self._attack)
        for key, run in self._runs.items():
            if run.given is None:
                undecided[key] = run.onset
        return int(undecided.min())

    def feed(self, activations: Activations) -> list[Note]:
        """Take the next frames; return notes that are new or changed, in order of onset."""
        if not len(activations):
            return []
        self._activations = np.concatenate([self._activations, activations])
        for decision in self._viterbi.feed(activations):
            self._follow(decision)
        for key, run in self._runs.items():
            self._give(key, run, ended=None)
            self._ask(key, run)
        self._trim()
        return self._flush()

    def finish(self) -> list[Note]:
        """Return the rest; runs that still sound end with the last frame, which then counts as part of them."""
        self._follow(self._viterbi.finish())
        frames = self._viterbi.frames
        for key, run in self._runs.items():
            self._see(key, run, frames, self._last[key : key + 1])
            self._give(key, run, ended=frames)
        self._runs.clear()
        return self._flush()

    def _follow(self, decision: Decision) -> None:
        """Take decided states. A run begins with the frame before its first sounding state and ends before its last one."""
        lanes = np.arange(KEYS)
        begin, end = decision.begin - decision.origin, decision.end - decision.origin
        # Row n is the frame before row n of the decision; what stands in a key's rows before `begin` or after `end` is of no use.
        states = np.concatenate([self._last[None], decision.states])
        states[begin, lanes] = self._last
        first = decision.origin - 1
        inside = (self._attack < states) & (states < self._release)
        rows = np.arange(len(decision.states))[:, None]
        turns = (inside[1:] != inside[:-1]) & (begin <= rows) & (rows < end)
        for key, row in np.argwhere(turns.T).tolist():
            run = self._runs.pop(key, None)
            if run is not None:
                self._see(key, run, row + first, states[run.seen - first : row, key])
                self._give(key, run, ended=row + first)
            elif inside[row + 1, key] and row + first >= 0:
                self._runs[key] = _Run(row + first, row + first)
        for key, run in self._runs.items():
            self._see(key, run, int(end[key]) + first, states[run.seen - first : end[key], key])
        self._last = states[end, lanes]

    def _see(self, key: int, run: _Run, end: int, states: npt.NDArray[np.uint8]) -> None:
        """Take note of a run's frames from the last one seen up to `end`."""
        if end == run.seen:
            return
        sounding, onset, _ = self._activations[run.seen - self._origin : end - self._origin, key].max(axis=0).tolist()
        run.states |= sum({1 << state for state in states.tolist()})
        run.sounding = max(run.sounding, sounding)
        run.confidence = max(run.confidence, onset)
        run.seen = end

    def _ask(self, key: int, run: _Run) -> tuple[Seconds, Velocity]:
        if run.heard is None:
            pitch = self._pitch(key)
            run.heard = self._onset(run.onset, pitch), self._velocity(run.onset, pitch)
        return run.heard

    def _give(self, key: int, run: _Run, ended: int | None) -> None:
        """Give the run's note, if it is one and not the same as given before."""
        if run.states & self._complete != self._complete or run.sounding < self._note_threshold:
            return
        onset, velocity = self._ask(key, run)
        duration = None if ended is None else on_grid(ended / FPS - onset)
        note = Note(onset, duration, self._pitch(key), velocity, run.confidence)
        if note != run.given:
            run.given = note
            self._changed[note.key] = note

    def _flush(self) -> list[Note]:
        notes = [self._changed[key] for key in sorted(self._changed)]
        self._changed.clear()
        return notes

    def _trim(self) -> None:
        first = max(self._origin, self.decided - 1)
        self._activations = self._activations[first - self._origin :]
        self._origin = first

    @staticmethod
    def _pitch(key: int) -> Pitch:
        return Pitch(LOWEST_PITCH + key)

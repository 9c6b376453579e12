"""Exact Viterbi decoding while the observations still come in, for many independent lanes of one hidden Markov model.

A state is decided as soon as every path that can still win passes through it. The sums are those of madmom's
`HiddenMarkovModel.viterbi`, term by term and in its order: previous value + transition + density, the first of equal
predecessors wins, nothing is rescaled; so the path is the same, bit for bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LONGEST = 3000
"""Frames that may stay undecided: a minute at 50 frames a second. Then the older half of them is decided by the path that
is best at that moment. Music comes nowhere near; what it bounds is memory: 5 kB a frame for 88 lanes of 7 states, 15 MB, and twice that while decided."""
_BATCH = 64
"""Frames whose values are kept until it is known where they came from."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What `OnlineViterbi` has decided since the last time: in each lane, the states of frames `begin` to `end`."""

    begin: npt.NDArray[np.int64]
    """Shape (lanes,)."""
    end: npt.NDArray[np.int64]
    """Shape (lanes,)."""
    states: npt.NDArray[np.uint8]
    """Shape (frames, lanes); row 0 is frame `origin`. Only `begin` to `end` means anything."""
    origin: int

    def lane(self, lane: int) -> npt.NDArray[np.uint8]:
        """The states of one lane."""
        return self.states[self.begin[lane] - self.origin : self.end[lane] - self.origin, lane]


class OnlineViterbi:
    """Decodes the `lanes` of a madmom `HiddenMarkovModel` side by side."""

    def __init__(self, hmm: Any, lanes: int, longest: int = LONGEST) -> None:
        model = hmm.transition_model
        with np.errstate(divide="ignore"):
            log_probabilities = np.asarray(model.log_probabilities)
            prior = np.log(hmm.initial_distribution)
        pointers = np.asarray(model.pointers).astype(int)
        targets = np.repeat(np.arange(model.num_states), np.diff(pointers))
        possible = np.isfinite(log_probabilities)
        self._observe = hmm.observation_model
        self._densities = np.asarray(hmm.observation_model.pointers).astype(np.intp)
        # Of each state the predecessors with the transitions' weights, in madmom's order.
        self._predecessors = [
            list(zip(model.states[row].tolist(), log_probabilities[row].tolist(), strict=True))
            for row in (possible & (targets == state) for state in range(model.num_states))
        ]
        self._states = model.num_states
        self._lanes = np.arange(lanes)
        self._longest = longest
        self._prior = np.repeat(prior[:, None], lanes, axis=1)
        self._values = self._prior
        self._sources, self._weights = self._ranked()
        self._candidates = np.empty(self._weights.shape)
        self._pointers: list[npt.NDArray[np.intp]] = []
        """Of each frame from `_origin` on: where each state came from, as state x lanes + lane, shape (states, lanes)."""
        self._origin = 0
        self._decided = np.zeros(lanes, np.int64)

    def _ranked(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """The n-th predecessor of every state, where it has so many; shape (n, states), weights (n, states, lanes)."""
        most = max(len(predecessors) for predecessors in self._predecessors)
        sources = np.zeros((most, self._states), np.intp)
        weights = np.full((most, self._states, len(self._lanes)), -np.inf)
        for state, predecessors in enumerate(self._predecessors):
            for rank, (source, weight) in enumerate(predecessors):
                sources[rank, state] = source
                weights[rank, state] = weight
        return sources, weights

    @property
    def frames(self) -> int:
        """How many were fed."""
        return self._origin + len(self._pointers)

    @property
    def decided(self) -> npt.NDArray[np.int64]:
        """How many frames of each lane are decided, shape (lanes,)."""
        return self._decided

    def feed(self, observations: npt.NDArray[np.float32]) -> list[Decision]:
        """Take the next frames, shape (frames, lanes, observed); return what is decided now, in order of time."""
        with np.errstate(divide="ignore"):
            flat = self._observe.log_densities(observations.reshape(-1, observations.shape[-1]))
        by_lane = flat.reshape(len(observations), len(self._lanes), flat.shape[-1])
        densities = by_lane.transpose(0, 2, 1).take(self._densities, axis=1)
        decisions = []
        while len(densities):
            # As many as can come before a lane may have too many undecided frames.
            room = self._longest + 1 - int(self.frames - self._decided.min())
            self._advance(densities[: max(1, room)])
            densities = densities[max(1, room) :]
            decisions.append(self._decide(self._survivors()))
            if self.frames - self._decided.min() > self._longest:
                self._force()
                decisions.append(self._decide(self._survivors()))
        return decisions

    def finish(self) -> Decision:
        """Decide the rest: the best path ends in the state that is best at the last frame."""
        best = self._values.argmax(axis=0)
        return self._decide(np.repeat(best[None], self._states, axis=0))

    def _advance(self, densities: npt.NDArray[np.float64]) -> None:
        """Add frames to the trellis, shape (frames, states, lanes)."""
        for begin in range(0, len(densities), _BATCH):
            batch = densities[begin : begin + _BATCH]
            values = np.empty((len(batch) + 1, *self._values.shape))
            values[0] = self._values
            for frame, density in enumerate(batch):
                self._step(values[frame], density, values[frame + 1])
            came_from = self._came_from(values[:-1], batch)
            if np.isneginf(values[-1].max(axis=0)).any():
                self._revive(values, batch, came_from)
            came_from *= len(self._lanes)
            came_from += self._lanes
            self._pointers.extend(came_from)
            self._values = values[-1]

    def _step(
        self, before: npt.NDArray[np.float64], density: npt.NDArray[np.float64], after: npt.NDArray[np.float64]
    ) -> None:
        candidates = self._candidates
        before.take(self._sources, axis=0, out=candidates, mode="clip")
        candidates += self._weights
        candidates += density
        np.maximum.reduce(candidates, axis=0, out=after)

    def _came_from(self, before: npt.NDArray[np.float64], densities: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """The best predecessor of every state, the first of equal ones; all shapes are (frames, states, lanes)."""
        came_from = np.empty(before.shape, np.intp)
        for state, (first, *others) in enumerate(self._predecessors):
            came_from[:, state] = first[0]
            if not others:
                continue
            best = before[:, first[0]] + first[1] + densities[:, state]
            for source, weight in others:
                candidate = before[:, source] + weight + densities[:, state]
                np.copyto(came_from[:, state], source, where=candidate > best)
                np.maximum(best, candidate, out=best)
        return came_from

    def _revive(
        self,
        values: npt.NDArray[np.float64],
        densities: npt.NDArray[np.float64],
        came_from: npt.NDArray[np.intp],
    ) -> None:
        """Step again through frames after which lanes are dead: an observation was one that the model calls impossible.

        madmom then gives up the lane; here it starts anew at that frame.
        """
        for frame, density in enumerate(densities):
            self._step(values[frame], density, values[frame + 1])
            came_from[frame] = self._came_from(values[frame : frame + 1], density[None])[0]
            dead = np.isneginf(values[frame + 1].max(axis=0))
            came_from[frame][:, dead] = values[frame].argmax(axis=0)[dead]
            values[frame + 1][:, dead] = self._prior[:, dead]

    def _survivors(self) -> npt.NDArray[np.intp]:
        """The states that paths now end in, shape (states, lanes); the best one's stands in for unreachable ones."""
        best = self._values.argmax(axis=0)
        states = np.arange(self._states)[:, None]
        return np.where(np.isneginf(self._values), best, states)

    def _histories(self, ends: npt.NDArray[np.intp], frames: int) -> npt.NDArray[np.intp]:
        """The states, as state x lanes + lane, on the paths to `ends`, oldest first; shape (frames, states, lanes)."""
        paths = np.empty((frames, self._states, len(self._lanes)), np.intp)
        paths[-1] = ends * len(self._lanes) + self._lanes
        for row in range(frames - 1, 0, -1):
            self._pointers[row].take(paths[row], out=paths[row - 1], mode="clip")
        return paths

    def _decide(self, ends: npt.NDArray[np.intp]) -> Decision:
        """Decide all on which the paths to `ends` agree, and trim the trellis."""
        if not self._pointers:
            return Decision(self._decided, self._decided, np.empty((0, len(self._lanes)), np.uint8), self._origin)
        paths = self._histories(ends, len(self._pointers))
        agree = (paths == paths[:, :1]).all(axis=1)
        # Paths that meet stay together before: the last frame on which they agree decides all earlier ones.
        last = len(paths) - agree[::-1].argmax(axis=0)
        end = np.where(agree.any(axis=0), self._origin + last, self._decided).astype(np.int64)
        end = np.maximum(end, self._decided)
        states = (paths[:, 0] // len(self._lanes)).astype(np.uint8)
        decision = Decision(self._decided, end, states, self._origin)
        self._decided = end
        trim = int(end.min()) - self._origin
        del self._pointers[:trim]
        self._origin += trim
        return decision

    def _force(self) -> None:
        """In lanes that are undecided for too long, drop the paths that differ from the best one in their older half."""
        late = self.frames - self._decided > self._longest
        paths = self._histories(self._survivors(), len(self._pointers))
        middle = paths[len(paths) - self._longest // 2]
        best = self._values.argmax(axis=0)
        other = middle != middle[best, self._lanes]
        self._values = np.where(other & late, -np.inf, self._values)

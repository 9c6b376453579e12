"""Exact Viterbi decoding of madmom's bar pointer model in little memory.

madmom keeps, for every frame, where each of some 15,000 states came from: 350 MB for a minute of audio. In this model only the first
state of a beat has a choice of predecessors, the last states of the beat before; every other follows from the one before it.
So a frame needs a byte for each tempo and beat of the bar: 1.4 MB a minute.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

_HEED_EVERY = 1000
"""Frames."""


class BarPointerModel:
    """Stands in for a `HiddenMarkovModel` whose state space is a `BarStateSpace`; its paths are the same.

    Args:
        hmm: madmom's.
        heed: called every few frames; may raise to end the decoding.

    """

    def __init__(self, hmm: Any, heed: Callable[[], None]) -> None:
        self.transition_model = hmm.transition_model
        self.observation_model = hmm.observation_model
        self._heed = heed
        space = hmm.transition_model.state_space
        self._firsts = np.stack(space.first_states).astype(np.intp)
        """Shape (beats, tempi)."""
        self._lasts = np.roll(np.stack(space.last_states).astype(np.intp), 1, axis=0)
        """Of the beat before; shape (beats, tempi)."""
        self._steps = self._beat_transitions(hmm.transition_model)
        with np.errstate(divide="ignore"):
            self._prior = np.log(hmm.initial_distribution)

    def _beat_transitions(self, model: Any) -> npt.NDArray[np.float64]:
        """How likely each tempo follows on each; logarithms, shape (beats, tempo after, tempo before)."""
        beats, tempi = self._firsts.shape
        steps = np.full((beats, tempi, tempi), -np.inf)
        pointers = np.asarray(model.pointers).astype(np.intp)
        places = {state: tempo for row in self._lasts.tolist() for tempo, state in enumerate(row)}
        for beat in range(beats):
            for tempo, state in enumerate(self._firsts[beat]):
                row = slice(pointers[state], pointers[state + 1])
                before = [places[source] for source in np.asarray(model.states)[row].tolist()]
                steps[beat, tempo, before] = np.asarray(model.log_probabilities)[row]
        return steps

    def viterbi(self, observations: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.intp], float]:
        """Return the best path, a state a frame, and its log probability; observations of shape (frames, observed), not empty."""
        densities = self.observation_model.log_densities(observations)
        columns = np.asarray(self.observation_model.pointers).astype(np.intp)
        beats = np.arange(len(self._firsts))[:, None]
        tempi = np.arange(self._firsts.shape[1])[None]
        sources = np.empty((len(observations), *self._firsts.shape), np.uint8)
        values, following = self._prior, np.empty_like(self._prior)
        for frame, density in enumerate(densities):
            if frame % _HEED_EVERY == 0:
                self._heed()
            candidates = self._steps + values[self._lasts][:, None]
            best = candidates.argmax(axis=2)
            sources[frame] = best
            following[1:] = values[:-1]
            following[self._firsts] = candidates[beats, tempi, best]
            following += density[columns]
            values, following = following, values if frame else np.empty_like(values)
        last = int(values.argmax())
        return self._trace(sources, last), float(values[last])

    def _trace(self, sources: npt.NDArray[np.uint8], state: int) -> npt.NDArray[np.intp]:
        path = np.empty(len(sources), np.intp)
        beat_of = {int(first): divmod(place, self._firsts.shape[1]) for place, first in enumerate(self._firsts.flat)}
        ordered = np.sort(self._firsts, axis=None)
        stop = len(path)
        while True:
            first = int(ordered[np.searchsorted(ordered, state, side="right") - 1])
            begin = stop - 1 - (state - first)
            path[max(0, begin) : stop] = np.arange(state - (stop - 1 - max(0, begin)), state + 1)
            if begin <= 0:
                return path
            beat, tempo = beat_of[first]
            state = int(self._lasts[beat, sources[begin, beat, tempo]])
            stop = begin

"""The drum network: which drum is struck, ten milliseconds at a time, from what has been heard so far.

Two convolutions find shapes in five frames of the spectrum, whatever their pitch; a recurrent layer knows what sounded before.
Its 75,000 weights lie beside this file. They were learnt from kits made of sines and noise and from those of the soundfont
FluidR3_GM (MIT licence) by `benchmarks/drum_training.py`, so they are free as this code is. Where kicks and cymbals begin to count
was then measured on three other soundfonts (`benchmarks/drum_thresholds.py`).
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from bridge.inference.drum_spectrum import BANDS, Levels

SOURCES = ("kick", "snare", "closed_hat", "open_hat", "tom", "crash", "ride", "side_stick")
"""What the network tells apart, in the order of its outputs."""

Array = npt.NDArray[np.float32]

_TALL, _WIDE = 3, 5
"""A convolution's frames and bands."""


@dataclass(frozen=True, slots=True)
class _Convolution:
    """Over the last three frames, with rectification; bands are padded by two on either side."""

    weights: Array
    """Shape (channels in x frames x bands, channels out)."""
    bias: Array
    stride: int

    def __call__(self, frames: Array) -> Array:
        """Turn shape (frames, channels in, places) into (channels out, places)."""
        padded = np.pad(frames, ((0, 0), (0, 0), (_WIDE // 2, _WIDE // 2)))
        windows = sliding_window_view(padded, _WIDE, axis=2)[:, :, :: self.stride]
        columns = windows.transpose(2, 1, 0, 3).reshape(windows.shape[2], -1)
        places: Array = np.maximum(columns @ self.weights + self.bias, np.float32(0.0)).T
        return places


@dataclass(frozen=True, slots=True)
class _Weights:
    digest: str
    first: _Convolution
    second: _Convolution
    dense: tuple[Array, Array]
    gates_in: tuple[Array, Array]
    """Reset, update and new state of the recurrent layer, from its input; then from its state."""
    gates_state: tuple[Array, Array]
    output: tuple[Array, Array]


@cache
def _weights() -> _Weights:
    data = (files("bridge.inference") / "drum_weights.npz").read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as archive:
        arrays = {name: archive[name].astype(np.float32) for name in archive.files}

    def layer(name: str) -> tuple[Array, Array]:
        return np.ascontiguousarray(arrays[f"{name}_weights"]), arrays[f"{name}_bias"]

    def convolution(name: str, stride: int) -> _Convolution:
        weights, bias = layer(name)
        return _Convolution(np.ascontiguousarray(weights.reshape(len(bias), -1).T), bias, stride)

    return _Weights(
        hashlib.sha256(data).hexdigest(),
        convolution("first", 2),
        convolution("second", 4),
        layer("dense"),
        layer("gates_in"),
        layer("gates_state"),
        layer("output"),
    )


class DrumNetwork:
    """One stem's run through the network; fed frame by frame."""

    def __init__(self) -> None:
        self._weights = _weights()
        self._state = np.zeros(self._weights.gates_state[0].shape[1], np.float32)
        # Silence before the stem is zeros to the network, as it was where the network learnt.
        self._seen = np.zeros((_TALL, 1, BANDS), np.float32)
        shape = self._weights.first(self._seen)
        self._shapes = np.repeat(shape[None], _TALL, axis=0)

    @staticmethod
    def digest() -> str:
        """What tells these weights from others."""
        return _weights().digest

    def step(self, seen: Levels) -> Array:
        """Return the next frame's activations, 0 to 1, in the order of `SOURCES`."""
        weights = self._weights
        self._seen = np.concatenate([self._seen[1:], seen[None, None]])
        self._shapes = np.concatenate([self._shapes[1:], weights.first(self._seen)[None]])
        heard = weights.second(self._shapes).T.reshape(-1)
        dense = np.maximum(_affine(weights.dense, heard), 0.0)
        reset_in, update_in, new_in = np.split(_affine(weights.gates_in, dense), 3)
        reset_state, update_state, new_state = np.split(_affine(weights.gates_state, self._state), 3)
        update = _sigmoid(update_in + update_state)
        new = np.tanh(new_in + _sigmoid(reset_in + reset_state) * new_state)
        self._state = (np.float32(1.0) - update) * new + update * self._state
        return _sigmoid(_affine(weights.output, np.concatenate([dense, self._state])))


def _affine(layer: tuple[Array, Array], values: Array) -> Array:
    weights, bias = layer
    return weights @ values + bias


def _sigmoid(values: Array) -> Array:
    half = np.float32(0.5)
    activations: Array = half + half * np.tanh(half * values)
    return activations

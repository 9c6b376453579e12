"""madmom's recurrent piano network in torch: three layers, each run through a window in both directions at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bridge.inference.peaks import OnsetActivations
from bridge.inference.piano_features import Features
from bridge.inference.threads import one_thread


@dataclass(frozen=True, slots=True)
class _Layer:
    """Its two directions, forwards and backwards: tanh(input x weights + bias + state x recurrent)."""

    weights: torch.Tensor
    """Shape (2, inputs, units)."""
    bias: torch.Tensor
    """Shape (2, 1, units)."""
    recurrent: torch.Tensor
    """Shape (2, units, units)."""
    before: torch.Tensor
    """The state before the first frame, shape (2, 1, units)."""

    def run(self, data: torch.Tensor) -> torch.Tensor:
        """From shape (frames, inputs) to (frames, 2 x units)."""
        inputs = torch.baddbmm(self.bias, torch.stack([data, data.flip(0)]), self.weights)
        states = torch.empty(len(data), *self.before.shape)
        state = self.before
        for new, out in zip(inputs.unsqueeze(2).unbind(1), states.unbind(), strict=True):
            state = torch.baddbmm(new, state, self.recurrent, out=out).tanh_()
        return torch.cat([states[:, 0, 0], states[:, 1, 0].flip(0)], dim=1)


class PianoRnn:
    """The network of a madmom `RNNPianoNoteProcessor`."""

    def __init__(self, network: Any) -> None:
        """Take its weights.

        Raises:
            TypeError: it is made of other layers.

        """
        *recurrent, last = network.layers
        found = [_kind(layer) for layer in network.layers]
        expected = ["BidirectionalLayer RecurrentLayer RecurrentLayer tanh tanh"] * 3 + ["FeedForwardLayer linear"]
        if found != expected:
            raise TypeError(f"madmom's recurrent note network is made of {found}, expected {expected}")
        self._layers = [_layer(layer.fwd_layer, layer.bwd_layer) for layer in recurrent]
        self._weights, self._bias = torch.from_numpy(last.weights), torch.from_numpy(last.bias)

    def activate(self, window: Features) -> OnsetActivations:
        """Return as many activations as features."""
        with torch.inference_mode(), one_thread():
            data = torch.from_numpy(window)
            for layer in self._layers:
                data = layer.run(data)
            return torch.addmm(self._bias, data, self._weights).numpy()


def _kind(layer: Any) -> str:
    parts = [layer.fwd_layer, layer.bwd_layer] if hasattr(layer, "fwd_layer") else []
    names = [type(part).__name__ for part in (layer, *parts)]
    return " ".join([*names, *(part.activation_fn.__name__ for part in parts or [layer])])


def _layer(*directions: Any) -> _Layer:
    def both(name: str) -> npt.NDArray[np.float32]:
        return np.stack([np.atleast_2d(getattr(direction, name)) for direction in directions])

    return _Layer(*(torch.from_numpy(both(name)) for name in ("weights", "bias", "recurrent_weights", "init")))

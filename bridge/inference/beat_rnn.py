"""madmom's beat and downbeat network in torch: eight small bidirectional LSTMs, run side by side.

madmom steps through the frames in NumPy, one network after another; this is the same within 1e-6, several times as fast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bridge.inference.piano_features import Features
from bridge.inference.threads import one_thread

BeatActivations = npt.NDArray[np.float32]
"""Shape (frames, 2): how likely a beat that is no downbeat, and a downbeat, is in each frame."""

_GATES = ("input_gate", "forget_gate", "output_gate", "cell")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer of all networks, both directions; a cell of n = 2 x networks lanes, each network's forward before its backward one."""

    weights: torch.Tensor
    """Shape (networks, inputs, 2 x 4 x units), or (1, inputs, n x 4 x units) where all networks read the same."""
    bias: torch.Tensor
    """Shape (n, 1, 4 x units): of the input, forget and output gates and the cell."""
    recurrent: torch.Tensor
    """Shape (n, units, 4 x units)."""
    peepholes: torch.Tensor
    """Shape (n, 1, 2, units): how the state before reaches the input and the forget gate."""
    output_peephole: torch.Tensor
    """Shape (n, 1, units): how the new state reaches the output gate."""

    def run(self, data: torch.Tensor) -> torch.Tensor:
        """From shape (networks or 1, frames, inputs) to (networks, frames, 2 x units)."""
        lanes, units = self.recurrent.shape[:2]
        frames = data.shape[1]
        known = torch.bmm(data, self.weights).view(*data.shape[:2], lanes // len(data), 4 * units)
        known = known.transpose(1, 2).reshape(lanes, frames, 4 * units).add_(self.bias)
        known[1::2] = known[1::2].flip(1)
        out = torch.empty(lanes, frames, units)
        output = state = torch.zeros(lanes, 1, units)
        for new, into in zip(known.unsqueeze(2).unbind(1), out.unsqueeze(2).unbind(1), strict=True):
            gates = torch.baddbmm(new, output, self.recurrent)
            inner = gates[..., : 2 * units].view(lanes, 1, 2, units)
            taken, kept = torch.addcmul(inner, state.unsqueeze(2), self.peepholes).sigmoid_().unbind(2)
            state = torch.addcmul(state * kept, gates[..., 3 * units :].tanh(), taken)
            opened = torch.addcmul(gates[..., 2 * units : 3 * units], state, self.output_peephole).sigmoid_()
            output = torch.mul(state.tanh(), opened, out=into)
        out[1::2] = out[1::2].flip(1)
        return out.view(lanes // 2, 2, frames, units).transpose(1, 2).flatten(2)


class BeatRnn:
    """The networks of a madmom `RNNDownBeatProcessor`."""

    def __init__(self, ensemble: Any) -> None:
        """Take their weights.

        Raises:
            TypeError: they are made of other layers.

        """
        networks = [network.layers for network in ensemble.processors[0].processors]
        found = {" ".join(_kind(layer) for layer in layers) for layers in networks}
        if found != {" ".join(["LSTM/LSTM"] * 3 + ["softmax"])}:
            raise TypeError(
                f"madmom's beat networks are made of {found}, expected three LSTM layers each and a softmax"
            )
        self._layers = [
            _layer([layers[depth] for layers in networks], shared=depth == 0) for depth in range(len(networks[0]) - 1)
        ]
        last = [layers[-1] for layers in networks]
        self._weights = torch.from_numpy(np.stack([layer.weights for layer in last]))
        self._bias = torch.from_numpy(np.stack([np.atleast_2d(layer.bias) for layer in last]))

    def activate(self, features: Features, heed: Callable[[], None]) -> BeatActivations:
        """Return as many activations as features; `heed` is called before each layer and may raise."""
        with torch.inference_mode(), one_thread():
            data = torch.from_numpy(features)[None]
            for layer in self._layers:
                heed()
                data = layer.run(data)
            scores = torch.baddbmm(self._bias, data, self._weights)
            # Nothing, a beat, a downbeat; the networks' mean.
            return scores.softmax(dim=2).mean(dim=0)[:, 1:].numpy()


def _kind(layer: Any) -> str:
    if not hasattr(layer, "fwd_layer"):
        return str(layer.activation_fn.__name__)
    directions = (layer.fwd_layer, layer.bwd_layer)
    return "/".join("LSTM" if _is_lstm(direction) else type(direction).__name__ for direction in directions)


def _is_lstm(layer: Any) -> bool:
    gates = [getattr(layer, name, None) for name in _GATES]
    functions = ["sigmoid"] * 3 + ["tanh"]
    return (
        all(gate is not None for gate in gates)
        and [gate.activation_fn.__name__ for gate in gates if gate is not None] == functions
        and layer.activation_fn.__name__ == "tanh"
        and not (layer.init.any() or layer.cell_init.any())
    )


def _layer(layers: Sequence[Any], *, shared: bool) -> _Layer:
    lanes = [direction for layer in layers for direction in (layer.fwd_layer, layer.bwd_layer)]

    def gates(name: str) -> torch.Tensor:
        """Of every lane, all gates beside each other; shape (lanes, ..., 4 x units)."""
        stacked = [np.concatenate([getattr(getattr(lane, gate), name) for gate in _GATES], axis=-1) for lane in lanes]
        return torch.from_numpy(np.stack(stacked))

    def peepholes(name: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([getattr(lane, name).peephole_weights for lane in lanes]))

    weights = gates("weights")
    side_by_side = weights.reshape(1 if shared else len(layers), -1, *weights.shape[1:]).transpose(1, 2).flatten(2)
    inner = torch.stack([peepholes("input_gate"), peepholes("forget_gate")], dim=1)
    return _Layer(
        side_by_side.contiguous(),
        gates("bias")[:, None],
        gates("recurrent_weights"),
        inner[:, None],
        peepholes("output_gate")[:, None],
    )

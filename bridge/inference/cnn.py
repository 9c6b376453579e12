"""madmom's piano note CNN in torch, incremental: each convolution keeps the frames that its next ones will see again.

The sums are madmom's, in another order: activations differ by about 1e-6 at most. Frames enter in blocks of one size, on a
grid that starts at the clip's start, because a convolution may round differently for another shape; so activations do
not depend on how the audio came in. The caller sets torch's threads; another number of them may round differently.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from bridge.inference.madmom_models import KEYS, Convolution, cnn_weights
from bridge.inference.spectrogram import BANDS, Spectrogram

CONTEXT = 5
"""Frames that an activation sees on either side of its own."""
BLOCK = 15
"""Frames that the network takes at a time: 300 ms."""

Activations = npt.NDArray[np.float32]
"""Shape (frames, 88 keys from A0, 3: sounding note, onset, offset), 0 to 1."""


class PianoCnn:
    """The network's weights; any number of streams share them."""

    def __init__(self) -> None:
        weights = cnn_weights()
        self._norm = (weights.mean, weights.scale, weights.shift)
        self._body = [_for_torch(layer) for layer in weights.body]
        heads = [_for_torch(head.convolution) for head in weights.heads]
        # The three heads look at the same frames: one convolution with three times the channels.
        self._heads = (torch.cat([w for w, _ in heads]), torch.cat([b for _, b in heads]))
        self._dense = [
            (torch.from_numpy(np.ascontiguousarray(head.weights)), torch.from_numpy(head.bias))
            for head in weights.heads
        ]

    def start(self) -> "CnnStream":
        """Begin a clip."""
        return CnnStream(self)

    def fresh_history(self) -> list[torch.Tensor]:
        """What each convolution keeps of the frames before its next ones, shape (1, channels, time - 1, bands)."""
        history, bands = [], BANDS
        for weights, _ in (*self._body, self._heads):
            _, channels, time, width = weights.shape
            history.append(torch.zeros(1, channels, time - 1, bands))
            bands -= width - 1
        return history

    def activate(self, frames: Spectrogram, history: list[torch.Tensor]) -> Activations:
        """Take `BLOCK` frames, shape (BLOCK, bands); return as many activations, ten frames behind, and update `history`."""
        mean, scale, shift = self._norm
        with torch.inference_mode():
            data = (torch.from_numpy(frames)[None, None] - mean) * scale + shift
            for layer, (weights, bias) in enumerate((*self._body, self._heads)):
                kept = history[layer].shape[2]
                if kept:
                    data = torch.cat([history[layer], data], dim=2)
                    history[layer] = data[:, :, -kept:].clone()
                data = functional.elu_(functional.conv2d(data, weights, bias))
            keys = []
            for head, (dense, bias) in zip(data[0].chunk(len(self._dense)), self._dense, strict=True):
                flat = head.transpose(0, 1).reshape(BLOCK, -1)
                keys.append(torch.sigmoid(torch.addmm(bias, flat, dense)))
            return torch.stack(keys, dim=2).numpy()


def _for_torch(layer: Convolution) -> tuple[torch.Tensor, torch.Tensor]:
    """Torch correlates: flip the kernel for a convolution; (in, out, time, frequency) becomes (out, in, ...)."""
    kernel = layer.weights.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    return torch.from_numpy(np.ascontiguousarray(kernel)), torch.from_numpy(layer.bias)


class CnnStream:
    """One clip on its way through the network, its first and last frame repeated `CONTEXT` times as madmom does."""

    def __init__(self, network: PianoCnn) -> None:
        self._network = network
        self._history = network.fresh_history()
        self._waiting = np.empty((0, BANDS), np.float32)
        self._fed = 0
        self._given = -2 * CONTEXT
        """Activations so far; the first ones stand before the clip's start and are not given."""

    def feed(self, frames: Spectrogram) -> Activations:
        """Take the next frames, any number; return the activations that are complete."""
        if not len(frames):
            return np.empty((0, KEYS, 3), np.float32)
        lead = [] if self._fed else [np.repeat(frames[:1], CONTEXT, axis=0)]
        self._waiting = np.concatenate([*lead, self._waiting, frames])
        self._fed += len(frames)
        self._last = frames[-1:].copy()
        return self._run()

    def finish(self) -> Activations:
        """Return the rest: in all as many activations as frames were fed."""
        if not self._fed:
            return np.empty((0, KEYS, 3), np.float32)
        wanted = self._fed - max(0, self._given)
        blocks = -(-(self._fed - self._given) // BLOCK)
        filling = blocks * BLOCK - len(self._waiting)
        self._waiting = np.concatenate([self._waiting, np.repeat(self._last, filling, axis=0)])
        return self._run()[:wanted]

    def _run(self) -> Activations:
        blocks = [np.empty((0, KEYS, 3), np.float32)]
        whole = len(self._waiting) // BLOCK * BLOCK
        for begin in range(0, whole, BLOCK):
            activations = self._network.activate(self._waiting[begin : begin + BLOCK], self._history)
            blocks.append(activations[max(0, -self._given) :])
            self._given += BLOCK
        self._waiting = self._waiting[whole:].copy()
        return np.concatenate(blocks)

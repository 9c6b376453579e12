"""madmom's piano note CNN in torch, incremental: each convolution keeps the frames that its next ones will see again.

The convolution that is 35 bands wide, two thirds of the work, is done in the Fourier transform along the bands, a thirteenth
of the multiplications. The sums are madmom's in exact arithmetic; activations differ by some 1e-6, by 2e-5 in harsh noise.

Frames stand on a grid of cells from the clip's start. A cell that is not full yet is computed with something for what has not
come, again and again; so every activation is computed in the same place of the same shape, and its bits do not depend
on how the audio came in. Long stretches are computed in longer cells, a fifth faster, where a trial when the network is
loaded shows that this machine's arithmetic gives the same bits in both. It runs on one thread: a second core would make it
a third faster, and ten times slower where something else has that core.
"""

import logging
import math
import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bridge.inference.convolution import NarrowConvolution, WideConvolution
from bridge.inference.madmom_models import KEYS, CnnWeights, cnn_weights
from bridge.inference.spectrogram import BANDS, CELL, Spectrogram
from bridge.inference.threads import one_thread

CONTEXT = 5
"""Frames that an activation sees on either side of its own."""
LONG = 4 * CELL
"""Frames of a long cell."""
CPU = torch.device("cpu")
TOLERANCE = 1e-4
"""By which a graphics card's activations may differ from the processor's."""

_log = logging.getLogger(__name__)

Activations = npt.NDArray[np.float32]
"""Shape (frames, 88 keys from A0, 3: sounding note, onset, offset), 0 to 1."""


@dataclass(frozen=True, slots=True)
class History:
    """What a stream keeps of the frames before a cell: what convolutions over time will see again, (bands, channels, frames)."""

    frames: torch.Tensor
    body: torch.Tensor
    heads: torch.Tensor


class _Buffers:
    """Where the network works on cells of one length: fresh memory would cost as much as a convolution."""

    def __init__(self, cell: int, before: History, wide: WideConvolution) -> None:
        self.cell = cell
        # Each is a history and behind it the cell.
        self.frames, self.body, self.heads = (
            torch.zeros(*part.shape[:2], part.shape[2] + cell) for part in (before.frames, before.body, before.heads)
        )
        self.wide, self.result, self.spare = torch.zeros(3, wide.bands, len(wide.bias), cell)
        self.work = wide.workspace(cell)

    def begin(self, history: History) -> None:
        """Put a history before the cell."""
        self.frames[:, :, : -self.cell] = history.frames
        self.body[:, :, : -self.cell] = history.body
        self.heads[:, :, : -self.cell] = history.heads

    def history(self) -> History:
        """What is to be kept when the cell is done."""
        return History(*(part[:, :, self.cell :].clone() for part in (self.frames, self.body, self.heads)))

    def elu(self, data: torch.Tensor, out: torch.Tensor) -> None:
        """Leave what is positive, and take exp(x) - 1 of the rest; torch is several times faster at powers of two than of e."""
        spare = self.spare[: len(data)]
        torch.clamp(data, max=0, out=spare).mul_(math.log2(math.e)).exp2_().sub_(1)
        torch.maximum(data, spare, out=out)


class PianoCnn:
    """The network's weights; any number of streams share them."""

    def __init__(self, device: torch.device = CPU) -> None:
        self.device = device
        with device:
            self._load()
        self._busy = threading.Lock()
        self.longest = LONG if self._agree() else CELL
        """Frames of the longest cell to use."""

    @classmethod
    def on(cls, device: torch.device) -> "PianoCnn":
        """The network on a CUDA device, if that proves to compute what the processor computes; else on the processor."""
        network = cls()
        if device.type == "cuda":
            try:
                there = cls(device)
                difference = float(np.abs(there.trial(CELL) - network.trial(CELL)).max())
            except RuntimeError as error:
                _log.warning("the piano network stays on the processor: %s", error)
            else:
                if difference <= TOLERANCE:
                    return there
                _log.warning("the piano network stays on the processor: on %s it differs by %.1e", device, difference)
        return network

    def _load(self) -> None:
        weights = cnn_weights()
        self._norm = (weights.mean, weights.scale, weights.shift)
        first, wide, last = weights.body
        self._first, self._last = NarrowConvolution.of(first), NarrowConvolution.of(last)
        self._wide = WideConvolution.of(wide, BANDS - self._first.bands + 1, BANDS)
        self._heads = NarrowConvolution.of(*(head.convolution for head in weights.heads))
        self._dense, self._bias = _dense(weights)
        self._buffers = {cell: _Buffers(cell, self.fresh_history(), self._wide) for cell in (CELL, LONG)}

    def start(self) -> "CnnStream":
        """Begin a clip."""
        return CnnStream(self)

    def fresh_history(self) -> History:
        """As if silence had come before; activations that see it are never given."""
        inside = self._wide.inside
        with self.device:
            return History(self._first.silence(BANDS), self._last.silence(inside), self._heads.silence(inside))

    def activate(self, cell: Spectrogram, history: History) -> tuple[Activations, History]:
        """Take `CELL` or `LONG` frames, shape (frames, bands); return as many activations, ten frames behind, and what to keep."""
        mean, scale, shift = self._norm
        count = len(cell)
        buffers = self._buffers[count]
        with torch.inference_mode(), self._busy, one_thread():
            buffers.begin(history)
            frames = buffers.frames[:, 0, -count:]
            torch.sub(torch.as_tensor(cell.T, device=self.device), mean, out=frames).mul_(scale).add_(shift)
            self._first.apply(buffers.frames, buffers.result)
            buffers.elu(buffers.result, buffers.wide)
            result = buffers.result[: self._wide.inside]
            self._wide.apply(buffers.wide, result, buffers.work)
            buffers.elu(result, buffers.body[:, :, -count:])
            self._last.apply(buffers.body, result)
            buffers.elu(result, buffers.heads[:, :, -count:])
            result = result[: len(result) - self._heads.bands + 1]
            self._heads.apply(buffers.heads, result)
            buffers.elu(result, result)
            # All bands and channels of one head are the rows of a matrix, shape (heads, rows, frames).
            heads = len(self._dense)
            rows = result.view(len(result), heads, -1, count).transpose(0, 1).reshape(heads, -1, count)
            keys = torch.baddbmm(self._bias, self._dense, rows).sigmoid_()
            return np.ascontiguousarray(keys.cpu().numpy().T), buffers.history()

    def _agree(self) -> bool:
        """Whether long cells give the bits of short ones: how numbers are rounded is a matter of shapes, not of the data."""
        return np.array_equal(self.trial(CELL), self.trial(LONG))

    def trial(self, size: int) -> Activations:
        """The activations of some noise, in cells of one size."""
        frames = np.random.default_rng(0).random((2 * LONG, BANDS), np.float32)
        parts, history = [], self.fresh_history()
        for cell in np.split(frames, len(frames) // size):
            activations, history = self.activate(cell, history)
            parts.append(activations)
        return np.concatenate(parts)


def _dense(weights: CnnWeights) -> tuple[torch.Tensor, torch.Tensor]:
    """Each head's last layer: weights, shape (heads, keys, bands x channels), and bias, shape (heads, keys, 1)."""
    matrices, biases = [], []
    for head in weights.heads:
        channels = len(head.convolution.bias)
        rows = head.weights.reshape(channels, -1, KEYS)  # madmom: all bands of the first channel, then of the next
        matrices.append(rows.transpose(2, 1, 0).reshape(KEYS, -1))
        biases.append(head.bias[:, None])
    return torch.as_tensor(np.stack(matrices)), torch.as_tensor(np.stack(biases))


class CnnStream:
    """One clip on its way through the network, its first and last frame repeated `CONTEXT` times as madmom does."""

    def __init__(self, network: PianoCnn) -> None:
        self._network = network
        self._history = network.fresh_history()
        self._cell = np.zeros((LONG, BANDS), np.float32)
        self._filled = 0
        self._last = np.empty((0, BANDS), np.float32)
        """The last frame fed."""
        self._ahead = 2 * CONTEXT
        """Activations to come that stand before the clip's start."""

    def feed(self, frames: Spectrogram) -> Activations:
        """Take the next frames, any number; return the activations that are complete."""
        if not len(frames):
            return np.empty((0, KEYS, 3), np.float32)
        fed = np.concatenate([self._lead(frames), frames])
        self._last = frames[-1:].copy()
        return self._run(fed)

    def finish(self, frames: Spectrogram) -> Activations:
        """Take the last frames, any number, and return the rest: in all as many activations as frames were fed."""
        last = frames[-1:] if len(frames) else self._last
        return self._run(np.concatenate([self._lead(frames), frames, np.repeat(last, CONTEXT, axis=0)]))

    def _lead(self, frames: Spectrogram) -> Spectrogram:
        """What goes before these frames: the clip's first one, if it is among them."""
        return np.repeat(frames[:1], 0 if len(self._last) else CONTEXT, axis=0)

    def _run(self, frames: Spectrogram) -> Activations:
        parts = [np.empty((0, KEYS, 3), np.float32)]
        while len(frames):
            long = not self._filled and len(frames) >= self._network.longest
            size = self._network.longest if long else CELL
            begin, end = self._filled, min(size, self._filled + len(frames))
            self._cell[begin:end] = frames[: end - begin]
            frames = frames[end - begin :]
            activations, history = self._network.activate(self._cell[:size], self._history)
            parts.append(activations[begin:end][self._ahead :])
            self._ahead -= min(self._ahead, end - begin)
            self._filled = end % size
            if not self._filled:
                self._history = history
        return np.concatenate(parts)

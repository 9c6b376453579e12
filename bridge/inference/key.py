"""The key of a clip by madmom's key network (Korzeniowski and Widmer, ISMIR 2018), in torch, window by window.

The network is convolutions and poolings, whose outputs are averaged over the whole clip; so windows that overlap by what an
output sees give what the whole clip at once would give. The probabilities are those of madmom's
`CNNKeyRecognitionProcessor` within 1e-4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from bridge.inference.madmom_models import fingerprint, madmom
from bridge.inference.recent_audio import PIECE, SAMPLE_RATE, RecentAudio, mono, require_rate
from bridge.inference.spectrogram import Analysis, Spectrogram, SpectrogramStream
from bridge.inference.threads import one_thread
from bridge.music.key import TONICS, KeyEstimate
from bridge.music.measures import SILENCE
from bridge.music.sound import Clip

ALGORITHM = 1
"""To be raised when the code may give another key for the same clip: kept keys are then estimated anew."""
POOLED = 8
"""Frames, of 200 ms, that become one output; of a clip of fewer, 1.6 s, there is none."""
CORE = 32 * POOLED
"""Frames of a window whose outputs count: 51 s."""
CONTEXT = 4 * POOLED
"""Frames before and after them that the network must hear, too: an output sees 31 beyond its own."""
_C_MAJOR = 3
"""Where madmom has it: majors from A up, then minors from A up."""

Probabilities = npt.NDArray[np.float64]
"""Shape (24 keys,), numbered as in `KeyEstimate`."""


class MadmomKeys:
    """Fulfils `KeyEstimator`; the network is loaded when it is first needed, and kept."""

    sample_rate = SAMPLE_RATE

    @cached_property
    def fingerprint(self) -> str:
        """The weights and what runs them."""
        return fingerprint("madmom-key", ALGORITHM, madmom.models.KEY_CNN, "torch", "numpy")

    def estimate(self, clip: Clip, heed: Callable[[], object] = lambda: None) -> KeyEstimate | None:
        """Return the most probable key; None where the clip is silent or shorter than 1.6 s.

        `heed` is called before each ten seconds of the clip; what it raises ends the work. Memory is bounded. Raises BridgeError
        NOT_SUPPORTED unless the clip is at 44100 Hz.
        """
        probabilities = self.probabilities(clip, heed)
        if probabilities is None:
            return None
        key = int(probabilities.argmax())
        return KeyEstimate(key, float(probabilities[key]))

    def probabilities(self, clip: Clip, heed: Callable[[], object] = lambda: None) -> Probabilities | None:
        """Return that of each key, as `estimate` compares them."""
        require_rate(clip.sample_rate)
        network = self._network
        audio = RecentAudio()
        spectrogram = SpectrogramStream(audio, network.analysis)
        average = _Average(network)
        loudest = 0.0
        for begin in range(0, clip.frames, PIECE):
            heed()
            samples = mono(clip.read(begin, begin + PIECE))
            loudest = max(loudest, float(np.abs(samples).max(initial=0.0)))
            audio.append(samples)
            average.feed(spectrogram.until(spectrogram.complete))
            audio.forget(spectrogram.needs)
        if loudest < SILENCE or spectrogram.last < POOLED:
            return None
        powers = np.exp(average.finish(spectrogram.until(spectrogram.last)))
        majors_and_minors = (powers / powers.sum()).reshape(-1, TONICS)
        keys: Probabilities = np.roll(majors_and_minors, -_C_MAJOR, axis=1).ravel()
        return keys

    @cached_property
    def _network(self) -> "_KeyCnn":
        return _KeyCnn()


class _Average:
    """The mean of the network's outputs over a spectrogram that comes bit by bit."""

    def __init__(self, network: "_KeyCnn") -> None:
        self._network = network
        self._frames: Spectrogram = np.empty((0, network.analysis.bands), np.float32)
        self._before = 0
        """How many of them have been counted."""
        self._sum = np.zeros(2 * TONICS)
        self._outputs = 0

    def feed(self, frames: Spectrogram) -> None:
        self._frames = np.concatenate([self._frames, frames])
        while len(self._frames) >= self._before + CORE + CONTEXT:
            counted = self._before + CORE
            self._count(self._frames[: counted + CONTEXT], counted)
            self._frames = self._frames[counted - CONTEXT :]
            self._before = CONTEXT

    def finish(self, frames: Spectrogram) -> npt.NDArray[np.float64]:
        """Take the last frames; return the mean, shape (24,), in madmom's order. At least `POOLED` frames must have come."""
        self.feed(frames)
        self._count(self._frames, len(self._frames))
        return self._sum / self._outputs

    def _count(self, frames: Spectrogram, stop: int) -> None:
        outputs = self._network.outputs(frames)[self._before // POOLED : stop // POOLED]
        self._sum += outputs.sum(axis=0, dtype=np.float64)
        self._outputs += len(outputs)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A convolution whose result is as large as what comes in, with its batch normalisation; ELU follows, then perhaps pooling."""

    weights: torch.Tensor
    """Shape (outputs, inputs, time, frequency)."""
    bias: torch.Tensor
    padding: int
    pooling: int


class _KeyCnn:
    """The network's weights."""

    def __init__(self) -> None:
        """Take them from madmom's package; raises TypeError where this madmom carries another network."""
        _, framing, transform, spectrogram, ensemble, *_ = madmom.features.key.CNNKeyRecognitionProcessor().processors
        self.analysis = Analysis.of(framing, transform, spectrogram, spectrogram)
        (network,) = ensemble.processors[0].processors
        self._layers = _layers(network.layers)

    def outputs(self, frames: Spectrogram) -> npt.NDArray[np.float32]:
        """Return the mean over the bands of what the network makes of frames, shape (frames // 8, 24)."""
        with torch.inference_mode(), one_thread():
            data = torch.as_tensor(frames)[None, None]
            for layer in self._layers:
                data = functional.elu(functional.conv2d(data, layer.weights, layer.bias, padding=layer.padding))
                if layer.pooling > 1:
                    data = functional.max_pool2d(data, layer.pooling)
            means: npt.NDArray[np.float32] = data[0].mean(dim=2).T.numpy()
            return means


def _layers(layers: list[Any]) -> list[_Layer]:
    found: list[_Layer] = []
    kinds = [type(layer).__name__ for layer in layers]
    same = ["PadLayer", "ConvolutionalLayer", "BatchNormLayer"]
    twice = [*same, *same, "MaxPoolLayer"]
    expected = [*twice * 3, *same * 2, "ConvolutionalLayer", "BatchNormLayer", "AverageLayer"]
    if kinds != expected:
        raise TypeError(f"madmom's key network is made of {kinds}, expected {expected}")
    for index, kind in enumerate(kinds):
        if kind == "ConvolutionalLayer":
            padding = layers[index - 1].width if kinds[index - 1] == "PadLayer" else 0
            pooling = layers[index + 2].size[0] if kinds[index + 2] == "MaxPoolLayer" else 1
            found.append(_layer(layers[index], layers[index + 1], padding, pooling))
    return found


def _layer(convolution: Any, norm: Any, padding: int, pooling: int) -> _Layer:
    """Normalising multiplies and adds, so it is a part of the convolution before it. madmom flips its kernels, torch does not."""
    scale = norm.gamma * norm.inv_std
    kernels = convolution.weights[:, :, ::-1, ::-1].transpose(1, 0, 2, 3) * scale[:, None, None, None]
    bias = (convolution.bias - norm.mean) * scale + norm.beta
    return _Layer(_tensor(kernels), _tensor(bias), padding, pooling)


def _tensor(numbers: npt.NDArray[Any]) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(numbers, np.float32))

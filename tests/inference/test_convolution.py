"""The two ways of convolving against the plain sum, on shapes that occur nowhere in madmom."""

import numpy as np
import pytest
import torch

from bridge.inference.convolution import NarrowConvolution, WideConvolution
from bridge.inference.madmom_models import Convolution


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def plain(layer: Convolution, data: np.ndarray) -> np.ndarray:
    """A valid, true convolution of shape (bands, inputs, frames), term by term in double precision."""
    _, outputs, time, width = layer.weights.shape
    bands, _, frames = data.shape
    result = np.zeros((bands - width + 1, outputs, frames - time + 1))
    for t in range(time):
        for f in range(width):
            seen = data[width - 1 - f : bands - f, :, time - 1 - t : frames - t].astype(float)
            result += np.einsum("io,bif->bof", layer.weights[:, :, t, f], seen)
    return result + layer.bias[:, None]


@pytest.mark.parametrize(("time", "width"), [(1, 1), (3, 1), (1, 4), (2, 3)])
def test_narrow_layers_side_by_side_are_their_plain_sums(time, width):
    layers = [Convolution(random(4, outputs, time, width), random(outputs)) for outputs in (3, 2)]
    data = random(11, 4, 9)
    out = torch.zeros(11 - width + 1, 5, 9 - time + 1)
    NarrowConvolution.of(*layers).apply(torch.from_numpy(data), out)
    assert np.allclose(out, np.concatenate([plain(layer, data) for layer in layers], axis=1), atol=1e-5)


@pytest.mark.parametrize(("bands", "width", "size"), [(20, 5, 20), (18, 5, 20), (13, 2, 20), (22, 9, 24), (24, 10, 24)])
def test_a_wide_layer_is_its_plain_sum(bands, width, size):
    layer = Convolution(random(4, 4, 1, width), random(4))
    data = random(bands, 4, 6)
    convolution = WideConvolution.of(layer, bands, size)
    assert (convolution.bands, convolution.inside) == (bands, bands - width + 1)
    out = torch.zeros(convolution.inside, 4, 6)
    convolution.apply(torch.from_numpy(data), out, convolution.workspace(6))
    assert np.allclose(out, plain(layer, data), atol=1e-5)


def test_a_narrow_layers_silence_is_what_it_reaches_back():
    layer = NarrowConvolution.of(Convolution(random(4, 3, 5, 2), random(3)))
    assert layer.silence(7).shape == (7, 4, 4)
    assert not layer.silence(7).any()

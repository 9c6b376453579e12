"""Convolutions of spectrograms as products of matrices, over data laid out as (bands, channels, frames).

In that layout the bands under a kernel lie behind each other in memory, so that a convolution is one product for each of its
frames, over all bands at once, with nothing copied. What is worked on is given: fresh memory costs as much as a product.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from bridge.inference.madmom_models import Convolution


@dataclass(frozen=True, slots=True)
class NarrowConvolution:
    """Over a few bands and frames."""

    weights: torch.Tensor
    """Shape (frames, outputs, bands x inputs)."""
    bias: torch.Tensor
    """Shape (outputs, 1)."""
    bands: int
    """Under the kernel."""

    @classmethod
    def of(cls, *layers: Convolution) -> Self:
        """Layers that look at the same frames are one layer with all their outputs."""
        kernels = np.concatenate([layer.weights for layer in layers], axis=1)[:, :, ::-1, ::-1]
        _, outputs, frames, bands = kernels.shape
        matrices = kernels.transpose(2, 1, 3, 0).reshape(frames, outputs, -1)
        bias = np.concatenate([layer.bias for layer in layers])
        return cls(torch.as_tensor(np.ascontiguousarray(matrices)), torch.as_tensor(bias)[:, None], bands)

    def silence(self, bands: int) -> torch.Tensor:
        """Of that many bands the frames that the kernel reaches back, shape (bands, inputs, frames)."""
        return torch.zeros(bands, self.weights.shape[2] // self.bands, len(self.weights) - 1)

    def apply(self, data: torch.Tensor, out: torch.Tensor) -> None:
        """From shape (bands, inputs, frames), contiguous, to what is left inside the kernel, (bands, outputs, frames)."""
        bands, _, frames = out.shape
        _, outputs, rows = self.weights.shape
        shape, strides = (bands, rows, frames), (data.stride(0), data.stride(1), 1)
        first, *others = self.weights.unsqueeze(1).expand(-1, bands, outputs, rows)
        torch.bmm(first, data.as_strided(shape, strides), out=out)
        for shift, weights in enumerate(others, 1):
            out.baddbmm_(weights, data.as_strided(shape, strides, shift))
        out.add_(self.bias)


@dataclass(frozen=True, slots=True)
class WideConvolution:
    """Over many bands and one frame: a product in the Fourier transform along the bands.

    The transform, of length `size`, is two matrices: cosines for the even part of the data and sines for the odd one, each with
    `half` + 1 rows and columns.
    """

    real: torch.Tensor
    """The kernel's transform, conjugate for a correlation; shape (frequencies, outputs, inputs)."""
    imaginary: torch.Tensor
    bias: torch.Tensor
    """Shape (outputs, 1)."""
    cosines: torch.Tensor
    """Shape (frequencies, bands)."""
    sines: torch.Tensor
    inverse_cosines: torch.Tensor
    """Shape (bands, frequencies)."""
    inverse_sines: torch.Tensor
    mirrored: torch.Tensor
    """The bands beyond the half, from the last on."""
    beyond: torch.Tensor
    """The bands whose mirror image lies beyond the half but still inside the kernel, from the last on."""

    @classmethod
    def of(cls, layer: Convolution, bands: int, size: int) -> Self:
        """Of a layer that takes so many bands, more than half of `size`, which is even, and at most all."""
        half = size // 2
        kernel = np.fft.rfft(layer.weights[:, :, 0, ::-1], n=size).conj().transpose(2, 1, 0)
        numbers = np.arange(half + 1)
        angles = 2 * np.pi / size * (np.outer(numbers, numbers) % size)
        # Back from half the spectrum: each frequency but the first and the last stands for two.
        shares = np.where(numbers % half, 2, 1) / size
        return cls(
            real=_tensor(kernel.real),
            imaginary=_tensor(kernel.imag),
            bias=torch.as_tensor(layer.bias)[:, None],
            cosines=_tensor(np.cos(angles)),
            sines=_tensor(-np.sin(angles)),
            inverse_cosines=_tensor(np.cos(angles) * shares),
            inverse_sines=_tensor(-np.sin(angles) * shares),
            mirrored=torch.arange(bands - 1, half, -1),
            beyond=torch.arange(half - 1, size - (bands - layer.weights.shape[3] + 1), -1),
        )

    @property
    def half(self) -> int:
        """Half the transform's length."""
        return len(self.cosines) - 1

    @property
    def bands(self) -> int:
        """That come in."""
        return self.half + 1 + len(self.mirrored)

    @property
    def inside(self) -> int:
        """How many of them are inside the kernel."""
        return self.half + 1 + len(self.beyond)

    def workspace(self, frames: int) -> list[torch.Tensor]:
        """What `apply` needs for so many frames."""
        return list(torch.zeros(5, self.half + 1, self.real.shape[2], frames))

    def apply(self, data: torch.Tensor, out: torch.Tensor, work: list[torch.Tensor]) -> None:
        """From shape (bands, inputs, frames) to what is left inside the kernel, as many outputs as inputs."""
        even, odd, real, imaginary, product = work
        half, count = self.half, len(self.mirrored)
        # What is missing of the transform's length is silence, so the first bands have nothing to be added to.
        pairs = slice(half - count, half)
        torch.index_select(data, 0, self.mirrored, out=product[:count])
        even.copy_(data[: half + 1])
        odd.copy_(even)
        even[pairs] += product[:count]
        odd[pairs] -= product[:count]
        torch.mm(self.cosines, even.flatten(1), out=real.flatten(1))
        torch.mm(self.sines, odd.flatten(1), out=imaginary.flatten(1))
        torch.bmm(self.real, real, out=product).baddbmm_(self.imaginary, imaginary, alpha=-1)
        torch.mm(self.inverse_cosines, product.flatten(1), out=even.flatten(1))
        torch.bmm(self.real, imaginary, out=product).baddbmm_(self.imaginary, real)
        torch.mm(self.inverse_sines, product.flatten(1), out=odd.flatten(1))
        # What wraps around the end lies beyond the bands inside the kernel.
        torch.add(even, odd, out=out[: half + 1])
        torch.index_select(even.sub_(odd), 0, self.beyond, out=out[half + 1 :])
        out.add_(self.bias)


def _tensor(matrix: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(matrix, np.float32))

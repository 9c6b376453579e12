"""Spleeter's U-Net: six strided convolutions down, six transposed ones up, a mask at the end.

Architecture: Hennequin et al., "Spleeter: a fast and efficient music source separation tool with pre-trained models",
JOSS 2020, after Jansson et al., ISMIR 2017. The modules are named as the checkpoints name their arrays.
"""

import torch
from torch import nn

_CHANNELS = (16, 32, 64, 128, 256, 512)
_KERNEL, _STRIDE = 5, 2
_SAME = (1, 2)
"""Padding before and after that TensorFlow calls `same` for this kernel and stride on even sizes."""
_NORM_EPSILON = 1e-3
"""TensorFlow's default, not PyTorch's."""


def _down_convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ZeroPad2d(_SAME * 2), nn.Conv2d(inputs, outputs, _KERNEL, _STRIDE))


def _down_activation(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels, eps=_NORM_EPSILON), nn.LeakyReLU(0.2))


class _Crop(nn.Module):
    """The transposed counterpart of `same` padding: what lies over the edges is cut off."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, after = _SAME
        return x[..., before:-after, before:-after]


def _up(inputs: int, outputs: int) -> nn.Sequential:
    transposed = nn.ConvTranspose2d(inputs, outputs, _KERNEL, _STRIDE)
    return nn.Sequential(transposed, _Crop(), nn.ReLU(), nn.BatchNorm2d(outputs, eps=_NORM_EPSILON))


class UNet(nn.Module):
    """Estimates one source's magnitude spectrogram from the mixture's; both sizes are multiples of 64."""

    def __init__(self) -> None:
        super().__init__()
        downs = (2, *_CHANNELS)
        ups = (*reversed(_CHANNELS[:-1]), 1)
        for depth in range(1, 7):
            setattr(self, f"down{depth}_conv", _down_convolution(downs[depth - 1], downs[depth]))
            if depth < 6:  # noqa: PLR2004  the bottom is passed on as it is
                setattr(self, f"down{depth}_act", _down_activation(downs[depth]))
            # From the second step up, the way down's output of the same size stands beside the input.
            inputs = _CHANNELS[-1] if depth == 1 else 2 * ups[depth - 2]
            setattr(self, f"up{depth}", _up(inputs, ups[depth - 1]))
        self.up7 = nn.Sequential(nn.Conv2d(1, 2, kernel_size=4, dilation=2, padding=3), nn.Sigmoid())

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Take and return magnitudes, shape (batch, 2 channels, frames, bins)."""
        skips = []
        x = magnitude
        for depth in range(1, 7):
            x = self.get_submodule(f"down{depth}_conv")(x)
            if depth < 6:  # noqa: PLR2004
                skips.append(x)
                x = self.get_submodule(f"down{depth}_act")(x)
        x = self.get_submodule("up1")(x)
        for depth in range(2, 7):
            x = self.get_submodule(f"up{depth}")(torch.cat([skips.pop(), x], dim=1))
        mask: torch.Tensor = self.up7(x)
        return mask * magnitude

    def load_arrays(self, arrays: dict[str, torch.Tensor]) -> None:
        """Take a checkpoint's arrays; it also holds a normalisation of the bottom that the network never applies."""
        wanted = {name: array for name, array in arrays.items() if not name.startswith("down6_act")}
        counters = {name: value for name, value in self.state_dict().items() if name.endswith("num_batches_tracked")}
        self.load_state_dict({**counters, **wanted})
        self.eval().requires_grad_(requires_grad=False)

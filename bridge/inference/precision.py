"""In which number format a network computes: float32, or a half-width one where that was measured to be as good as it.

The half-width formats come through PyTorch's autocast: convolutions, matrix products and attention use them; Fourier
transforms and sums of many numbers stay in float32. So do the outermost layers of both of Demucs' branches: what they round
goes straight into the sound. That costs a twentieth of the time and brings htdemucs 4 to 14 dB (random weights).
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

Precision = Literal["float32", "bfloat16", "float16"]
"""A number format."""

PrecisionName = Literal["auto", "float32", "bfloat16", "float16"]
"""What the configuration may say; `auto` takes the fastest that is good enough."""

_OUTERMOST = {"encoder": 0, "tencoder": 0, "decoder": -1, "tdecoder": -1}
"""Where in Demucs' lists of layers the sound comes in and goes out."""


@contextmanager
def computing(device: torch.device, precision: Precision) -> Iterator[None]:
    """Run networks in this precision, without gradients."""
    # Attention's fast path writes every weight to memory; without it PyTorch takes the kernel that does not, which is faster.
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    reduced = precision != "float32"
    dtype = getattr(torch, precision) if reduced else None
    try:
        with torch.no_grad(), torch.autocast(device.type, dtype, enabled=reduced):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def keep_outermost_float32(network: nn.Module, device: torch.device) -> None:
    """Make a Demucs network's outermost layers compute in float32 whatever the rest does."""
    for name, position in _OUTERMOST.items():
        layers = getattr(network, name, None)
        if isinstance(layers, nn.ModuleList) and len(layers):
            _stay_float32(layers[position], device)


def _stay_float32(layer: nn.Module, device: torch.device) -> None:
    # A layer that held itself would outlive its network until the garbage collector comes.
    kind, itself = type(layer), weakref.ref(layer)

    def forward_in_float32(*inputs: Any) -> Any:
        with torch.autocast(device.type, enabled=False):
            return kind.forward(itself(), *(value.float() if torch.is_tensor(value) else value for value in inputs))

    layer.forward = forward_in_float32

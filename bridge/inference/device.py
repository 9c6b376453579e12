"""Where networks run, how many threads they take, and memory that runs out said as a stable error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from bridge.errors import BridgeError, ErrorCode

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
"""What the configuration may say; `auto` takes the first of cuda, mps, cpu that the machine has."""


def choose_device(name: DeviceName) -> torch.device:
    """Return the device of that name; raises BridgeError NOT_SUPPORTED where this machine does not have it."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, present in available.items() if present))
    if name not in available:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"device {name!r} is not known; expected one of auto, cpu, cuda, mps")
    if not available[name]:
        present = ", ".join(device for device, here in available.items() if here)
        raise BridgeError(
            ErrorCode.NOT_SUPPORTED,
            f"device {name!r} is not available here: PyTorch {torch.__version__} sees {present};"
            ' choose one of these or "auto"',
        )
    return torch.device(name)


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""What PyTorch's CPU and MPS allocators say in a plain RuntimeError; only CUDA's has a type of its own."""


@contextmanager
def memory_guard(doing: str) -> Iterator[None]:
    """Turn memory running out on any device into BridgeError OUT_OF_MEMORY; `doing` says what it was needed for."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
            words in str(error) for words in _OUT_OF_MEMORY
        ):
            raise BridgeError(
                ErrorCode.OUT_OF_MEMORY,
                f"memory ran out while {doing}; close other programs, choose a smaller model,"
                ' or set the device to "cpu" if it was a graphics card\'s',
            ) from error
        raise

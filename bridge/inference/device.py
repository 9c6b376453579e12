"""Where networks run and what that is called, memory that is used again, and its running out said as a stable error."""

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def device_name(device: torch.device) -> str:
    """Return what the maker calls it; of a processor with what PyTorch uses of it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{device.type} {name} {torch.backends.cpu.get_cpu_capability()}"


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Numbers of glibc's <malloc.h>."""


def reuse_memory() -> None:
    """Make this process keep the memory of large arrays for the next ones; without glibc, nothing happens.

    By default every array of some MB comes fresh from the system, which clears it page by page: a seventh of what separation
    takes on a CPU. Afterwards the process keeps what its largest segment needed. Call it before the arrays are made.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


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

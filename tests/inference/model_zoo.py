"""Models small enough for tests, saved as Demucs saves its own, and clips to run them on.

The classes are found by name when a saved model is loaded: a process other than pytest's needs the project in PYTHONPATH.
"""

import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import nn

SOURCES = ["drums", "bass", "other", "vocals"]
RATE = 44100


class Mixer(nn.Module):
    """Separates nothing: source k is the mixture times `gains[k]`, which makes every result predictable.

    With `gate`, a file's path, only the first `free` segments run at once; every later one waits for that file to exist,
    for 60 s at most; a number in it lets that many more through, and the rest wait on. Each segment that begins adds a line
    to `<gate>.log`, so a test sees which have begun; whoever removes that file begins to count anew, for a model that is kept
    loaded.
    """

    def __init__(
        self,
        gains: Sequence[float],
        *,
        sources: Sequence[str] = SOURCES,
        segment: float = 1.0,
        samplerate: int = RATE,
        audio_channels: int = 2,
        gate: str | None = None,
        free: int = 0,
    ) -> None:
        super().__init__()
        self.gains = nn.Parameter(torch.tensor([float(gain) for gain in gains]))
        self.sources, self.segment = list(sources), segment
        self.samplerate, self.audio_channels = samplerate, audio_channels
        self.gate = None if gate is None else Path(gate)
        self.free, self.begun = free, 0

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        self.begun += 1
        if self.gate is not None:
            log = Path(f"{self.gate}.log")
            self.begun = 1 + (len(log.read_text().splitlines()) if log.exists() else 0)
            with log.open("a") as file:
                file.write(f"{self.begun}\n")
            self._wait()
        return mix[:, None] * self.gains[None, :, None, None]

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while self.begun > self.free + self._let_through():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.gate} did not open")
            time.sleep(0.005)

    def _let_through(self) -> float:
        try:
            return float(self.gate.read_text() or "inf")
        except FileNotFoundError:
            return 0.0


@dataclass(frozen=True)
class Recipe:
    """How a network of a repository is made."""

    kind: type[nn.Module]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def package(self) -> dict[str, Any]:
        torch.manual_seed(self.seed)
        model = self.kind(**self.kwargs)
        return {"klass": self.kind, "args": (), "kwargs": dict(self.kwargs), "state": model.state_dict()}


def mixer(*gains: float, **kwargs: Any) -> Recipe:
    return Recipe(Mixer, {"gains": list(gains), **kwargs})


def fragile(*gains: float) -> Recipe:
    return Recipe(Fragile, {"gains": list(gains)})


def hdemucs(seed: int = 0, segment: float = 2.0, channels: int = 8) -> Recipe:
    """Random weights; `channels` 48 and `segment` 10 make a network of the published size, slow on a CPU."""
    return Recipe(HDemucs, {"sources": SOURCES, "channels": channels, "segment": segment}, seed)


def time_demucs(seed: int = 0, segment: float = 2.0) -> Recipe:
    """The older kind, on the waveform alone, which wants lengths that fit its strides."""
    return Recipe(Demucs, {"sources": SOURCES, "channels": 4, "segment": segment, "depth": 4}, seed)


def htdemucs(seed: int = 0, segment: float | Fraction = 2, *, full_size: bool = False) -> Recipe:
    """Random weights, `full_size` with the layers and width of the published htdemucs."""
    size = {"channels": 48, "t_layers": 5, "bottom_channels": 512} if full_size else {"channels": 8, "t_layers": 2}
    if not full_size:
        size |= {"t_heads": 4, "bottom_channels": 32, "t_hidden_scale": 2.0}
    return Recipe(HTDemucs, {"sources": SOURCES, "segment": segment, **size}, seed)


class Fragile(Mixer):
    """Loses all but a few bits wherever matrix products are rounded: it cancels most of what it multiplied."""

    def __init__(self, gains: Sequence[float], **kwargs: Any) -> None:
        super().__init__(gains, **kwargs)
        self.eye = nn.Parameter(torch.eye(2))

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        lifted = mix + 100
        return super().forward((self.eye @ lifted).float() - 100)


class Burden(HTDemucs):
    """Works as hard as an htdemucs and gives the mixture as every source: the time of the one, the notes of the other."""

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        return super().forward(mix) * 0 + mix[:, None]


def burden() -> Recipe:
    """Of the published size."""
    return Recipe(Burden, {**htdemucs(full_size=True).kwargs, "segment": Fraction(39, 5)})


def make_repo(
    folder: Path,
    networks: Mapping[str, Recipe],
    bags: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write `<signature>-<checksum>.th` for each network and `<name>.yaml` for each bag; return the folder.

    A bag is what its file holds: `{"models": [...], "weights": [[...], ...], "segment": ...}`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for signature, recipe in networks.items():
        buffer = io.BytesIO()
        torch.save(recipe.package(), buffer)
        checksum = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
        (folder / f"{signature}-{checksum}.th").write_bytes(buffer.getvalue())
    for name, bag in (bags or {}).items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(bag)))
    return folder


class ArrayClip:
    """A clip that is an array, shape (channels, frames); it remembers what was read of it."""

    def __init__(self, samples: np.ndarray, sample_rate: int = RATE) -> None:
        self.samples = np.ascontiguousarray(samples, dtype=np.float32)
        self.samples.flags.writeable = False
        self.sample_rate = sample_rate
        self.reads: list[tuple[int, int]] = []

    @property
    def channels(self) -> int:
        return self.samples.shape[0]

    @property
    def frames(self) -> int:
        return self.samples.shape[1]

    def read(self, start: int, stop: int) -> np.ndarray:
        self.reads.append((start, stop))
        return self.samples[:, max(0, start) : stop]

    def loudness(self) -> tuple[float, float]:
        level = self.samples.mean(0, dtype=np.float64)
        mean = float(level.mean()) if level.size else 0.0
        return mean, float(level.std(ddof=1)) if level.size > 1 else float("nan")


def song(seconds: float, seed: int = 0) -> np.ndarray:
    """Chords, beats and noise with an offset, shape (2, frames): loud and quiet places, unlike channels."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * f * t + random.uniform(0, 6)) for f in (110.0, 220.0, 277.2, 329.6))
    beat = np.exp(-12 * (t % 0.5)) * random.standard_normal(t.size)
    swell = 0.2 + 0.8 * np.sin(np.pi * t / max(seconds, 1e-3)) ** 2
    left = 0.1 * chord * swell + 0.1 * beat + 0.01
    right = 0.07 * np.roll(chord, 40) * swell - 0.05 * beat + 0.02 * random.standard_normal(t.size)
    return np.stack([left, right]).astype(np.float32)

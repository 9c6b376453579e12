"""How the drum network's weights were learnt: from bars at random on kits whose licences leave everybody free.

    python -m benchmarks.drum_training SOUNDFONT FOLDER examples --first 0 --count 100
    python -m benchmarks.drum_training SOUNDFONT FOLDER learn --steps 6500

`examples` writes examples' levels to FOLDER, some in each call, so that several processes can share the work; `learn` reads
them and writes drum_weights.npz to FOLDER. Then `benchmarks.drum_thresholds` sets where its activations become strokes.
SOUNDFONT was FluidR3_GM.sf2 (MIT licence, Debian's fluid-soundfont-gm), rendered by fluidsynth, which must be installed. No
recording of a drummer takes part in it. The weights beside `bridge.inference.drum_network` are what these commands gave:

    examples --first 0 --count 200, and so on to --first 2200
    learn --steps 6500
    python -m benchmarks.drum_thresholds OUT TimGM6mb.sf2 Black_Pearl_4_LV2.sf2 Red_Zeppelin_4_LV2.sf2
"""

# ruff: noqa: PLR2004  # chances, decibels and hertz that are drawn from, each said once
import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import nn

from benchmarks.drum_samples import accompaniments, soundfont_kits
from benchmarks.drum_stems import SECONDS, Example, example
from bridge.inference.drum_network import SOURCES
from bridge.inference.drum_spectrum import BANDS, FLOOR, FPS, SINKS, DrumSpectrum
from bridge.inference.recent_audio import RecentAudio

FRAMES = round(SECONDS * FPS)
BATCH, STRETCH = 20, 170
"""Stretches that are learnt from at once, and their frames."""
LEAST_RATE, RATE = 1e-5, 3e-3


class Network(nn.Module):
    """What `bridge.inference.drum_network` computes, over whole stretches, with normalisation that is folded in afterwards."""

    def __init__(self, first: int = 20, second: int = 36, state: int = 80) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, first, (3, 5), stride=(1, 2), padding=(0, 2))
        self.second = nn.Conv2d(first, second, (3, 5), stride=(1, 4), padding=(0, 2))
        self.norms = nn.ModuleList([nn.BatchNorm2d(first), nn.BatchNorm2d(second)])
        self.dense = nn.Linear(second * BANDS // 8, state)
        self.recurrent = nn.GRU(state, state, batch_first=True)
        self.output = nn.Linear(2 * state, len(SOURCES))
        self.drop = nn.Dropout(0.05)
        nn.init.constant_(self.output.bias, -3.0)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Turn shape (batch, frames, bands) into logits, shape (batch, frames, sources)."""
        shapes = nn.functional.pad(seen[:, None], (0, 0, 4, 0))
        for convolution, norm in zip((self.first, self.second), self.norms, strict=True):
            shapes = torch.relu(norm(convolution(shapes)))
        heard = shapes.permute(0, 2, 3, 1).flatten(2)
        dense = torch.relu(self.dense(self.drop(heard)))
        states, _ = self.recurrent(self.drop(dense))
        return self.output(self.drop(torch.cat([dense, states], -1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("soundfont", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("step", choices=["examples", "learn"])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--steps", type=int, default=6500)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if options.step == "examples":
        write_examples(options.soundfont, options.folder, options.first, options.count)
    else:
        learn(options.folder, options.steps)


def write_examples(soundfont: Path, folder: Path, first: int, count: int) -> None:
    kits, music = soundfont_kits(soundfont), accompaniments(soundfont, 24)
    made = [example(seed, kits, music) for seed in range(first, first + count)]
    levels = np.stack([levels_of(item.samples) for item in made]).astype(np.float16)
    part = folder / f"examples_{first:06}.part.npz"
    np.savez(part, levels=levels, targets=np.stack([targets_of(item) for item in made]))
    part.rename(folder / f"examples_{first:06}.npz")


def levels_of(samples: np.ndarray) -> np.ndarray:
    """Decibels, shape (frames, bands)."""
    audio = RecentAudio()
    audio.append(samples)
    spectrum = DrumSpectrum(audio)
    return 10 * np.log10(np.stack([spectrum.next().powers for _ in range(FRAMES)]) + 1e-10)


def targets_of(item: Example) -> np.ndarray:
    """1 at a stroke, a quarter on either side, shape (frames, sources)."""
    targets = np.zeros((FRAMES, len(SOURCES)), np.float32)
    for stroke in item.strokes:
        for shift, value in ((-1, 0.25), (0, 1.0), (1, 0.25)):
            frame = round(stroke.onset * FPS) + shift
            if 0 <= frame < FRAMES:
                cell = frame, SOURCES.index(stroke.source)
                targets[cell] = max(targets[cell], value)
    return targets


def seen_of(levels: np.ndarray) -> np.ndarray:
    """As `DrumSpectrum` shows levels to the network, for shape (batch, frames, bands) at once."""
    loudness = np.maximum(10 * np.log10((10 ** (levels / 10)).sum(-1)), FLOOR)
    fall = np.arange(levels.shape[1]) * SINKS
    reference = np.maximum(np.maximum.accumulate(loudness + fall, axis=1) - fall, FLOOR)
    return (np.clip((levels - reference[..., None] + 70) / 35, 0, 2.2) - 0.6).astype(np.float32)


def varied(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a random equaliser, some as dull as old recordings and as cut off as coded ones, with some noise."""
    place, shape = np.linspace(0, 1, BANDS), (len(levels), 1, 1)
    curves = CubicSpline(np.linspace(0, 1, 5), rng.normal(0, 5, (5, len(levels))))(place).T[:, None]
    change = curves * (rng.random(shape) < 0.8)
    change = change + rng.uniform(-22, 10, shape) * place * (rng.random(shape) < 0.7)
    change = change - 70 * (np.arange(BANDS) > rng.integers(50, BANDS, shape)) * (rng.random(shape) < 0.4)
    return 10 * np.log10(10 ** ((levels + change) / 10) + 10 ** (rng.uniform(-100, -65, shape) / 10))


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    archives = [np.load(path) for path in sorted(folder.glob("examples_??????.npz"))]
    levels, targets = (np.concatenate([archive[name] for archive in archives]) for name in ("levels", "targets"))
    return levels, targets


def learn(folder: Path, steps: int) -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    network = Network().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters())
    levels, targets = read(folder)
    losses: list[float] = []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = LEAST_RATE + RATE * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        chosen = rng.integers(len(levels), size=BATCH)
        # Some stretches begin where the stem does; elsewhere the network cannot know what sounded before.
        start = max(0, int(rng.integers(-120, FRAMES - STRETCH)))
        stretch = slice(start, start + STRETCH)
        seen = seen_of(varied(levels[chosen, stretch].astype(np.float32), rng))
        logits = network(torch.from_numpy(seen))
        wanted = torch.from_numpy(targets[chosen, stretch])
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits, wanted, pos_weight=torch.tensor(2.0), reduction="none"
        )[:, 10 if start else 0 :].mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(len(SOURCES) * loss.item())
        if step % 200 == 199:
            print(f"step {step + 1} of {steps}, {len(levels)} examples, loss {np.mean(losses[-200:]):.3f}", flush=True)
    network.eval()
    write(network, folder / "drum_weights.npz")


def write(network: Network, path: Path) -> None:
    state = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    arrays = {}
    for index, name in enumerate(("first", "second")):
        gain = state[f"norms.{index}.weight"] / np.sqrt(state[f"norms.{index}.running_var"] + 1e-5)
        arrays[f"{name}_weights"] = state[f"{name}.weight"] * gain[:, None, None, None]
        shift = state[f"{name}.bias"] - state[f"norms.{index}.running_mean"]
        arrays[f"{name}_bias"] = shift * gain + state[f"norms.{index}.bias"]
    for ours, theirs in (("dense", "dense.{}"), ("output", "output.{}")):
        arrays[f"{ours}_weights"], arrays[f"{ours}_bias"] = state[theirs.format("weight")], state[theirs.format("bias")]
    for ours, theirs in (("gates_in", "ih"), ("gates_state", "hh")):
        arrays[f"{ours}_weights"] = state[f"recurrent.weight_{theirs}_l0"]
        arrays[f"{ours}_bias"] = state[f"recurrent.bias_{theirs}_l0"]
    np.savez_compressed(path, **{name: array.astype(np.float16) for name, array in arrays.items()})


if __name__ == "__main__":
    main()

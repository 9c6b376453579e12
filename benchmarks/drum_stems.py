"""Bars on a kit as a drum stem has them: through a room, a compressor and clipping, and separated from a mixture."""

# ruff: noqa: PLR2004  # chances, decibels and hertz that are drawn from, each said once
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

import numpy as np
import soundfile
from scipy import signal

from benchmarks.drum_bars import Stroke, bars
from benchmarks.drum_samples import MadeKit, SampledKit, VariedKit
from bridge.inference.recent_audio import SAMPLE_RATE

SECONDS = 8.0


class Strikable(Protocol):
    def stroke(self, source: str, variant: int, level: float) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Example:
    samples: np.ndarray
    """Shape (frames,)."""
    strokes: list[Stroke]


def example(seed: int, kits: Sequence[SampledKit], music: Sequence[np.ndarray]) -> Example:
    rng = np.random.default_rng(seed)
    kit = MadeKit(rng) if rng.random() < 0.4 else VariedKit(kits, rng)
    # Now and then nobody plays, and what is left of the others is all there is.
    sound, strokes = played(kit, bars(rng, SECONDS) if rng.random() < 0.96 else [], SECONDS)
    if rng.random() < 0.5:
        sound = sound + _buzz(strokes, rng)
    sound = _separated(_produced(sound, rng), music[rng.integers(len(music))], rng)
    sound = sound * 10 ** (rng.uniform(-30, 0) / 20) / max(1e-6, np.abs(sound).max())
    sound = sound + rng.standard_normal(len(sound)) * 10 ** (rng.uniform(-95, -55) / 20)
    if rng.random() < 0.15:
        sound = signal.lfilter(*signal.butter(4, rng.uniform(9000, 16000), fs=SAMPLE_RATE), sound)
    if rng.random() < 0.3:
        sound = signal.lfilter(*signal.butter(1, rng.uniform(20, 120), "high", fs=SAMPLE_RATE), sound)
    if rng.random() < 0.2:
        sound = _coded(sound, rng)
    return Example(sound.astype(np.float32), strokes)


def played(kit: Strikable, strokes: Sequence[Stroke], seconds: float) -> tuple[np.ndarray, list[Stroke]]:
    """The mix, shape (frames,), and the strokes for which the kit has a sound; they are in order of time."""
    out = np.zeros(int(seconds * SAMPLE_RATE))
    heard = []
    hats = [stroke.onset for stroke in strokes if stroke.source in {"closed_hat", "open_hat"}]
    for stroke in strokes:
        begin = int(stroke.onset * SAMPLE_RATE)
        sound = kit.stroke(stroke.source, stroke.variant, stroke.level)[: len(out) - begin]
        if not len(sound):
            continue
        if stroke.source == "open_hat":
            end = next((onset for onset in hats if onset > stroke.onset + 0.001), seconds) - stroke.onset
            sound = sound * np.clip((end * SAMPLE_RATE - np.arange(len(sound))) / 400, 0, 1)
        out[begin : begin + len(sound)] += sound
        heard.append(stroke)
    return out, heard


def _buzz(strokes: Sequence[Stroke], rng: np.random.Generator) -> np.ndarray:
    """The snare's wires as kicks and toms shake them: what sampled strokes lack and every recorded kit has."""
    out = np.zeros(int(SECONDS * SAMPLE_RATE))
    rise, decay = rng.uniform(0.001, 0.02), rng.uniform(0.02, 0.15)
    edges = rng.uniform(600, 2500), rng.uniform(5000, 14000)
    loudness = {source: 10 ** (rng.uniform(-45, -16) / 20) for source in ("kick", "tom")}
    time = np.arange(int(5 * decay * SAMPLE_RATE)) / SAMPLE_RATE
    envelope = np.minimum(time / rise, 1) * np.exp(-time / decay)
    for stroke in strokes:
        if stroke.source in loudness:
            begin = int(stroke.onset * SAMPLE_RATE)
            wires = signal.lfilter(
                *signal.butter(1, edges, "bandpass", fs=SAMPLE_RATE), rng.standard_normal(len(time)) * envelope
            )[: len(out) - begin]
            out[begin : begin + len(wires)] += loudness[stroke.source] * stroke.level * wires
    return out


def _coded(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is left after MP3, at anything from good to bad."""
    file = BytesIO()
    peak = max(1e-6, np.abs(sound).max())
    soundfile.write(file, 0.9 / peak * sound, SAMPLE_RATE, format="MP3", compression_level=rng.uniform(0.3, 0.95))
    file.seek(0)
    found = soundfile.read(file)[0] * peak / 0.9
    return np.pad(found, (0, max(0, len(sound) - len(found))))[: len(sound)]


def _produced(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.55:
        length = int(np.exp(rng.uniform(np.log(0.08), np.log(1.2))) * SAMPLE_RATE)
        room = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
        room = signal.lfilter(*signal.butter(1, rng.uniform(2000, 10000), fs=SAMPLE_RATE), room)
        wet = signal.fftconvolve(sound, room / np.sqrt(np.sum(room**2)))[: len(sound)]
        sound = sound + wet * 10 ** (rng.uniform(-26, -6) / 20)
    if rng.random() < 0.5:
        sound = sound * _compression(sound, rng)
    sound = sound / max(1e-6, np.abs(sound).max())
    if rng.random() < 0.35:
        drive = rng.uniform(1, 4)
        sound = np.tanh(drive * sound) / np.tanh(drive)
    return sound


def _compression(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The gain of a compressor that takes hold at once and lets go within 30 to 200 ms."""
    step = 32
    attack = np.exp(-1 / (0.005 * SAMPLE_RATE))
    envelope = np.sqrt(signal.lfilter([1 - attack], [1, -attack], sound**2)[::step] + 1e-9)
    release = np.exp(-step / (SAMPLE_RATE * rng.uniform(0.03, 0.2)))
    held, last = np.empty_like(envelope), 0.0
    for index, value in enumerate(envelope):
        last = max(value, release * last + (1 - release) * value)
        held[index] = last
    gain = np.minimum(1, (np.quantile(held, rng.uniform(0.5, 0.95)) / held) ** rng.uniform(0.3, 0.85))
    return np.interp(np.arange(len(sound)), np.arange(len(held)) * step, gain)


def _separated(sound: np.ndarray, music: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As it is, with a little of the music in it, or cut out of a mixture with the music by a ratio mask."""
    way = rng.choice(["clean", "leaky", "masked"], p=[0.45, 0.25, 0.3])
    if way == "clean":
        return sound
    begin = rng.integers(0, max(1, len(music) - len(sound)))
    music = np.resize(music[begin:], len(sound))
    if way == "leaky":
        return sound + music * 10 ** (rng.uniform(-40, -16) / 20)
    music = music * 10 ** (rng.uniform(-12, 3) / 20)
    size, power = int(rng.choice([2048, 4096])), rng.uniform(0.8, 2)
    blur = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    error = rng.normal(0, rng.uniform(0, 0.12)) if rng.random() < 0.5 else 0.0
    found = masked(sound, music, size, power, blur, error=error)
    if rng.random() < 0.3:
        found = found + music * 10 ** (rng.uniform(-45, -25) / 20)
    return found


def masked(
    drums: np.ndarray, others: np.ndarray, size: int, power: float, blur: tuple[int, int], *, error: float = 0.0
) -> np.ndarray:
    """Cut the drums out of the sum of both, shape (frames,), by a mask that is blurred (bins, columns) and wrong by so much."""
    left, right = (signal.stft(part, SAMPLE_RATE, nperseg=size)[2] for part in (drums, others))
    even = np.full(blur, 1 / np.prod(blur))
    wanted, rest = (signal.convolve2d(np.abs(part) ** power, even, "same") for part in (left, right))
    mask = wanted / (wanted + rest + 1e-9)
    if error:
        noise = np.random.default_rng(mask.size).standard_normal(mask.shape)
        mask = np.clip(mask + error * signal.convolve2d(noise, np.full((5, 5), 0.2), "same"), 0, 1)
    found = signal.istft((left + right) * mask, SAMPLE_RATE, nperseg=size)[1]
    return np.pad(found, (0, max(0, len(drums) - len(found))))[: len(drums)]

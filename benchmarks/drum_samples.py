"""The kits that the drum network learns from, and the music that it learns to ignore.

Kits are either made of sines and noise (`tests.inference.drum_kits`) or sampled: the drum presets of a General MIDI soundfont,
played by fluidsynth. Samples are retuned, filtered, shortened and exchanged between presets.
"""

# ruff: noqa: PLR2004  # chances, decibels and hertz that are drawn from, each said once
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import mido
import numpy as np
import soundfile
from scipy import signal

from bridge.inference.drum_network import SOURCES
from bridge.inference.recent_audio import SAMPLE_RATE
from tests.inference.drum_kits import Kit

_KEYS = {
    "kick": (35, 36),
    "side_stick": (37,),
    "snare": (38, 40),
    "tom": (41, 43, 45, 47, 48, 50),
    "closed_hat": (42, 44),
    "open_hat": (46,),
    "crash": (49, 57, 52, 55),
    "ride": (51, 59, 53),
}
_VELOCITIES = (35, 65, 95, 120)
_PRESETS = (0, 8, 16, 24, 25, 32, 40)
_SPACING = 3.0
_DRUM_CHANNEL = 9
"""Channel 10, as musicians count."""
_LOUDNESS = dict(
    zip(
        ("kick", "snare", "tom", "closed_hat", "open_hat", "crash", "ride", "side_stick"),
        (0.8, 0.7, 0.6, 0.18, 0.22, 0.4, 0.22, 0.35),
        strict=True,
    )
)
_METAL = ("closed_hat", "open_hat", "crash", "ride")
Layers = Sequence[tuple[float, np.ndarray]]
"""One sound at several strengths, 0 to 1."""
SampledKit = Mapping[str, Sequence[Layers]]
"""Per source, its sounds."""


def soundfont_kits(path: Path) -> list[SampledKit]:
    """Every preset's kit; a soundfont of a single kit may have it among the melodic presets."""
    kits = [_soundfont_kit(path, _DRUM_CHANNEL, preset) for preset in _PRESETS]
    return [kit for kit in kits if kit["kick"]] or [_soundfont_kit(path, 0, 0)]


def _soundfont_kit(path: Path, channel: int, preset: int) -> SampledKit:
    notes = [(key, velocity) for keys in _KEYS.values() for key in keys for velocity in _VELOCITIES]
    track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=preset)])
    for key, velocity in notes:
        track.append(mido.Message("note_on", channel=channel, note=key, velocity=velocity, time=240))
        track.append(mido.Message("note_off", channel=channel, note=key, time=round(_SPACING * 960) - 240))
    sound = _rendered(path, [track], ["-R", "0", "-C", "0"])
    sounds: dict[int, list[tuple[float, np.ndarray]]] = {}
    for index, (key, velocity) in enumerate(notes):
        begin = int((0.25 + index * _SPACING) * SAMPLE_RATE)
        stroke = _trimmed(sound[begin : begin + int((_SPACING - 0.01) * SAMPLE_RATE)])
        if stroke is not None:
            sounds.setdefault(key, []).append((velocity / 127, stroke))
    return {source: [sounds[key] for key in keys if key in sounds] for source, keys in _KEYS.items()}


def accompaniments(path: Path, count: int) -> list[np.ndarray]:
    """Some twenty seconds each of a bass, chords and a tune at random, shape (frames,), peak 1."""
    return [_accompaniment(path, np.random.default_rng(seed)) for seed in range(count)]


def _accompaniment(path: Path, rng: np.random.Generator) -> np.ndarray:
    root = int(rng.choice([28, 31, 33, 36]))
    tempo = mido.MetaMessage("set_tempo", tempo=int(6e7 / rng.uniform(70, 170)))
    tracks = []
    for channel, programs in enumerate(
        (range(32, 40), (0, 4, 16, 24, 26, 27, 29, 30, 48, 52), (11, 52, 56, 65, 73, 80))
    ):
        track = mido.MidiTrack(
            [tempo, mido.Message("program_change", channel=channel, program=int(rng.choice(programs)))]
        )
        rest = 0
        for _ in range(70):
            length = int(rng.choice([240, 240, 480, 480, 960]))
            chord = (
                rng.choice([[0, 4, 7], [0, 3, 7], [0, 5, 9]])
                if channel == 1
                else [int(rng.choice([0, 2, 4, 7, 9, 12]))]
            )
            keys = [root + (0, 24, 36)[channel] + int(step) for step in chord]
            for key in keys:
                track.append(
                    mido.Message("note_on", channel=channel, note=key, velocity=int(rng.integers(60, 120)), time=rest)
                )
                rest = 0
            for key in keys:
                track.append(
                    mido.Message("note_off", channel=channel, note=key, time=length - 20 if key == keys[0] else 0)
                )
            rest = 20 if rng.random() < 0.8 else 500
        tracks.append(track)
    sound = _rendered(path, tracks, [])[: 20 * SAMPLE_RATE]
    return sound / np.abs(sound).max()


def _rendered(path: Path, tracks: list[mido.MidiTrack], options: list[str]) -> np.ndarray:
    """What fluidsynth plays, mono, shape (frames,)."""
    with tempfile.TemporaryDirectory() as folder:
        midi, audio = Path(folder, "in.mid"), Path(folder, "out.wav")
        mido.MidiFile(ticks_per_beat=480, tracks=tracks).save(midi)
        command = [
            "fluidsynth",
            "-ni",
            *options,
            "-g",
            "0.6",
            "-r",
            str(SAMPLE_RATE),
            "-F",
            str(audio),
            str(path),
            str(midi),
        ]
        subprocess.run(command, check=True, capture_output=True)
        return soundfile.read(audio, dtype="float32")[0].mean(axis=1)


def _trimmed(sound: np.ndarray) -> np.ndarray | None:
    peak = np.abs(sound).max(initial=0)
    if peak < 1e-4:
        return None
    loud = np.flatnonzero(np.abs(sound) > 0.05 * peak)[0]
    last = np.flatnonzero(np.abs(sound) > 1e-3 * peak)[-1]
    return sound[max(0, loud - 20) : last + 1] / peak


class MadeKit:
    """A kit of sines and noise, its metal as loud as it may be mixed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._kit = Kit(int(rng.integers(1 << 30)))
        self._gains = {source: _decibels(rng.uniform(-12, 4)) for source in _METAL}

    def stroke(self, source: str, variant: int, level: float) -> np.ndarray:
        names = {"tom": ("low_tom", "mid_tom", "high_tom")[variant % 3], "side_stick": "stick"}
        return 0.5 * self._gains.get(source, 1.0) * self._kit.stroke(names.get(source, source), level)


class PlainKit:
    """A sampled kit as it is, at a usual balance."""

    def __init__(self, kit: SampledKit) -> None:
        self._kit = kit

    def stroke(self, source: str, variant: int, level: float) -> np.ndarray:
        sounds = self._kit.get(source)
        if not sounds:
            return np.zeros(0)
        return _LOUDNESS[source] * level**1.3 * _layer(sounds[variant % len(sounds)], level)


class VariedKit:
    """A sampled kit, retuned, filtered and shortened; some of its sounds come from other kits, are made, or are two in one.

    Soundfonts share their cymbals between presets: layers at different speeds make plates that no preset has.
    """

    def __init__(self, kits: Sequence[SampledKit], rng: np.random.Generator) -> None:
        own, made = kits[rng.integers(len(kits))], MadeKit(rng)
        self._sounds: dict[str, Callable[[int, float], np.ndarray]] = {}
        for source in SOURCES:
            kit = kits[rng.integers(len(kits))] if rng.random() < 0.35 else own
            if rng.random() < 0.1 or not kit.get(source):
                self._sounds[source] = partial(made.stroke, source)
            else:
                self._sounds[source] = _varied(kit[source], source, made, rng)

    def stroke(self, source: str, variant: int, level: float) -> np.ndarray:
        return self._sounds[source](variant, level)


def _varied(
    sounds: Sequence[Layers], source: str, made: MadeKit, rng: np.random.Generator
) -> Callable[[int, float], np.ndarray]:
    chosen = [
        sounds[index] for index in rng.permutation(len(sounds))[: {"tom": 3, "crash": 2, "ride": 2}.get(source, 1)]
    ]
    second = sounds[rng.integers(len(sounds))]
    layered = rng.choice(["no", "sampled", "made"], p=[0.55, 0.25, 0.2])
    amount = rng.uniform(0.15, 1)
    widest = 0.4 if source in _METAL else 0.25
    speed, second_speed = np.exp(rng.uniform(-widest, widest, 2))
    decay = rng.uniform(0.04, 1.0) if rng.random() < 0.35 else np.inf
    gain = _LOUDNESS[source] * _decibels(rng.uniform(-16, 5) if source in _METAL else rng.uniform(-6, 6))
    low, mid, high = _decibels(rng.uniform(-8, 8, 3))
    found: dict[tuple[int, int], np.ndarray] = {}

    def shaped(variant: int, level: float) -> np.ndarray:
        sound = _at_speed(_layer(chosen[variant], level), speed)
        if layered != "no":
            other = _layer(second, level) if layered == "sampled" else made.stroke(source, variant, level)
            other = _at_speed(other, second_speed)
            both = np.zeros(max(len(sound), len(other)))
            both[: len(sound)] = sound
            both[: len(other)] += amount * other / max(1e-6, np.abs(other).max(initial=0))
            sound = both / (1 + amount)
        bottom = signal.lfilter(*signal.butter(1, 400, fs=SAMPLE_RATE), sound)
        below = signal.lfilter(*signal.butter(1, 3000, fs=SAMPLE_RATE), sound)
        sound = low * bottom + mid * (below - bottom) + high * (sound - below)
        return sound * np.exp(-np.arange(len(sound)) / SAMPLE_RATE / decay)

    def stroke(variant: int, level: float) -> np.ndarray:
        variant %= len(chosen)
        key = variant, round(4 * level)
        if key not in found:
            found[key] = shaped(variant, level)
        # No two strokes of a drummer are equally bright.
        sound = found[key]
        return gain * level**1.3 * (sound + rng.uniform(-0.3, 0.3) * np.diff(sound, prepend=0.0))

    return stroke


def _layer(layers: Layers, level: float) -> np.ndarray:
    return layers[int(np.argmin([abs(strength - level) for strength, _ in layers]))][1]


def _at_speed(sound: np.ndarray, speed: float) -> np.ndarray:
    return np.interp(np.arange(0, len(sound), speed), np.arange(len(sound)), sound)


def _decibels(value: float | np.ndarray) -> float | np.ndarray:
    return 10 ** (value / 20)

"""One voice at a time with known notes: singing, a plucked bass, a wind instrument."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

RATE = 44100


@dataclass(frozen=True)
class Tone:
    onset: float
    duration: float
    pitch: float
    level: float = 0.5
    vibrato: float = 0.0
    """Semitones to each side, from 200 ms on, at 5.5 Hz."""
    scoop: float = 0.0
    """Semitones below the pitch where the tone begins; it arrives within 60 ms."""
    glide: float = 0.0
    """Seconds in which it comes from the tone before, without a new attack."""

    @property
    def end(self) -> float:
        return self.onset + self.duration


def _curve(tone: Tone, before: Tone | None) -> np.ndarray:
    t = np.arange(round(tone.duration * RATE)) / RATE
    pitch = tone.pitch + tone.vibrato * np.clip((t - 0.2) / 0.15, 0, 1) * np.sin(2 * np.pi * 5.5 * t)
    pitch = pitch - tone.scoop * np.clip(1 - t / 0.06, 0, 1)
    if tone.glide and before is not None:
        pitch = np.where(t < tone.glide, before.pitch + (pitch - before.pitch) * t / tone.glide, pitch)
    return pitch


def _source(pitch: np.ndarray, partials: int, slope: float) -> np.ndarray:
    hertz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return sum(np.where(hertz * h < 9000, np.sin(h * phase) / h**slope, 0) for h in range(1, partials + 1))


def sing(tones: list[Tone], seconds: float, seed: int = 1) -> np.ndarray:
    """A vowel with breath; shape (1, frames)."""
    rng = np.random.default_rng(seed)
    out = np.zeros(round(seconds * RATE))
    before = None
    pitches, envelopes, places = [], [], []
    for tone in tones:
        t = np.arange(round(tone.duration * RATE)) / RATE
        begins = not (tone.glide and before is not None)
        attack = np.clip(t / 0.025, 0, 1) if begins else np.ones(len(t))
        release = np.clip((tone.duration - t) / 0.03, 0, 1)
        pitches.append(_curve(tone, before))
        envelopes.append(tone.level * attack * release)
        places.append(round(tone.onset * RATE))
        if not begins:
            envelopes[-2][-round(0.03 * RATE) :] = before.level
        before = tone
    for pitch, envelope, place in zip(pitches, envelopes, places, strict=True):
        voice = _source(pitch, 40, 1.2) + 0.02 * rng.standard_normal(len(pitch))
        out[place : place + len(voice)] += voice * envelope
    return _shaped(out, (700, 1150, 2700), rng)


def hum(consonants: list[float], seconds: float, pitch: float = 57.0, depth: float = 0.6, seed: int = 3) -> np.ndarray:
    """One vowel on one pitch from 0.3 s on, with consonants sung through, as l or v; shape (1, frames).

    A syllable begins at each of the times: there the pitch lies `depth` semitones lower and rises, and soon the voice
    is bright again.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    lower = sum((np.exp(-(((t - at) / 0.03) ** 2)) for at in consonants), np.zeros(len(t)))
    # The mouth opens within some 20 ms.
    closed = sum(
        (np.clip(np.minimum(t - at + 0.05, at + 0.04 - t) / 0.02, 0, 1) for at in consonants), np.zeros(len(t))
    )
    hertz = 440.0 * 2.0 ** ((pitch - depth * lower - 69) / 12)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    voice = sum(np.sin(h * phase) / h**1.2 * np.exp(-0.2 * closed * (h - 1)) for h in range(1, 30))
    envelope = np.clip((t - 0.3) / 0.025, 0, 1) * np.clip((seconds - 0.2 - t) / 0.03, 0, 1)
    return _shaped(voice * envelope * (1 - 0.38 * closed), (700, 1150, 2700), rng)


def _shaped(source: np.ndarray, formants: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    shaped = np.zeros_like(source)
    for formant, gain in zip(formants, (1.0, 0.6, 0.3), strict=True):
        radius, angle = np.exp(-np.pi * 100 / RATE), 2 * np.pi * formant / RATE
        shaped += gain * lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], source)
    shaped *= 0.4 / max(1e-9, np.abs(shaped).max())
    return (shaped + 3e-4 * rng.standard_normal(len(shaped)))[None].astype(np.float32)


def pluck(tones: list[Tone], seconds: float) -> np.ndarray:
    """Strings that decay, each damped by the next; shape (1, frames)."""
    out = np.zeros(round(seconds * RATE))
    for tone in tones:
        t = np.arange(round((tone.duration + 0.03) * RATE)) / RATE
        hertz = 440.0 * 2.0 ** ((tone.pitch - 69) / 12)
        string = sum(np.sin(2 * np.pi * h * hertz * t) * h**-1.2 * np.exp(-t * (0.8 + 0.5 * h)) for h in range(1, 16))
        envelope = np.clip(t / 0.003, 0, 1) * np.clip((tone.duration + 0.03 - t) / 0.03, 0, 1)
        place = round(tone.onset * RATE)
        piece = (tone.level * string * envelope)[: len(out) - place]
        out[place : place + len(piece)] += piece
    return (0.5 * out)[None].astype(np.float32)


def blow(tones: list[Tone], seconds: float, seed: int = 2) -> np.ndarray:
    """A wind instrument, tongued: the air stops for 15 ms before each tone; shape (1, frames)."""
    rng = np.random.default_rng(seed)
    out = np.zeros(round(seconds * RATE))
    for tone in tones:
        t = np.arange(round(tone.duration * RATE)) / RATE
        envelope = tone.level * np.clip(t / 0.015, 0, 1) * np.clip((tone.duration - 0.015 - t) / 0.01, 0, 1)
        place = round(tone.onset * RATE)
        out[place : place + len(t)] += (
            _source(_curve(tone, None), 20, 0.9) + 0.03 * rng.standard_normal(len(t))
        ) * envelope
    return (0.3 * out)[None].astype(np.float32)


def lines(tones: list[Tone]) -> np.ndarray:
    """Rows of (onset, pitch, duration)."""
    return np.array([(tone.onset, round(tone.pitch), tone.duration) for tone in tones])


def sung() -> tuple[np.ndarray, np.ndarray]:
    """Eight seconds of singing, and its notes."""
    tones = [
        Tone(0.4, 0.5, 60, vibrato=0.4),
        Tone(1.0, 0.3, 60, scoop=1.0),
        Tone(1.4, 0.25, 62),
        Tone(1.7, 0.6, 65, vibrato=0.5),
        Tone(2.3, 0.4, 63, glide=0.05),
        Tone(2.7, 0.5, 58, glide=0.06),
        Tone(3.5, 0.2, 67),
        Tone(3.75, 0.2, 67),
        Tone(4.0, 0.2, 67),
        Tone(4.3, 0.8, 69, vibrato=0.5, scoop=1.5),
        Tone(5.4, 0.3, 55, level=0.1),
        Tone(5.8, 0.3, 57, level=0.1),
        Tone(6.2, 1.2, 60, vibrato=0.6),
    ]
    return sing(tones, 8.0), lines(tones)


def plucked() -> tuple[np.ndarray, np.ndarray]:
    """A bass line from the lowest E up, with repeated notes that leave no gap."""
    pitches = (28, 28, 40, 35, 33, 33, 33, 45, 43, 28, 31, 38, 38, 36, 29, 41)
    tones = [Tone(0.3 + 0.3 * n, 0.3, pitch, level=0.3 + 0.04 * (n % 5)) for n, pitch in enumerate(pitches)]
    return pluck(tones, 5.5), lines(tones)


def blown() -> tuple[np.ndarray, np.ndarray]:
    """Quick tongued notes, some repeated, and a long one."""
    pitches = (62, 64, 65, 67, 67, 69, 71, 72, 72, 71, 69, 67, 65, 64, 62)
    tones = [Tone(0.3 + 0.16 * n, 0.16, pitch) for n, pitch in enumerate(pitches)]
    tones.append(Tone(2.8, 0.9, 57, vibrato=0.3))
    return blow(tones, 4.2), lines(tones)

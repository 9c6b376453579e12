"""Drum kits made of sines and noise, and what is played on them: audio whose every hit is known.

A kit is drawn from a seed: sizes, tunings, decays and the metal's partials differ from kit to kit as recorded kits differ.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import signal

RATE = 44100


@dataclass(frozen=True, slots=True)
class Hit:
    """One stroke that is played."""

    onset: float
    """Seconds."""
    instrument: str
    """kick, snare, stick, closed_hat, open_hat, low_tom, mid_tom, high_tom, crash or ride."""
    level: float = 1.0
    """0 to 1; softer strokes are duller too."""


class Kit:
    """Every stroke differs a little, as a drummer's do."""

    def __init__(self, seed: int) -> None:
        rng = self._rng = np.random.default_rng(seed)
        self._rings: dict[int, np.ndarray] = {}
        self._kick = rng.uniform(42, 75), rng.uniform(1.5, 4), rng.uniform(0.02, 0.06), rng.uniform(0.08, 0.4)
        self._click = rng.uniform(0.05, 0.6), rng.uniform(1500, 6000)
        self._snare = (
            rng.uniform(150, 300),
            rng.uniform(0.03, 0.15),
            rng.uniform(0.05, 0.18),
            10 ** rng.uniform(-1.2, 0.3),
        )
        self._wires = rng.uniform(900, 2500), rng.uniform(7000, 15000)
        self._toms = np.sort(rng.uniform([70, 100, 140], [95, 138, 220])), rng.uniform(0.12, 0.4)
        self._hat_edge = rng.uniform(3500, 8000)
        self._hat_decays = rng.uniform(0.015, 0.06), rng.uniform(0.2, 0.6)
        self._hat_partials = rng.uniform(3000, 13000, 24)
        self._crash = rng.uniform(350, 900), rng.uniform(0.5, 1.3), rng.uniform(500, 14000, 60)
        self._ride = rng.uniform(2000, 4500), rng.uniform(0.5, 1.4), rng.uniform(1800, 12000, 40), rng.uniform(0.2, 0.9)
        self._stick = rng.uniform(450, 1900), rng.uniform(0.006, 0.03), rng.uniform(0, 0.6)
        self._gains = dict(
            zip(
                ("kick", "snare", "stick", "closed_hat", "open_hat", "tom", "crash", "ride"),
                10 ** (rng.uniform([-4, -5, -14, -22, -20, -6, -14, -20], [3, 3, -6, -10, -9, 2, -5, -10]) / 20),
                strict=True,
            )
        )

    def stroke(self, instrument: str, level: float) -> np.ndarray:
        """Shape (frames,)."""
        kind = "tom" if instrument.endswith("tom") else instrument
        make = getattr(self, f"_{kind}_stroke")
        sound = make(("low_tom", "mid_tom", "high_tom").index(instrument)) if kind == "tom" else make()
        # A soft stroke excites the upper partials less.
        if level < 1:
            b, a = signal.butter(1, np.clip(18000 * level**0.6, 500, 20000), fs=RATE)
            sound = signal.lfilter(b, a, sound)
        return self._gains[kind] * level * sound

    def play(self, hits: Iterable[Hit], seconds: float) -> np.ndarray:
        """Mix the strokes, mono, shape (1, frames), float32, peak 0.5; a closed hat ends an open one."""
        out = np.zeros(int(seconds * RATE))
        ordered = sorted(hits, key=lambda hit: hit.onset)
        for index, hit in enumerate(ordered):
            begin = round(hit.onset * RATE)
            sound = self.stroke(hit.instrument, hit.level)[: len(out) - begin]
            if hit.instrument == "open_hat":
                later = (h.onset for h in ordered[index + 1 :] if h.instrument in {"closed_hat", "open_hat"})
                end = (next(later, seconds) - hit.onset) * RATE
                sound = sound * np.clip((end - np.arange(len(sound))) / 200, 0, 1)
            out[begin : begin + len(sound)] += sound
        return (0.5 * out / max(np.abs(out).max(), 1e-9)).astype(np.float32)[None]

    def _kick_stroke(self) -> np.ndarray:
        pitch, sweep, sweep_time, decay = self._kick
        t = _time(5 * decay)
        phase = 2 * np.pi * np.cumsum(pitch * (1 + sweep * np.exp(-t / sweep_time))) / RATE
        amount, colour = self._click
        click = _band(self._noise(len(t)), colour / 2, colour * 1.5) * np.exp(-t / 0.003)
        return np.sin(phase) * np.exp(-t / decay) * np.minimum(t / 0.001, 1) + amount * click

    def _snare_stroke(self) -> np.ndarray:
        pitch, decay, wire_decay, wire_level = self._snare
        t = _time(5 * max(decay, wire_decay))
        shell = sum(
            np.sin(2 * np.pi * pitch * ratio * t * (1 + 0.1 * np.exp(-t / 0.01)))
            * np.exp(-t * ratio**0.5 / decay)
            / ratio
            for ratio in (1.0, 1.59, 2.14)
        )
        wires = _band(self._noise(len(t)), *self._wires) * np.exp(-t / wire_decay)
        return shell + wire_level * wires

    def _stick_stroke(self) -> np.ndarray:
        pitch, decay, body = self._stick
        t = _time(8 * decay)
        wood = sum(np.sin(2 * np.pi * pitch * ratio * t) * np.exp(-t / decay) for ratio in (1.0, 1.7, 2.6))
        shell = body * np.sin(2 * np.pi * self._snare[0] * 1.6 * t) * np.exp(-t / (1.5 * decay))
        return wood + shell + 0.5 * _band(self._noise(len(t)), 1500, 9000) * np.exp(-t / 0.004)

    def _tom_stroke(self, index: int) -> np.ndarray:
        pitches, decay = self._toms
        pitch = pitches[index]
        t = _time(5 * decay)
        glide = 1 + 0.25 * np.exp(-t / 0.04)
        phase = 2 * np.pi * np.cumsum(pitch * glide) / RATE
        skin = sum(np.sin(phase * ratio) * np.exp(-t * ratio / decay) / ratio**1.5 for ratio in (1.0, 1.6, 2.15))
        return skin + 0.3 * _band(self._noise(len(t)), 800, 5000) * np.exp(-t / 0.006)

    def _closed_hat_stroke(self) -> np.ndarray:
        return self._hat(self._hat_decays[0] * self._rng.uniform(0.8, 1.25))

    def _open_hat_stroke(self) -> np.ndarray:
        return self._hat(self._hat_decays[1] * self._rng.uniform(0.8, 1.25))

    def _hat(self, decay: float) -> np.ndarray:
        t = _time(5 * decay)
        return _band(self._metal(t, self._hat_partials) + self._noise(len(t)), self._hat_edge, 18000) * np.exp(
            -t / decay
        )

    def _crash_stroke(self) -> np.ndarray:
        edge, decay, partials = self._crash
        t = _time(3 * decay)
        sound = _band(self._metal(t, partials) + 2 * self._noise(len(t)), edge, 17000)
        return sound * (np.exp(-t / decay) + np.exp(-t / 0.03))

    def _ride_stroke(self) -> np.ndarray:
        edge, decay, partials, wash = self._ride
        t = _time(3 * decay)
        ping = _band(self._noise(len(t)), edge, 14000) * np.exp(-t / 0.012)
        ring = _band(self._metal(t, partials) + wash * self._noise(len(t)), edge * 0.7, 15000)
        return 2 * ping + wash * ring * np.exp(-t / decay)

    def _noise(self, frames: int) -> np.ndarray:
        return self._rng.standard_normal(frames)

    def _metal(self, t: np.ndarray, partials: np.ndarray) -> np.ndarray:
        """The ring of a plate, from another moment of it each time."""
        ring = self._rings.get(len(partials))
        if ring is None:
            phases = self._rng.uniform(0, 2 * np.pi, len(partials))
            longest = np.arange(int(3.1 * RATE)) / RATE
            tones = sum(np.sin(2 * np.pi * f * longest + phase) for f, phase in zip(partials, phases, strict=True))
            ring = self._rings[len(partials)] = tones / np.sqrt(len(partials) / 2)
        begin = int(self._rng.integers(len(ring) - len(t)))
        return ring[begin : begin + len(t)]


def _time(seconds: float) -> np.ndarray:
    return np.arange(int(min(seconds, 3.0) * RATE)) / RATE


def _band(sound: np.ndarray, low: float, high: float) -> np.ndarray:
    return signal.sosfilt(signal.butter(2, (low, min(high, 20000)), "bandpass", fs=RATE, output="sos"), sound)


def groove(seed: int, seconds: float) -> list[Hit]:
    """A drummer's bars: kick and snare patterns, hats or ride, ghost notes, flams, fills on toms, crashes; none exactly in time."""
    rng = np.random.default_rng(seed)
    step = 60 / rng.uniform(75, 165) / 4
    kicks = np.where(rng.random(16) < 0.2, 0.8, 0.0)
    kicks[[0, 8]] = 0.95, 0.6
    backbeat = "stick" if rng.random() < 0.15 else "snare"
    ghosts = 0.2 * (rng.random() < 0.4)
    spacing = int(rng.choice([1, 2, 2, 4]))
    timekeeper = "ride" if rng.random() < 0.25 else "closed_hat"
    opens = rng.uniform(0, 0.15)
    hits: list[Hit] = []

    def strike(time: float, instrument: str, level: float) -> None:
        hits.append(Hit(max(0.0, time + rng.normal(0, 0.004)), instrument, level))

    for index in range(int((seconds - 1.0) / step)):
        time, place, bar = 0.4 + index * step, index % 16, index // 16
        if bar % 4 == 3 and place >= 8:
            toms = ("high_tom", "mid_tom", "low_tom")
            strike(time, toms[min(2, (place - 8) * 3 // 8)] if rng.random() < 0.7 else "snare", rng.uniform(0.5, 1))
            continue
        if place == 0 and bar % 4 == 0:
            strike(time, "crash", rng.uniform(0.7, 1))
        elif place % spacing == 0:
            hat = "open_hat" if timekeeper == "closed_hat" and rng.random() < opens else timekeeper
            strike(time, hat, rng.uniform(0.6, 1) if place % 4 == 0 else rng.uniform(0.3, 0.7))
        if rng.random() < kicks[place]:
            strike(time, "kick", rng.uniform(0.7, 1))
        if place in {4, 12}:
            strike(time, backbeat, rng.uniform(0.8, 1))
            if backbeat == "snare" and rng.random() < 0.1:
                strike(time - 0.03, "snare", 0.3)
        elif rng.random() < ghosts:
            strike(time, "snare", rng.uniform(0.12, 0.3))
    return hits


CLASSES = {
    "kick": "kick",
    "snare": "snare",
    "stick": "side stick",
    "closed_hat": "hat",
    "open_hat": "hat",
    "low_tom": "tom",
    "mid_tom": "tom",
    "high_tom": "tom",
    "crash": "cymbal",
    "ride": "cymbal",
}
"""The instruments as annotations tell them apart."""


def bleed(seed: int, frames: int, decibels: float) -> np.ndarray:
    """A bass and chords that no separation would leave, shape (1, frames), this loud against full scale."""
    rng = np.random.default_rng(seed)
    out = np.zeros(frames)
    beat = int(60 / rng.uniform(75, 165) * RATE)
    for begin in range(0, frames, beat):
        t = np.arange(min(beat, frames - begin)) / RATE
        envelope = np.minimum(t / 0.01, 1) * np.exp(-3 * t)
        for pitch, amplitude in ((rng.integers(28, 45), 1.0), *((p, 0.3) for p in rng.integers(52, 76, 3))):
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            out[begin : begin + len(t)] += (
                amplitude * envelope * sum(np.sin(2 * np.pi * hertz * h * t) * 0.6**h for h in range(1, 8))
            )
    return (10 ** (decibels / 20) * out / max(np.abs(out).max(), 1e-9)).astype(np.float32)[None]

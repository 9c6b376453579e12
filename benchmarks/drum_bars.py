"""Bars at random for the drum network to learn from: more styles, tempi and disorder than any one drummer has."""

# ruff: noqa: PLR2004  # chances, decibels and hertz that are drawn from, each said once
from dataclasses import dataclass

import numpy as np

from bridge.inference.drum_network import SOURCES


@dataclass(frozen=True, slots=True)
class Stroke:
    onset: float
    """Seconds."""
    source: str
    """One of `SOURCES`."""
    variant: int
    """Which of a kit's toms or cymbals."""
    level: float
    """0 to 1."""


def bars(rng: np.random.Generator, seconds: float) -> list[Stroke]:
    """In order of time; the same drum at least 18 ms apart, 30 ms but for snares and toms, which play flams."""
    style = rng.choice(["rock", "rock", "funk", "ride", "fills", "reggae", "random", "four", "fast"])
    strokes = _disorder(rng, seconds) if style == "random" else _Drummer(rng, str(style)).play(seconds)
    kept: list[Stroke] = []
    last: dict[str, float] = {}
    for stroke in sorted(strokes, key=lambda stroke: stroke.onset):
        apart = 0.018 if stroke.source in {"snare", "tom"} else 0.03
        if 0 <= stroke.onset < seconds - 0.15 and stroke.onset - last.get(stroke.source, -1) >= apart:
            last[stroke.source] = stroke.onset
            kept.append(stroke)
    return kept


def _disorder(rng: np.random.Generator, seconds: float) -> list[Stroke]:
    strokes = []
    for source in SOURCES:
        if rng.random() < 0.75:
            mean = np.exp(rng.uniform(np.log(0.25), np.log(3.3)))
            time = rng.exponential(mean)
            while time < seconds:
                strokes.append(Stroke(time, source, int(rng.integers(3)), rng.uniform(0.2, 1)))
                time += max(0.06, rng.exponential(mean))
    return strokes


class _Drummer:
    def __init__(self, rng: np.random.Generator, style: str) -> None:
        self._rng, self._style = rng, style
        triplets = rng.random() < 0.2
        self._division = 3 if triplets else 4
        self._step = 60 / (rng.uniform(150, 220) if style == "fast" else rng.uniform(65, 185)) / self._division
        self._swing = rng.uniform(0, 0.3) * self._step if rng.random() < 0.25 and not triplets else 0.0
        self._jitter = rng.uniform(0, 0.008)
        self._kicks, self._snares = self._pattern()
        self._ghosts = rng.uniform(0, 0.35) if style == "funk" or rng.random() < 0.3 else 0.0
        ways = ["eighths", "sixteenths", "quarters", "offbeat", "pedal", "none"]
        self._way = rng.choice(ways, p=[0.45, 0.25, 0.1, 0.07, 0.08, 0.05])
        self._metal = "ride" if style == "ride" or rng.random() < 0.2 else "closed_hat"
        if self._metal == "closed_hat" and rng.random() < 0.15:
            self._metal = "open_hat"
        if rng.random() < 0.1:
            # Some keep time on the floor tom or on a crash.
            self._metal = str(rng.choice(["tom", "crash"]))
        self._opens = rng.uniform(0, 0.25)
        self._backbeat = "side_stick" if rng.random() < (0.6 if style == "reggae" else 0.22) else "snare"
        self._strokes: list[Stroke] = []

    def _pattern(self) -> tuple[np.ndarray, np.ndarray]:
        """How likely a kick and a snare are on each place of a bar."""
        rng, division = self._rng, self._division
        kicks, snares = np.zeros(4 * division), np.zeros(4 * division)
        kicks[[0, 2 * division]] = 0.95, 0.7
        kicks[rng.integers(0, 4 * division, rng.integers(1, 5))] = rng.uniform(0.4, 0.9)
        snares[[division, 3 * division]] = 0.95
        if self._style == "four":
            kicks[::division] = 0.97
        if self._style == "fast":
            kicks[:: 1 if rng.random() < 0.3 else 2] = 0.8
            snares[:] = 0
            snares[2::4] = 0.8
        if self._style == "reggae":
            kicks[:], snares[:] = 0.03, 0
            kicks[[0, 2 * division]] = 0.4, 0.95
            snares[2 * division] = 0.7
        return kicks, snares

    def play(self, seconds: float) -> list[Stroke]:
        begin = self._rng.uniform(0, 1)
        for index in range(int(seconds / self._step)):
            time = begin + index * self._step + (self._swing if index % 2 else 0)
            bar, place = divmod(index, 4 * self._division)
            filling = bar % 4 == 3 and place >= (4 - int(self._rng.integers(1, 3))) * self._division
            if self._style == "fills":
                filling = self._rng.random() < 0.5
            if filling and self._rng.random() < 0.75:
                self._fill(time)
            else:
                self._beat(time, bar, place)
        return self._strokes

    def _fill(self, time: float) -> None:
        source = "tom" if self._rng.random() < 0.65 else "snare"
        self._strike(time, source, 0.4, 1, variants=3)
        if self._rng.random() < 0.15:
            self._strike(time + self._rng.uniform(0.02, 0.04), source, 0.5, 1, variants=3)
        if self._rng.random() < 0.3:
            self._strike(time, "kick", 0.6, 1)

    def _beat(self, time: float, bar: int, place: int) -> None:
        rng, division = self._rng, self._division
        if place == 0 and rng.random() < (0.35 if bar else 0.4):
            self._strike(time, "crash", 0.6, 1, variants=2)
        if rng.random() < self._kicks[place]:
            self._strike(time, "kick", 0.55, 1)
        if rng.random() < self._snares[place]:
            self._strike(time, self._backbeat, 0.65, 1)
            if self._backbeat == "snare" and rng.random() < 0.07:
                self._strike(time - rng.uniform(0.018, 0.035), "snare", 0.2, 0.5)
        elif rng.random() < self._ghosts:
            self._strike(time, "snare", 0.12, 0.35)
        keeps = {
            "eighths": place % 2 == 0 or division == 3,
            "sixteenths": True,
            "quarters": place % division == 0,
            "offbeat": place % division == division // 2,
            "pedal": place in {division, 3 * division},
            "none": False,
        }
        if keeps[str(self._way)] and rng.random() < 0.95:
            opened = self._metal == "closed_hat" and rng.random() < self._opens
            source = "open_hat" if opened else self._metal
            self._strike(time, source, *((0.35, 1.0) if place % 2 == 0 else (0.2, 0.8)))
        if self._metal == "ride" and place in {division, 3 * division} and rng.random() < 0.7:
            self._strike(time, "closed_hat", 0.3, 0.8)

    def _strike(self, time: float, source: str, low: float, high: float, variants: int = 1) -> None:
        onset = time + self._rng.normal(0, self._jitter)
        self._strokes.append(Stroke(onset, source, int(self._rng.integers(variants)), self._rng.uniform(low, high)))

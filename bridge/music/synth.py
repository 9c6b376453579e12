"""A plain additive synthesizer, so that notes can be compared with the sound they were taken from.

Its tone is a struck string's in outline: eight partials that fall off by rank, each decaying, the high ones faster. Nothing lies
above `CEILING`, so the same notes rendered at a low sample rate lose nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log

import numpy as np
import numpy.typing as npt

from bridge.music.notes import Note
from bridge.units import Hertz

CEILING = Hertz(5000.0)
"""No partial lies above this, nor above 0.45 of the sample rate; MIDI pitches from 112 up are therefore silent."""

PARTIALS = 8
FULL_LEVEL = 0.25
"""The amplitude that a note of velocity 127 begins with."""

ATTACK_SECONDS = 0.004
RELEASE_SECONDS = 0.04
"""How long a tone fades after its note's end."""

_ROW = 128
_TILE = 256 * _ROW
_PIECES = 8

Mono = npt.NDArray[np.float32]
"""One channel of audio, float32, shape (frames,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Notes as columns of one length: quicker to shuffle and to render than the notes themselves."""

    onset: npt.NDArray[np.float64]
    """Seconds of the clip."""
    duration: npt.NDArray[np.float64]
    """Seconds; infinite where a note's end is not known yet."""
    pitch: npt.NDArray[np.int64]
    """MIDI note numbers."""
    amplitude: npt.NDArray[np.float64]
    """Where the tone begins to decay from."""

    @classmethod
    def of(cls, notes: Iterable[Note]) -> "Score":
        """Take the columns from the notes, in their order; the amplitude grows with the velocity's square, as General MIDI has it."""
        kept = tuple(notes)
        velocity = np.array([n.velocity for n in kept], dtype=np.float64)
        return cls(
            onset=np.array([n.onset for n in kept], dtype=np.float64),
            duration=np.array([np.inf if n.duration is None else n.duration for n in kept], dtype=np.float64),
            pitch=np.array([n.pitch for n in kept], dtype=np.int64),
            amplitude=FULL_LEVEL * np.square(velocity / 127.0),
        )

    def __len__(self) -> int:
        return len(self.onset)


class AdditiveSynth:
    """Renders notes at one sample rate. Any cut of the time axis into blocks gives the same samples."""

    def __init__(self, sample_rate: float) -> None:
        """Take the sample rate in hertz."""
        self.sample_rate = sample_rate
        frames = max(1, round(RELEASE_SECONDS * sample_rate))
        self._release: Mono = np.linspace(1.0, 0.0, frames, endpoint=False, dtype=np.float32)
        self._tones: dict[int, Mono] = {}

    def render(self, score: Score, begin: int, end: int) -> Mono:
        """Return frames `begin` to `end` of the clip, counted from its start; `begin` may lie before it."""
        out = np.zeros(max(0, end - begin), dtype=np.float32)
        onsets = np.rint(score.onset * self.sample_rate).astype(np.int64)
        # Twenty minutes outlast every tone: an open end needs no case of its own.
        held = np.maximum(np.rint(np.minimum(score.duration, 1200.0) * self.sample_rate), 1).astype(np.int64)
        for i in np.flatnonzero((onsets < end) & (onsets + held + len(self._release) > begin)):
            self._add(out, onsets[i] - begin, int(held[i]), int(score.pitch[i]), score.amplitude[i])
        return out

    def _add(self, out: Mono, at: int, held: int, pitch: int, amplitude: float) -> None:
        """Add one note that begins `at` frames into `out` (below 0: before it)."""
        first = max(0, -at)
        last = min(held + len(self._release), len(out) - at, self._audible(pitch))
        if last <= first:
            return
        tone = self._tone(pitch, last)[first:last] * np.float32(amplitude)
        if last > held:
            fading = max(first, held)
            tone[fading - first :] *= self._release[fading - held : last - held]
        out[at + first : at + last] += tone

    def _decay(self, pitch: int) -> float:
        """Nepers a second of the first partial: a low string rings longer."""
        return float(np.sqrt(_frequency(pitch) / 261.6))

    def _audible(self, pitch: int) -> int:
        """Frames until a tone is 60 dB down, where it ends."""
        return ceil(log(1000.0) / self._decay(pitch) * self.sample_rate)

    def _tone(self, pitch: int, frames: int) -> Mono:
        """At least so many frames of an undamped tone of amplitude about 1; grown tile by tile, so that no request changes another."""
        tone = self._tones.get(pitch, np.zeros(0, dtype=np.float32))
        if len(tone) < frames:
            tiles = range(len(tone) // _TILE, ceil(frames / _TILE))
            tone = np.concatenate([tone, *(self._tile(pitch, i) for i in tiles)])
            self._tones[pitch] = tone
        return tone

    def _tile(self, pitch: int, index: int) -> Mono:
        """Frames `index * _TILE` onwards of a pitch's tone: a sum of damped sines, as one product of two small matrices."""
        ceiling = min(CEILING, 0.45 * self.sample_rate)
        rank = np.arange(1, PARTIALS + 1)
        rank = rank[rank * _frequency(pitch) <= ceiling]
        level = rank**-1.2
        # exp(z (a + b)) = exp(z a) exp(z b): each partial needs 384 exponentials a tile, not 32768.
        z = (2j * np.pi * rank * _frequency(pitch) - self._decay(pitch) * (0.7 + 0.3 * rank)) / self.sample_rate
        rows = index * _TILE + np.arange(0, _TILE, _ROW)
        coarse = np.exp(np.outer(rows, z)) * (level / max(level.sum(), 1e-9))
        # In small products: a large one OpenBLAS spreads over all cores, which then wait busily for more.
        pieces = coarse.reshape(_PIECES, len(rows) // _PIECES, len(z)) @ np.exp(np.outer(z, np.arange(_ROW)))
        tile = pieces.imag.ravel()
        if index == 0:
            attack = max(1, round(ATTACK_SECONDS * self.sample_rate))
            tile[:attack] *= np.arange(attack) / attack
        rounded: Mono = tile.astype(np.float32)
        return rounded


def _frequency(pitch: int) -> float:
    """Hertz in equal temperament, A4 at 440."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))

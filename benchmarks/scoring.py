"""Notes against reference notes as mir_eval scores them, and how soon a transcriber gives them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import mir_eval.transcription as mir
import numpy as np
from scipy.stats import spearmanr

from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.music.notes import Note, NoteKey
from bridge.session.ports import Transcriber

NEAR_SECONDS, NEAR_CENTS, NEAR_SHARE = 0.05, 50.0, 0.2
SMALL, LARGE = SAMPLE_RATE // 50, 6 * SAMPLE_RATE
"""20 ms, which delays are measured with, and what a job feeds at once."""
_SHORTEST = 0.01
"""Seconds; mir_eval takes no note that lasts no time."""
_FEWEST = 5
"""Pairs of velocities without which no correlation is given."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes as columns."""

    onset: np.ndarray
    """Seconds."""
    duration: np.ndarray
    pitch: np.ndarray
    """MIDI note numbers, not always whole."""
    velocity: np.ndarray | None = None

    @classmethod
    def of(cls, notes: Sequence[Note]) -> "Notes":
        rows = np.array([(n.onset, n.duration, n.pitch, n.velocity) for n in notes], dtype=float).reshape(-1, 4)
        return cls(*rows.T)

    @classmethod
    def bent(cls, notes: Sequence[Note]) -> "Notes":
        """With the pitch that sounds where bends are played: of each note the middle one, by how long it sounds."""
        plain = cls.of(notes)
        return replace(plain, pitch=np.array([note.pitch + _middle_bend(note) / 100.0 for note in notes], dtype=float))

    def __len__(self) -> int:
        return len(self.onset)

    def renamed(self, keys: Mapping[int, int]) -> "Notes":
        """Those whose pitch is one of these, with the pitch that stands there instead."""
        kept = np.array([int(pitch) in keys for pitch in self.pitch], dtype=bool)
        pitch = np.array([keys[int(pitch)] for pitch in self.pitch[kept]], dtype=float)
        velocity = None if self.velocity is None else self.velocity[kept]
        return Notes(self.onset[kept], self.duration[kept], pitch, velocity)

    @property
    def intervals(self) -> np.ndarray:
        return np.column_stack([self.onset, self.onset + np.maximum(self.duration, _SHORTEST)])

    @property
    def hertz(self) -> np.ndarray:
        return 440.0 * 2.0 ** ((self.pitch - 69.0) / 12.0)


@dataclass(frozen=True, slots=True)
class Score:
    precision: float
    recall: float
    f: float

    def __str__(self) -> str:
        return f"{self.precision:4.2f} {self.recall:4.2f} {self.f:4.2f}"


def score(found: Notes, true: Notes, *, ends: bool, near: float = NEAR_SECONDS) -> Score:
    """Within `near`, 50 ms, and 50 cents; `ends`: and the end within 50 ms or a fifth of the duration."""
    pairs = _pairs(found, true, ends=ends, near=near)
    sizes = len(found), len(true)
    return Score(pairs / max(1, sizes[0]), pairs / max(1, sizes[1]), 2 * pairs / max(1, sum(sizes)))


def velocity_correlation(found: Notes, true: Notes) -> float | None:
    """Spearman's, of the notes that were found; None where the reference has no velocities, or one for all."""
    if true.velocity is None or found.velocity is None or not len(found):
        return None
    matched = np.array(_match(found, true, ends=False)).reshape(-1, 2)
    played, heard = true.velocity[matched[:, 0]], found.velocity[matched[:, 1]]
    if len(matched) < _FEWEST or len(set(played)) == 1 or len(set(heard)) == 1:
        return None
    return float(spearmanr(played, heard)[0])


def onset_errors(found: Notes, true: Notes) -> np.ndarray:
    """By how many seconds the notes that were found begin too late."""
    if not len(found) or not len(true):
        return np.empty(0)
    matched = np.array(_match(found, true, ends=False), dtype=int).reshape(-1, 2)
    return found.onset[matched[:, 1]] - true.onset[matched[:, 0]]


def _middle_bend(note: Note) -> float:
    """Cents."""
    if not note.bend:
        return 0.0
    times, cents = np.array(note.bend).T
    assert note.duration is not None, "the note has not ended"
    lengths = np.maximum(np.diff(times, append=max(note.duration, times[-1])), 0.0)
    order = np.argsort(cents, kind="stable")
    shares = np.cumsum(lengths[order])
    return float(cents[order[np.searchsorted(shares, shares[-1] / 2.0)]])


def _pairs(found: Notes, true: Notes, *, ends: bool, near: float) -> int:
    return len(_match(found, true, ends=ends, near=near)) if len(found) and len(true) else 0


def _match(found: Notes, true: Notes, *, ends: bool, near: float = NEAR_SECONDS) -> list[tuple[int, int]]:
    matched: list[tuple[int, int]] = mir.match_notes(
        true.intervals,
        true.hertz,
        found.intervals,
        found.hertz,
        onset_tolerance=near,
        pitch_tolerance=NEAR_CENTS,
        offset_ratio=NEAR_SHARE if ends else None,
        offset_min_tolerance=NEAR_SECONDS,
    )
    return matched


@dataclass(frozen=True, slots=True)
class Heard:
    """What a transcriber made of a piece."""

    notes: tuple[Note, ...]
    """Those at its default threshold, in order of onset."""
    delays: np.ndarray
    """Seconds of audio from each one's onset until it was given; empty where the whole file was read first."""
    speed: float
    """Seconds of audio in a second of one core."""


def hear(transcriber: Transcriber, samples: np.ndarray) -> Heard:
    """Feed a piece, shape (channels, frames), twice: for the delays and for the speed; raises ValueError where the notes differ."""
    notes, delays = _feed(transcriber, samples, SMALL)
    begin = time.process_time()
    again, _ = _feed(transcriber, samples, LARGE)
    spent = time.process_time() - begin
    if notes != again:
        raise ValueError(f"{transcriber.name}: other notes in pieces of 20 ms than in pieces of 6 s")
    return Heard(tuple(notes), delays, samples.shape[1] / SAMPLE_RATE / spent)


def _feed(transcriber: Transcriber, samples: np.ndarray, size: int) -> tuple[list[Note], np.ndarray]:
    transcription = transcriber.start(SAMPLE_RATE)
    notes: dict[NoteKey, Note] = {}
    given: dict[NoteKey, float] = {}

    def take(update: Sequence[Note], now: float) -> None:
        for note in update:
            notes[note.key] = note
            if note.confidence >= transcriber.threshold:
                given.setdefault(note.key, now - note.onset)

    for begin in range(0, samples.shape[1], size):
        update = transcription.feed(samples[:, begin : begin + size])
        take(update.notes, min(begin + size, samples.shape[1]) / SAMPLE_RATE)
    take(transcription.finish().notes, samples.shape[1] / SAMPLE_RATE)
    kept = sorted((notes[key] for key in given), key=lambda note: note.key)
    return kept, np.array(list(given.values()))

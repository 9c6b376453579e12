"""Notes as the transcribers give them: in seconds of the clip, with the confidence that a live threshold compares."""

from dataclasses import dataclass
from typing import NamedTuple

from bridge.music.sound import Stem
from bridge.units import Pitch, Seconds, Velocity

NoteKey = tuple[Seconds, Pitch]


@dataclass(frozen=True, slots=True)
class Note:
    """One note of a stem; (onset, pitch) is its identity, so a later note with the same one replaces it."""

    onset: Seconds
    """From the clip's start."""
    duration: Seconds | None
    """None while the note still sounds at the end of what has been analysed."""
    pitch: Pitch
    velocity: Velocity
    confidence: float
    """0 to 1, on the transcriber's own scale; a note sounds where this is at least the threshold."""
    bend: tuple[tuple[Seconds, float], ...] = ()
    """Seconds from the onset and cents above the pitch, in order of time; each holds until the next, the first from the onset."""

    @property
    def key(self) -> NoteKey:
        """What stays the same when the note is revised."""
        return (self.onset, self.pitch)


class Extent(NamedTuple):
    """A part of a clip in which every onset is known."""

    begin: Seconds
    end: Seconds


@dataclass(frozen=True, slots=True)
class NoteUpdate:
    """What transcribing one more stretch of a stem found."""

    notes: tuple[Note, ...]
    """New notes, and revisions of notes given before (same key): a duration now known, a confidence grown."""
    until: Seconds
    """Every onset before this is now known."""


@dataclass(frozen=True, slots=True)
class StemNotes:
    """All notes of one stem, in order of onset."""

    stem: Stem
    notes: tuple[Note, ...]

"""What a part's parameters make of one note: whether it sounds at all, and how it is struck."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from bridge.midi.grid import Grid
from bridge.music.notes import Note
from bridge.units import Channel, Pitch, Seconds, Velocity

_MAJOR = frozenset({0, 2, 4, 5, 7, 9, 11})
_MINOR = frozenset({0, 2, 3, 5, 7, 8, 10})
"""Semitones above the tonic; of the minor scales the natural one."""
_OCTAVE = 12
_HIGHEST = 127


class BendMode(IntEnum):
    """The live parameter `bend`."""

    OFF = 0
    CHANNEL = 1
    """On the part's own channel: for parts that sound one note at a time."""
    MPE = 2
    """On a channel of each note's own."""


class Voice(NamedTuple):
    """A note as it is struck."""

    channel: Channel
    pitch: Pitch
    velocity: Velocity


def snapped(pitch: Pitch, key: int) -> Pitch:
    """The tone of a key's scale that is nearest, the lower of two; `key` as the live parameter has it, 0 to 23."""
    scale = _MAJOR if key < _OCTAVE else _MINOR
    near = range(max(0, pitch - 1), min(_HIGHEST, pitch + 1) + 1)
    tones = [tone for tone in near if (tone - key) % _OCTAVE in scale]
    return Pitch(min(tones, key=lambda tone: abs(tone - pitch)))


@dataclass(frozen=True, slots=True)
class Shape:
    """A part's parameters as they hold now."""

    threshold: float
    mute: bool
    min_length: Seconds
    low: int
    high: int
    key: int | None
    """What pitches are snapped to; None for no snapping."""
    transpose: int
    velocity: float
    channel: Channel
    legato: Seconds
    mono: bool
    offset: Seconds
    """How much later than its place every note sounds."""
    grid: Grid
    bend: BendMode
    bend_range: int
    """Semitones."""
    chase: bool
    """Whether a note that sounds where a pass begins is begun there."""

    def audible(self, note: Note) -> bool:
        """Whether the note is sure and long enough, and its stem not muted; an open note is long enough."""
        too_short = note.duration is not None and note.duration < self.min_length
        return note.confidence >= self.threshold and not self.mute and not too_short

    def within(self, note: Note) -> bool:
        """Whether the note lies within the stem's limits, as it was transcribed."""
        return self.low <= note.pitch <= self.high

    def voice(self, note: Note) -> Voice | None:
        """How the note is struck; None outside the limits, or where its transposed pitch is no MIDI note."""
        if not self.within(note):
            return None
        pitch = (note.pitch if self.key is None else snapped(note.pitch, self.key)) + self.transpose
        if not 0 <= pitch <= _HIGHEST:
            return None
        velocity = min(127, max(1, round(note.velocity * self.velocity)))
        return Voice(self.channel, Pitch(pitch), Velocity(velocity))

    def plays(self, note: Note) -> bool:
        """Whether the note comes to sound when its time comes."""
        return self.audible(note) and self.voice(note) is not None

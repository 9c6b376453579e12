"""How a note becomes a message: the live parameters, those of one part before those of all."""

from typing import NamedTuple

from bridge.music.notes import Note
from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import Part
from bridge.units import Channel, Pitch, Seconds, Velocity

PER_STEM = frozenset({"mute", "channel"})
"""Parameters that all parts hold stem by stem, `mute/vocals`, and one part by the bare name."""

OVERRIDES = frozenset(name.partition("/")[0] for name in PARAMETERS)
"""What a part can have of its own."""


class Voice(NamedTuple):
    """A note as it is struck."""

    channel: Channel
    pitch: Pitch
    velocity: Velocity


class Voicing:
    """The live parameters and what they make of a note."""

    def __init__(self) -> None:
        self._all: dict[str, float] = {}
        self._own: dict[tuple[str, Stem], dict[str, float]] = {}

    def adopt(self, part: Part) -> None:
        """Take a part's own parameters."""
        self._own[part.id] = dict(part.overrides)

    def forget(self, part: Part) -> None:
        del self._own[part.id]

    def set_for_all(self, name: str, value: float) -> None:
        self._all[name] = value

    def set_for_part(self, part: Part, name: str, value: float) -> None:
        self._own[part.id][name] = value

    def value(self, part: Part, name: str) -> float:
        """What holds for the part: its own, else everyone's, else the default."""
        own = self._own[part.id].get(name)
        if own is not None:
            return own
        shared = f"{name}/{part.id[1]}" if name in PER_STEM else name
        default = part.threshold if name == "threshold" else PARAMETERS[shared].default
        return self._all.get(shared, default)

    def offset(self, part: Part) -> Seconds:
        """How much later than its place every note of the part sounds."""
        return Seconds(self.value(part, "offset_ms") / 1000.0)

    def audible(self, part: Part, note: Note) -> bool:
        """Whether the note sounds at all: sure enough, and its stem not muted."""
        return note.confidence >= self.value(part, "threshold") and not self.value(part, "mute")

    def voice(self, part: Part, note: Note) -> Voice | None:
        """How the note is struck; None where its transposed pitch is no MIDI note."""
        transpose = 0 if part.id[1] is Stem.DRUMS else round(self.value(part, "transpose"))
        pitch = note.pitch + transpose
        if not 0 <= pitch <= 127:  # noqa: PLR2004
            return None
        velocity = min(127, max(1, round(note.velocity * self.value(part, "velocity"))))
        return Voice(Channel(round(self.value(part, "channel"))), Pitch(pitch), Velocity(velocity))

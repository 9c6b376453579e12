"""What is said to a port, and what leaves it: notes by token, controllers and clock messages by their bytes."""

from dataclasses import dataclass
from typing import NamedTuple

from bridge.session.playback import PartId
from bridge.units import Channel, HostTime, Pitch, Velocity

Token = int
"""Names one sounding of one note; never used twice by a player."""

SUSTAIN = 64
ALL_SOUND_OFF = 120
ALL_NOTES_OFF = 123

RELEASE = (SUSTAIN, ALL_NOTES_OFF)
"""What ends a player: pedals up, notes off."""
PANIC = (SUSTAIN, ALL_NOTES_OFF, ALL_SOUND_OFF)


_PITCH_BEND = 0xE0
_CONTROL_CHANGE = 0xB0
_SYSTEM = 0xF0
_REGISTERED = (6, 38, 100, 101)

BEND_RANGE = 0
MPE_CONFIGURATION = 6
"""Registered parameters."""
CENTRE = 8192
"""The pitch bend that bends nothing."""


@dataclass(frozen=True, slots=True)
class Bending:
    """How a note's pitch is bent."""

    value: int
    """Fourteen bits."""
    semitones: int
    """What the highest value stands for."""
    mpe: bool
    """Whether the note has a channel of its own."""


@dataclass(frozen=True, slots=True)
class NoteOn:
    """Begin a note at a time."""

    token: Token
    due: HostTime
    part: PartId
    channel: Channel
    pitch: Pitch
    velocity: Velocity
    bending: Bending | None = None
    """None for an ordinary note."""


@dataclass(frozen=True, slots=True)
class Bend:
    """Bend a note at a time, if it sounds then."""

    token: Token
    due: HostTime
    bending: Bending


@dataclass(frozen=True, slots=True)
class NoteOff:
    """End a note at a time; said again, the later word holds while the note still sounds."""

    token: Token
    due: HostTime


@dataclass(frozen=True, slots=True)
class Release:
    """End a note at once, or take it back where it has not begun."""

    token: Token


@dataclass(frozen=True, slots=True)
class Program:
    """Choose a channel's sound, before any note due at the same time."""

    due: HostTime
    channel: Channel
    program: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Release every note, take back those to come, then set these controllers to 0, all at once."""

    controllers: tuple[int, ...]
    every_channel: bool
    """Or only on those that carried a note."""


Command = NoteOn | Bend | NoteOff | Release | Program | Silence
"""What an emitter is told."""


@dataclass(frozen=True, slots=True)
class ClockMessage:
    """Send a system message at a time."""

    due: HostTime
    data: bytes


@dataclass(frozen=True, slots=True)
class ClearClock:
    """Take back the clock messages that have not left; those who were told to start are told to stop, at once."""


Order = Command | ClockMessage | ClearClock
"""What a port is told."""


class Emission(NamedTuple):
    """One message whose time has come."""

    due: HostTime
    data: bytes
    note: NoteOn | None
    """The note that a note-on begins or a note-off ends; None for any other message."""
    on: bool


class Sent(NamedTuple):
    """One message that left."""

    emission: Emission
    at: HostTime


def note_on(channel: Channel, pitch: Pitch, velocity: Velocity) -> bytes:
    return bytes((0x90 | (channel - 1), pitch, velocity))


def note_off(channel: Channel, pitch: Pitch) -> bytes:
    return bytes((0x80 | (channel - 1), pitch, 64))


def control_change(channel: Channel, controller: int, value: int) -> bytes:
    return bytes((0xB0 | (channel - 1), controller, value))


def pitch_bend(channel: Channel, value: int) -> bytes:
    return bytes((0xE0 | (channel - 1), value & 0x7F, value >> 7))


def of_bend(message: bytes) -> bool:
    """Whether a message bends a channel or says how far it can be bent."""
    kind = message[0] & 0xF0
    return kind == _PITCH_BEND or (kind == _CONTROL_CHANGE and message[1] in _REGISTERED)


def of_system(message: bytes) -> bool:
    """Whether a message speaks to no channel: clock, position, start, stop, time code, exclusive."""
    return message[0] >= _SYSTEM


def registered(channel: Channel, parameter: int, value: int) -> list[bytes]:
    """Set a registered parameter, and close it, so that a stray data entry sets nothing."""
    pairs = ((101, 0), (100, parameter), (6, value), (38, 0), (101, 127), (100, 127))
    return [control_change(channel, controller, number) for controller, number in pairs]


def program_change(channel: Channel, program: int) -> bytes:
    return bytes((0xC0 | (channel - 1), program))

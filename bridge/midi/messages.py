"""What is said to an emitter, and what an emitter gives back: notes by token, controllers by their bytes."""

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


@dataclass(frozen=True, slots=True)
class NoteOn:
    """Begin a note at a time."""

    token: Token
    due: HostTime
    part: PartId
    channel: Channel
    pitch: Pitch
    velocity: Velocity


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


Command = NoteOn | NoteOff | Release | Program | Silence


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


def program_change(channel: Channel, program: int) -> bytes:
    return bytes((0xC0 | (channel - 1), program))

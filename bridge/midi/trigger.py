"""Which message at the MIDI input is meant by words such as `note 60 ch 16`, `cc 20` and `sysex 7d 53 42 01`."""

import re
from dataclasses import dataclass
from typing import Literal

from bridge.errors import BridgeError, ErrorCode

_NOTE_OFF, _NOTE_ON, _CONTROL = 0x80, 0x90, 0xB0
_EXCLUSIVE, _EXCLUSIVE_END = 0xF0, 0xF7
_VALUE = "xx"
_FORMS = "`note 60`, `cc 20` (with `ch 1` to `ch 16` behind it for that channel alone) or `sysex` and bytes such as `7d 53 xx`"


@dataclass(frozen=True, slots=True)
class MidiPattern:
    """One message, or all that differ from it in their value alone."""

    kind: Literal["note", "cc", "sysex"]
    number: int = 0
    """0 to 127, of the note or controller."""
    channel: int | None = None
    """1 to 16; None: any."""
    data: tuple[int | None, ...] = ()
    """Of a system exclusive, between 0xF0 and 0xF7; None is the byte that is the value."""

    @property
    def has_value(self) -> bool:
        """Whether it says more than that it came: a knob's place, not a key's touch."""
        return self.kind == "cc" or None in self.data

    def value(self, message: bytes) -> int | None:
        """Return the value of a whole message, 0 to 127, or None where it is another one.

        It is the velocity of a note, 0 for its end; 127 for a system exclusive without one.
        """
        if self.kind == "sysex":
            return self._exclusive_value(message)
        status, channel = message[0] & 0xF0, (message[0] & 0x0F) + 1
        wanted = (_CONTROL,) if self.kind == "cc" else (_NOTE_ON, _NOTE_OFF)
        if status not in wanted or message[1] != self.number or self.channel not in (None, channel):
            return None
        return 0 if status == _NOTE_OFF else message[2]

    def _exclusive_value(self, message: bytes) -> int | None:
        data = message[1:-1]
        if message[0] != _EXCLUSIVE or len(data) != len(self.data):
            return None
        if any(wanted not in (None, byte) for wanted, byte in zip(self.data, data, strict=True)):
            return None
        return data[self.data.index(None)] if None in self.data else 127


def read_pattern(text: str) -> MidiPattern:
    """Read the words; raises BridgeError BAD_ARGUMENT, which names the wrong one and what was expected."""
    match text.lower().split():
        case [("note" | "cc") as kind, number]:
            return MidiPattern(kind, _number(text, kind, number, 0, 127))
        case [("note" | "cc") as kind, number, "ch", channel]:
            return MidiPattern(kind, _number(text, kind, number, 0, 127), _number(text, "ch", channel, 1, 16))
        case ["sysex", *data]:
            return MidiPattern("sysex", data=_exclusive(text, data))
    raise _wrong(text, f"expected {_FORMS}")


def _number(text: str, what: str, word: str, lowest: int, highest: int) -> int:
    if not re.fullmatch("[0-9]{1,3}", word) or not lowest <= int(word) <= highest:
        raise _wrong(text, f"{what} takes a whole number from {lowest} to {highest}, not {word[:40]!r}")
    return int(word)


def _exclusive(text: str, words: list[str]) -> tuple[int | None, ...]:
    if words[:1] == ["f0"] and words[-1] == "f7":
        words = words[1:-1]
    for word in words:
        if word != _VALUE and not re.fullmatch("[0-7][0-9a-f]", word):
            raise _wrong(
                text, f"sysex takes bytes from 00 to 7f in hexadecimal, {_VALUE} for the value, not {word[:40]!r}"
            )
    if not words or words.count(_VALUE) > 1:
        raise _wrong(text, f"sysex takes one byte or more, of which at most one is {_VALUE}")
    return tuple(None if word == _VALUE else int(word, 16) for word in words)


def _wrong(text: str, why: str) -> BridgeError:
    return BridgeError(ErrorCode.BAD_ARGUMENT, f"{text[:80]!r} is no MIDI message to wait for: {why}")

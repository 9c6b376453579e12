"""What one address of the OSC table says about itself: its arguments, their kinds, units and ranges."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an argument is. Numbers travel as i, h, f, d, T or F alike on the way in, as i, h or f on the way out."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole number"
    SWITCH = "0 or 1"
    PATH = "absolute path"
    CHOICE = "choice"
    CHOICES = "choices"
    """One or more of the choices with commas between, or `all`."""
    PEER = "host:port"
    HOST = "IP address or localhost"
    ANY = "anything"


class Topic(StrEnum):
    """What a client can subscribe to."""

    JOB = "job"
    QUALITY = "quality"
    NOTE = "note"
    TRANSPORT = "transport"
    PARAM = "param"
    MIDI = "midi"
    SELECTION = "selection"


ALL_TOPICS = "all"
"""The topic that stands for every `Topic`."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument or the value of one key."""

    name: str
    kind: Kind
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    default: str = ""
    """In words, for people."""
    nil: bool = False
    """Whether it may be nil (N), where the sender does not know."""

    @property
    def expected(self) -> str:
        """What a value must be, in words: `a number from 0 to 1 (confidence)`."""
        if self.kind is Kind.CHOICE:
            return f"one of {', '.join(self.choices)}"
        if self.kind is Kind.CHOICES:
            return f"one or more of {', '.join(self.choices)} with commas between, or all"
        words = {
            Kind.TEXT: "text",
            Kind.NUMBER: "a number",
            Kind.WHOLE: "a whole number",
            Kind.SWITCH: "0 or 1",
            Kind.PATH: "an absolute path",
            Kind.PEER: "host:port with an IP address or localhost",
            Kind.HOST: "an IP address or localhost",
            Kind.ANY: "text or a number",
        }[self.kind]
        if self.minimum is not None and self.maximum is not None:
            words += f" from {self.minimum:.10g} to {self.maximum:.10g}"
        words += f" ({self.unit})" if self.unit else ""
        return f"{words} or nil" if self.nil else words


@dataclass(frozen=True, slots=True)
class Incoming:
    """An address that clients send to. Optional fixed arguments come last; pairs follow them in any order."""

    address: str
    fixed: tuple[Argument, ...]
    pairs: tuple[Argument, ...]
    answers: tuple[str, ...]
    """Outgoing addresses that it may be answered with, besides `/bridge/error`."""
    description: str
    trigger: bool = False
    """Whether a button may send it: a lone number is the press, and the release (0 or F) is ignored."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An address that clients hear from."""

    address: str
    arguments: tuple[Argument, ...]
    description: str
    topic: Topic | None = None
    """Who hears it without having asked."""
    pairs: tuple[Argument, ...] = ()
    """Name/value pairs after the arguments, always all of them, in this order."""
    open_pairs: str = ""
    """What the name/value pairs are that follow, whose names may grow with the version; empty where none follow."""

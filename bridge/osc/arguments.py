"""Reading the arguments of one message by its row of the address table."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.addresses import MAX_ID_LENGTH, MAX_PORT
from bridge.osc.clients import Peer
from bridge.osc.codec import Value
from bridge.osc.rows import Argument, Incoming, Kind
from bridge.osc.words import nearest, shown

_MAX_TEXT = 4096


def refuse(row: Incoming, why: str) -> NoReturn:
    raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{row.address}: {why}")


class ArgumentReader:
    """Reads the arguments of one message by its row."""

    def __init__(self, row: Incoming, hints: bool) -> None:
        self._row = row
        self._hints = hints

    def read(self, arguments: Sequence[Value]) -> dict[str, Any]:
        """Return checked values by name; optional ones that are missing are left out."""
        row = self._row
        required = sum(not a.optional for a in row.fixed)
        if len(arguments) < required:
            missing = row.fixed[len(arguments)]
            refuse(row, f"{missing.name} is missing, {missing.expected}")
        count = min(len(arguments), len(row.fixed))
        if row.pairs:
            # Pairs come in twos, so whether the one optional argument before them is there shows in the count.
            optional = len(row.fixed) - required
            count = required + (len(arguments) - required) % 2 if optional else required
        elif len(arguments) > count:
            self._too_many(arguments[count])
        values = {a.name: self._value(a, v) for a, v in zip(row.fixed, arguments[:count], strict=False)}
        values.update(self._pairs(arguments[count:]))
        return values

    def _too_many(self, value: Value) -> NoReturn:
        expected = " ".join(a.name for a in self._row.fixed) or "none"
        refuse(self._row, f"{shown(value)} is one argument too many; expected: {expected}")

    def _pairs(self, arguments: Sequence[Value]) -> dict[str, Any]:
        row = self._row
        known = {a.name: a for a in row.pairs}
        values: dict[str, Any] = {}
        for key, value in zip(arguments[::2], arguments[1::2], strict=False):
            if not isinstance(key, str):
                refuse(row, f"{shown(key)} stands where a key was expected; keys are text, each followed by its value")
            if key not in known:
                refuse(row, f"there is no key {shown(key)}; {nearest(key, known) if self._hints else ''}".rstrip("; "))
            if key in values:
                refuse(row, f"{key} is given twice")
            values[key] = self._value(known[key], value)
        if len(arguments) % 2:
            last = arguments[-1]
            if isinstance(last, str) and last in known:
                refuse(row, f"the key {last} has no value, {known[last].expected}")
            refuse(row, f"{shown(last)} is left over; after the fixed arguments come keys, each followed by its value")
        return values

    def _value(self, a: Argument, value: Value) -> Any:
        """Check one value."""
        if value is None and a.nil:
            return None
        match a.kind:
            case Kind.NUMBER | Kind.WHOLE | Kind.SWITCH:
                return self._number(a, value)
            case Kind.ANY:
                if isinstance(value, (str, int, float)) and len(str(value)) <= _MAX_TEXT:
                    return value
                self._wrong(a, value)
        if not isinstance(value, str):
            self._wrong(a, value)
        limit = MAX_ID_LENGTH if a.name == "request_id" else _MAX_TEXT
        if not value or len(value) > limit or not value.isprintable():
            refuse(self._row, f"{a.name} must be 1 to {limit} printable characters, not {shown(value)}")
        match a.kind:
            case Kind.CHOICE:
                return self._choice(a, value)
            case Kind.CHOICES:
                names = a.choices if value == "all" else [name.strip() for name in value.split(",")]
                return tuple(dict.fromkeys(self._choice(a, name) for name in names))
            case Kind.PATH:
                return self._path(a, value)
            case Kind.PEER | Kind.HOST:
                peer = parse_peer(value if a.kind is Kind.PEER else f"[{value}]:1")
                if peer is None:
                    self._wrong(a, value)
                return peer
        return value

    def _number(self, a: Argument, value: Value) -> float | int | bool:
        if not isinstance(value, (int, float)):
            self._wrong(a, value)
        if a.kind is Kind.SWITCH:
            if value not in (0, 1):
                self._wrong(a, value)
            return bool(value)
        if (a.minimum is not None and value < a.minimum) or (a.maximum is not None and value > a.maximum):
            self._wrong(a, value)
        if a.kind is Kind.WHOLE:
            if value != int(value):
                self._wrong(a, value)
            return int(value)
        return float(value)

    def _choice(self, a: Argument, value: str) -> str:
        if value not in a.choices:
            hint = nearest(value, a.choices) if self._hints else ""
            refuse(self._row, f"{a.name} must be {a.expected}, not {shown(value)}; {hint}".rstrip("; "))
        return value

    def _path(self, a: Argument, value: str) -> Path:
        """An absolute path; `~/` is the home of whoever runs StemBridge."""
        path = Path(value)
        if path.parts and path.parts[0] == "~":
            path = Path.home().joinpath(*path.parts[1:])
        if not path.is_absolute():
            refuse(
                self._row,
                f"{a.name} must be an absolute path, not {shown(value)}: StemBridge does not run in the sender's folder",
            )
        return path

    def _wrong(self, a: Argument, value: Value) -> NoReturn:
        refuse(self._row, f"{a.name} must be {a.expected}, not {shown(value)}")


def parse_peer(text: str) -> Peer | None:
    """Read `host:port`, or return None where it is not that. Names are not looked up: that can take seconds, and everybody else would wait."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= MAX_PORT):
        return None
    return Peer("udp", str(address), int(port))

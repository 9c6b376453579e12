"""Values from outside in words: what was given, what was expected, what comes nearest."""

import difflib
from collections.abc import Iterable

from bridge.osc.codec import Value

_SHOWN = 80
"""Characters of a foreign value that an error repeats."""
_LISTED = 30
"""Valid words that an error lists where none comes near."""


def shorten(text: str, limit: int = _SHOWN) -> str:
    """Cut a text at a length, visibly."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def shown(value: Value) -> str:
    """A received value as an error names it."""
    match value:
        case None:
            return "nil"
        case bool():
            return str(value)
        case str():
            return repr(shorten(value))
        case bytes():
            return f"{len(value)} bytes"
        case _:
            return f"the number {value:g}"


def nearest(word: str, valid: Iterable[str]) -> str:
    """A hint for a misspelt word; a long one gets the list, as comparing it would take long."""
    names = list(valid)
    near = difflib.get_close_matches(word, names, 1, 0.6) if len(word) <= _SHOWN else []
    if near:
        return f"did you mean {near[0]}?"
    return f"there are: {', '.join(names)}" if len(names) <= _LISTED else ""

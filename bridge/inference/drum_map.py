"""The drums that a transcription tells apart, and the keys that stand for them."""

import difflib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from bridge.errors import BridgeError, ErrorCode
from bridge.units import Pitch, Seconds


class Drum(StrEnum):
    """One instrument of a kit, or one way of striking it; the values are the names that settings use."""

    KICK = "kick"
    SNARE = "snare"
    SIDE_STICK = "side_stick"
    """The stick laid on the snare's head and struck on its rim."""
    CLOSED_HAT = "closed_hat"
    OPEN_HAT = "open_hat"
    LOW_TOM = "low_tom"
    MID_TOM = "mid_tom"
    HIGH_TOM = "high_tom"
    CRASH = "crash"
    RIDE = "ride"


GENERAL_MIDI: Mapping[Drum, Pitch] = MappingProxyType(
    {
        Drum.KICK: Pitch(36),
        Drum.SNARE: Pitch(38),
        Drum.SIDE_STICK: Pitch(37),
        Drum.CLOSED_HAT: Pitch(42),
        Drum.OPEN_HAT: Pitch(46),
        Drum.LOW_TOM: Pitch(45),
        Drum.MID_TOM: Pitch(47),
        Drum.HIGH_TOM: Pitch(50),
        Drum.CRASH: Pitch(49),
        Drum.RIDE: Pitch(51),
    }
)
"""The keys of the General MIDI percussion map."""

DrumTable = Mapping[str, int] | Mapping[Drum, Pitch]
"""Keys for some or all drums, by their names."""

_HIGHEST_KEY = 127


def drum_keys(table: DrumTable) -> dict[Drum, Pitch]:
    """Return every drum's key, in the order of `Drum`: the table's where it names the drum, else General MIDI's.

    Several drums may share a key. Raises BridgeError BAD_ARGUMENT for a name that is no drum's and for a value that is
    no MIDI key, a whole number from 0 to 127.
    """
    names = [str(drum) for drum in Drum]
    keys = dict(GENERAL_MIDI)
    for name, key in table.items():
        if name not in names:
            nearest = difflib.get_close_matches(str(name), names, 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise BridgeError(ErrorCode.BAD_ARGUMENT, f"no drum is called {name!r}, but {', '.join(names)}{hint}")
        # To Python, true is a whole number too.
        if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key <= _HIGHEST_KEY:
            message = f"the key of {name} is {key!r}, but must be a whole number from 0 to {_HIGHEST_KEY}"
            raise BridgeError(ErrorCode.BAD_ARGUMENT, message)
        keys[Drum(name)] = Pitch(key)
    return keys


_SHORT = Seconds(0.1)

DURATIONS: Mapping[Drum, Seconds] = MappingProxyType(
    dict.fromkeys(Drum, _SHORT) | {Drum.OPEN_HAT: Seconds(0.5), Drum.CRASH: Seconds(1.0), Drum.RIDE: Seconds(0.4)}
)
"""How long a note lasts unless another stroke ends it: most kits ignore it, samplers with chokes and pads do not."""

HATS = frozenset({Drum.CLOSED_HAT, Drum.OPEN_HAT})
"""One pair of plates: any stroke ends what they played before."""

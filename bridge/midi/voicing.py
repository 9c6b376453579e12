"""The live parameters that hold for each part: those of one part before those of all."""

from bridge.midi.grid import Grid
from bridge.midi.shaping import BendMode, Shape
from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import Part, PartId
from bridge.units import Channel, Seconds

PER_STEM = frozenset(name.partition("/")[0] for name in PARAMETERS if "/" in name)
"""Parameters that all parts hold stem by stem, `mute/vocals`, and one part by the bare name."""

OVERRIDES = frozenset(name.partition("/")[0] for name in PARAMETERS)
"""What a part can have of its own."""


class Voicing:
    """The live parameters of all parts and of each, and the shape that they give a part's notes."""

    def __init__(self) -> None:
        self._all: dict[str, float] = {}
        self._own: dict[PartId, dict[str, float]] = {}
        self._shapes: dict[PartId, Shape] = {}
        """Those that have been asked for since a parameter changed: they are asked for with every note."""

    def adopt(self, part: Part) -> None:
        """Take a part's own parameters."""
        self._own[part.id] = dict(part.overrides)
        self._shapes.pop(part.id, None)

    def renew(self, part: Part) -> None:
        """Work out anew what holds for a part, which has changed but for its own parameters."""
        self._shapes.pop(part.id, None)

    def forget(self, part: Part) -> None:
        del self._own[part.id]
        self._shapes.pop(part.id, None)

    def set_for_all(self, name: str, value: float) -> None:
        self._all[name] = value
        self._shapes.clear()

    def set_for_part(self, part: Part, name: str, value: float) -> None:
        self._own[part.id][name] = value
        self._shapes.pop(part.id, None)

    def value(self, part: Part, name: str) -> float:
        """What holds for the part: its own, else everyone's, else the default."""
        own = self._own[part.id].get(name)
        if own is not None:
            return own
        shared = f"{name}/{part.id[1]}" if name in PER_STEM else name
        default = part.threshold if name == "threshold" else PARAMETERS[shared].default
        return self._all.get(shared, default)

    def shape(self, part: Part) -> Shape:
        """All that holds for the part."""
        shape = self._shapes.get(part.id)
        if shape is None:
            shape = self._shapes[part.id] = self._resolve(part)
        return shape

    def _resolve(self, part: Part) -> Shape:
        def number(name: str) -> float:
            return self.value(part, name)

        # The keys of a drum map are no pitches.
        drums = part.id[1] is Stem.DRUMS
        key = part.key if number("key") < 0 else round(number("key"))
        return Shape(
            threshold=number("threshold"),
            mute=bool(number("mute")),
            min_length=Seconds(number("min_length_ms") / 1000.0),
            low=round(number("low")),
            high=round(number("high")),
            key=key if number("snap") and not drums else None,
            transpose=0 if drums else round(number("transpose")),
            velocity=number("velocity"),
            channel=Channel(round(number("channel"))),
            legato=Seconds(number("legato_ms") / 1000.0),
            mono=bool(number("mono")),
            offset=Seconds(number("offset_ms") / 1000.0),
            bend=BendMode.OFF if drums else BendMode(round(number("bend"))),
            bend_range=round(number("bend_range")),
            chase=bool(number("chase")),
            grid=Grid(number("quantise"), round(number("grid")), number("swing")),
        )

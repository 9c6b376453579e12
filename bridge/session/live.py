"""The live parameters' present values, for all jobs."""

from collections.abc import Iterator, Mapping

from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import Player


class LiveParameters:
    """What has been set; what has not is at its default. The threshold's default is each transcriber's own."""

    def __init__(self, player: Player, initial: Mapping[str, float]) -> None:
        self._player = player
        self._values: dict[str, float] = {}
        for name, value in initial.items():
            self.set(name, value)

    def set(self, name: str, value: float) -> None:
        """Set a parameter that is in `PARAMETERS`, within its range, and pass it on."""
        self._values[name] = value
        self._player.set_parameter(name, value)

    def get(self, name: str) -> float:
        """The value that holds now."""
        return self._values.get(name, PARAMETERS[name].default)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return ((name, self.get(name)) for name in PARAMETERS)

    @property
    def threshold(self) -> float | None:
        """None until somebody has set it."""
        return self._values.get("threshold")

    def channels(self) -> dict[Stem, int]:
        """The MIDI channel of each stem, 1 to 16."""
        return {stem: int(self.get(f"channel/{stem}")) for stem in Stem}

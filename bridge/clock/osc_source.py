"""What the sources that DAWs feed over OSC have in common. The addresses of one DAW stand in a file of its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import inf
from typing import ClassVar, NamedTuple

from bridge.clock.observation import Listener, Observation
from bridge.music.tempo import Loop
from bridge.units import Beats, Bpm, HostTime, Seconds

OscValue = int | float | str | bool | bytes | None
_ASK_EVERY = Seconds(2.0)


class OscOut(NamedTuple):
    """A message for the DAW."""

    address: str
    arguments: tuple[int | float | str, ...] = ()


Send = Callable[[Sequence[OscOut]], None]
"""Sends to where the DAW listens, from the socket at which its answers are read."""


class OscSource(Listener, ABC):
    """Takes the messages that it knows, and asks for them while nobody is heard."""

    port: ClassVar[int]
    """Where the DAW listens by default."""
    hello: ClassVar[tuple[OscOut, ...]] = ()
    """Asks the DAW to send what is needed."""
    poll: ClassVar[tuple[OscOut, ...]] = ()
    """Asks it for a sign of life."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self._asked = HostTime(-inf)
        self._bpm: Bpm | None = None
        self._loop: Loop | None = None

    def tick(self, now: HostTime) -> None:
        if not self.wanted or now - self._asked < _ASK_EVERY:
            return
        self._asked = now
        messages = self.poll if self.alive(now) else self.hello + self.poll
        if messages:
            self._send(messages)

    @abstractmethod
    def receive(self, host: HostTime, address: str, arguments: Sequence[OscValue]) -> bool:
        """Take a message that arrived at `host`; False where this DAW has no such address."""

    def _hear_tempo(self, host: HostTime, bpm: float | None) -> None:
        if bpm is not None and bpm > 0:
            self._bpm = Bpm(bpm)
            self._say(host)

    def _hear_playing(self, host: HostTime, playing: bool) -> None:
        if playing is not self._playing:
            self._playing = playing
            self._say(host)

    def _say(
        self,
        host: HostTime,
        *,
        seconds: Seconds | None = None,
        beats: Beats | None = None,
        beats_per_bar: float | None = None,
        moved: bool = False,
    ) -> None:
        """Report what is known, once the DAW itself has been heard."""
        if self._heard == -inf:
            return
        self._report(Observation(host, self._playing, seconds, beats, self._bpm, self._loop, beats_per_bar, moved))


def number(arguments: Sequence[OscValue]) -> float | None:
    """The first argument as a number: i, h, f, d, T or F, or a string that holds one; None where it is no number."""
    match list(arguments[:1]):
        case [bool() | int() | float() | str() as value]:
            try:
                found = float(value)
            except (ValueError, OverflowError):
                return None
            return found if abs(found) < inf else None
        case _:
            return None

"""What a clock source says, and what the rest of the room may ask of one."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import ClassVar, NoReturn, Protocol

from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Loop
from bridge.units import Beats, Bpm, HostTime, Seconds

_FARTHEST = 1e6
"""Seconds or beats: eleven days."""
SLOWEST, FASTEST = Bpm(1.0), Bpm(2000.0)
"""Tempi that a project can have."""
_LONGEST_BAR = 256.0


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a project that somebody else plays. What is None was not told."""

    host: HostTime
    """When all of it was true."""
    playing: bool
    seconds: Seconds | None = None
    """The position; with both, `seconds` is followed and `beats` says which beat sounds there."""
    beats: Beats | None = None
    bpm: Bpm | None = None
    """The tempo as the source states it. Without one, the tempo of a position in beats is measured."""
    loop: Loop | None = None
    """The loop that acts; None also where none is known."""
    beats_per_bar: float | None = None
    moved: bool = False
    """The source says that the position was set, not reached: it is believed at once."""

    @property
    def credible(self) -> bool:
        """Whether this can be a project: what comes off a wire need not be."""
        places = [self.seconds, self.beats, *(self.loop or ())]
        # Written so that what is not a number is not credible either.
        return (
            all(place is None or abs(place) <= _FARTHEST for place in places)
            and (self.bpm is None or SLOWEST <= self.bpm <= FASTEST)
            and (self.beats_per_bar is None or 0 < self.beats_per_bar <= _LONGEST_BAR)
        )


Report = Callable[[Observation], object]


class ClockSource(Protocol):
    """Somebody who says where the project is. All calls come from one thread, and none blocks."""

    name: ClassVar[str]
    """As settings and `/bridge/clock/source` have it."""
    automatic: bool
    """Whether `auto` may start it unasked."""

    asks: ClassVar[bool]
    """Whether it holds something or asks somebody while it is started; who only listens is started once, and so always knows."""

    wanted: bool
    """Set where the user has named this source: then it may ask others for what it needs."""

    @property
    def located(self) -> bool:
        """Whether it knows the position in the song, not just tempo and phase."""

    @property
    def tells_tempo(self) -> bool:
        """Whether it knows tempo or beats, not just seconds."""

    def start(self, report: Report) -> None:
        """Begin to observe.

        Raises:
            BridgeError: NOT_SUPPORTED where what it needs is not installed.

        """

    def stop(self) -> None:
        """Observe no more and let go of what is held."""

    def tick(self, now: HostTime) -> None:
        """Look, where the source is one that is looked at; notice silence, where it is one that speaks."""

    def alive(self, now: HostTime) -> bool:
        """Whether somebody is there whose position can be relied on."""

    def play(self) -> None:
        """Roll, stop, move or re-time the project, where this source can.

        Raises:
            BridgeError: NOT_SUPPORTED where it only listens; so do the next four.

        """

    def halt(self) -> None: ...

    def locate(self, beats: Beats, seconds: Seconds) -> None: ...

    def set_tempo(self, bpm: Bpm) -> None: ...

    def set_loop(self, loop: Loop | None) -> None: ...


class Listener:
    """What sources have in common: they report, are lost by silence, and by default nobody but the DAW moves its transport."""

    name: ClassVar[str]
    label: ClassVar[str]
    """Who is in charge, as a musician calls him."""
    automatic = True
    asks: ClassVar[bool] = False
    silence: ClassVar[Seconds] = Seconds(1.0)
    """Without a word for so long while it rolls, the source is lost."""
    parked_silence: ClassVar[Seconds] = Seconds(inf)
    """The same while it is parked, when many have nothing to say."""

    def __init__(self) -> None:
        self.wanted = False
        self._report: Report = _unheard
        self._heard = HostTime(-inf)
        """The last word that only this source can have said."""
        self._playing = False

    @property
    def located(self) -> bool:
        return True

    @property
    def tells_tempo(self) -> bool:
        return True

    def start(self, report: Report) -> None:
        self._report = report

    def stop(self) -> None:
        self._report = _unheard
        self._heard = HostTime(-inf)
        self._playing = False

    def tick(self, now: HostTime) -> None:
        """Nothing is to be looked at."""

    def alive(self, now: HostTime) -> bool:
        silence = self.silence if self._playing else self.parked_silence
        return self._heard > -inf and now - self._heard <= silence

    def play(self) -> None:
        self._in_charge("play")

    def halt(self) -> None:
        self._in_charge("stop")

    def locate(self, beats: Beats, seconds: Seconds) -> None:
        self._in_charge(f"go to beat {beats:g} ({seconds:g} s)")

    def set_tempo(self, bpm: Bpm) -> None:
        self._in_charge(f"set the tempo to {bpm:g}")

    def set_loop(self, loop: Loop | None) -> None:
        self._in_charge("set the loop" if loop else "end the loop")

    def _in_charge(self, wish: str) -> NoReturn:
        raise BridgeError(
            ErrorCode.NOT_SUPPORTED,
            f"the transport follows {self.label}: {wish} there, or choose the clock source internal",
        )


def _unheard(_: Observation) -> None:
    """A source that was not started is not heard."""

"""The internal clock: a project of one constant tempo that StemBridge itself plays, stops and moves."""

from collections.abc import Callable
from dataclasses import replace

from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Loop, TempoMap, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds

MINIMUM_LOOP = Beats(1 / 16)
"""A 64th note; shorter loops are slips of the hand and would flood a synthesizer."""


def check_loop(loop: Loop | None) -> None:
    """Raise BridgeError BAD_ARGUMENT where a loop is empty or all too short."""
    if loop is None:
        return
    start, end = loop
    if end - start < MINIMUM_LOOP:
        raise BridgeError(
            ErrorCode.BAD_ARGUMENT,
            f"a loop from beat {start:g} to {end:g}: the end must be at least {MINIMUM_LOOP:g} beats after the start",
        )


class InternalClock:
    """Position in beats is what stays when the tempo changes, as in a DAW whose project has one tempo.

    It is moved as a `bridge.clock.observation.ClockSource` is.
    """

    tells_tempo = True

    def __init__(self, bpm: Bpm, now: Callable[[], HostTime], on_change: Callable[[Transport], None]) -> None:
        self._now = now
        self._on_change = on_change
        self._transport = Transport(now(), Seconds(0.0), playing=False, tempo=TempoMap.constant(bpm))

    @property
    def transport(self) -> Transport:
        """How the project runs, as of the last change."""
        return self._transport

    def play(self) -> None:
        """Roll from here; nothing changes if it rolls."""
        if not self._transport.playing:
            self._set(replace(self._here(), playing=True))

    def halt(self) -> None:
        """Park here."""
        self._set(replace(self._here(), playing=False))

    def locate(self, beats: Beats, seconds: Seconds) -> None:
        """Go to a beat, rolling or not; our own tempo says at which second it lies."""
        del seconds
        here = self._here()
        self._set(replace(here, seconds=here.tempo.seconds_at(beats)))

    def set_tempo(self, bpm: Bpm) -> None:
        """Change the tempo; the beat under the playhead stays."""
        self.set_map(TempoMap.constant(bpm, self._transport.tempo.beats_per_bar))

    def set_loop(self, loop: Loop | None) -> None:
        """Repeat this loop, or stop repeating."""
        self._set(replace(self._here(), loop=loop))

    def set_map(self, tempo: TempoMap) -> None:
        """Use this tempo map; the beat under the playhead stays."""
        here = self._here()
        self._set(replace(here, tempo=tempo, seconds=tempo.seconds_at(here.tempo.beats_at(here.seconds))))

    def adopt(self, transport: Transport) -> None:
        """Go on from how another clock left the project, without a word: that is known."""
        self._transport = transport

    def _here(self) -> Transport:
        """The same transport, anchored at the present."""
        now = self._now()
        return replace(self._transport, host=now, seconds=self._transport.position(now))

    def _set(self, transport: Transport) -> None:
        self._transport = transport
        self._on_change(transport)

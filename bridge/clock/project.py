"""The project's clock as the rest of the daemon knows it, whoever keeps it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from bridge.clock.choice import AUTO, INTERNAL, ClockChoice, Follower
from bridge.clock.internal import InternalClock, check_loop
from bridge.clock.midi_clock import MidiClockSource
from bridge.clock.mtc import MtcSource
from bridge.clock.observation import ClockSource, Observation
from bridge.clock.observe import ObservedSource
from bridge.clock.osc_source import OscSource, OscValue
from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Loop, TempoMap, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds

TICK_EVERY = Seconds(0.02)
"""Between two looks at sources that are looked at."""


class ProjectClock:
    """Internal, or led by one of the sources. All calls belong to the event loop's thread.

    `on_change` hears of every transport that differs from the one before, `on_source` who leads and whether it is alive.
    """

    def __init__(
        self,
        bpm: Bpm,
        now: Callable[[], HostTime],
        on_change: Callable[[Transport], None],
        on_source: Callable[[str, bool], None],
        sources: Sequence[ClockSource] = (),
    ) -> None:
        self._now = now
        self._on_change = on_change
        self._on_source = on_source
        self._internal = InternalClock(bpm, now, self._hear_internal)
        self._transport = self._internal.transport
        self._followers = {source.name: Follower(source, self._transport) for source in sources}
        self._choice = ClockChoice(self._followers)
        self._running = False
        self._mapped = False
        """Whether a tempo map was given."""
        self._said = False
        """Whether a tempo was said for sources that tell none."""

    @property
    def transport(self) -> Transport:
        """How the project runs."""
        return self._transport

    @property
    def bpm(self) -> Bpm:
        """The tempo under the playhead."""
        return self._transport.tempo.bpm_at(self._transport.position(self._now()))

    @property
    def source(self) -> str:
        """Who leads: a source's name, or internal."""
        return self._choice.lead

    @property
    def wish(self) -> str:
        """What was chosen: a source's name, internal or auto."""
        return self._choice.wish

    @property
    def locked(self) -> bool:
        """Whether who leads is alive."""
        return self._choice.locked

    @property
    def located(self) -> bool:
        """Whether positions are places in the song; where they are not, `sync transport` has nothing to lock to."""
        follower = self._followers.get(self.source)
        return follower is None or follower.source.located

    @property
    def knows_tempo(self) -> bool:
        """Whether beats are known, not just seconds; where they are not, nothing can be placed by beats."""
        return self._leader.tells_tempo or self._mapped or self._said

    @property
    def names(self) -> tuple[str, ...]:
        """What can be chosen."""
        return (AUTO, INTERNAL, *self._followers)

    def start(self, wish: str = AUTO) -> None:
        """Begin to follow; raises BridgeError as `choose` does."""
        self._running = True
        for follower in self._followers.values():
            if not follower.source.asks:
                follower.start(self._hear)
        self.choose(wish)

    async def run(self) -> None:
        """Look at the sources until cancelled; leave them all then."""
        try:
            while True:
                self.tick()
                await asyncio.sleep(TICK_EVERY)
        finally:
            self._running = False
            for follower in self._followers.values():
                follower.stop()

    def tick(self) -> None:
        """Look once."""
        for follower in self._followers.values():
            follower.tick(self._now())
        self._decide()

    def choose(self, wish: str) -> None:
        """Follow the source of this name, or with `auto` the best that is alive.

        Raises:
            BridgeError: BAD_ARGUMENT for an unknown name; NOT_SUPPORTED where what the source needs is not installed. The choice
                is then what it was.

        """
        if wish not in self.names:
            raise BridgeError(ErrorCode.BAD_ARGUMENT, f"clock source {wish!r}: expected one of {', '.join(self.names)}")
        named = self._followers.get(wish)
        if named is not None:
            named.start(self._hear)
            named.source.wanted = True
        for name, follower in self._followers.items():
            if name == wish:
                continue
            if follower.source.wanted and follower.source.asks:
                # While it is wanted: then it takes back what it has asked for.
                follower.stop()
            follower.source.wanted = False
            if not follower.source.asks:
                continue
            if wish == AUTO and follower.source.automatic:
                try:
                    follower.start(self._hear)
                except BridgeError:
                    continue  # What is not installed is not among those that can be alive.
            else:
                follower.stop()
        self._choice.choose(wish, self._now())
        self._decide(said=True)

    # What the sources are fed with

    def observe(self, seen: Observation) -> None:
        """Take in what a script says at `/bridge/clock/observe`."""
        for follower in self._followers.values():
            if isinstance(follower.source, ObservedSource):
                follower.source.receive(seen)
        self._decide()

    def receive_osc(self, host: HostTime, address: str, arguments: Sequence[OscValue]) -> bool:
        """Take in a DAW's message; False where no source that is chosen or has been heard knows the address."""
        sources = [f.source for f in self._followers.values() if isinstance(f.source, OscSource)]
        # Those that were never heard share addresses with others, and with what somebody has mistyped.
        known = [s.receive(host, address, arguments) and (s.wanted or s.alive(host)) for s in sources]
        if any(known):
            self._decide()
        return any(known)

    def receive_midi(self, host: HostTime, data: bytes) -> bool:
        """Take in a message from the MIDI input; False where it tells no time."""
        sources = [f.source for f in self._followers.values() if isinstance(f.source, MidiClockSource | MtcSource)]
        known = [source.receive(host, data) for source in sources]
        if any(known):
            self._decide()
        return any(known)

    # Commands

    def play(self) -> None:
        """Roll; raises BridgeError NOT_SUPPORTED where only the DAW can; so do the next four."""
        self._leader.play()

    def stop(self) -> None:
        if self.locked:
            self._leader.halt()
        else:
            self._park(self._now())

    def locate(self, beats: Beats) -> None:
        self._leader.locate(beats, self._transport.tempo.seconds_at(beats))

    def set_tempo(self, bpm: Bpm) -> None:
        """Where the source tells no tempo of its own, this is how it is told."""
        if self._leader.tells_tempo:
            self._leader.set_tempo(bpm)
            return
        if self._mapped:
            raise BridgeError(
                ErrorCode.NOT_SUPPORTED,
                f"cannot set the tempo to {bpm:g}: a tempo map is used; end that first: /bridge/clock/map",
            )
        self._said = True
        for follower in self._followers.values():
            if not follower.source.tells_tempo:
                follower.estimator.say_tempo(bpm)
        self._set(self._followers[self.source].estimator.transport)

    def bar(self, name: str, *, on: bool) -> None:
        """Keep `auto` from following this source, or no longer."""
        (self._choice.barred.add if on else self._choice.barred.discard)(name)

    def set_loop(self, loop: Loop | None) -> None:
        """Also raises BAD_ARGUMENT where the loop is all too short."""
        check_loop(loop)
        self._leader.set_loop(loop)

    def set_map(self, tempo: TempoMap | None) -> None:
        """Read all positions through this tempo map, as a file or the DAW's script gives it; None: as heard."""
        self._mapped = tempo is not None
        self._choice.give_map(tempo)
        internal = self._internal.transport
        here = internal.tempo.bpm_at(internal.position(self._now()))
        self._internal.set_map(tempo or TempoMap.constant(here, internal.tempo.beats_per_bar))
        follower = self._followers.get(self.source)
        if follower is not None:
            self._set(follower.estimator.transport)

    # Who leads

    @property
    def _leader(self) -> InternalClock | ClockSource:
        follower = self._followers.get(self.source)
        return self._internal if follower is None else follower.source

    def _hear(self, follower: Follower, transport: Transport) -> None:
        if follower.source.name == self.source and self.locked:
            self._set(transport)

    def _hear_internal(self, transport: Transport) -> None:
        if self.source == INTERNAL:
            self._set(transport)

    def _decide(self, *, said: bool = False) -> None:
        """Follow who leads now; `said` where somebody has asked and is to be told in any case."""
        if not self._running:
            return
        now, before = self._now(), self.source
        changed = self._choice.decide(now, self._internal.transport)
        if changed and self.source != before:
            self._hand_over(now)
        elif changed and self.locked and self.source != INTERNAL:
            self._set(self._followers[self.source].estimator.transport)
        if changed or said:
            self._on_source(self.source, self.locked)
        if self._choice.overdue(now) and self._transport.playing:
            self._park(now)

    def _hand_over(self, now: HostTime) -> None:
        follower = self._followers.get(self.source)
        if follower is None:
            # What nobody leads any more stands where it is, and can be played on from there.
            self._park(now)
            self._internal.adopt(replace(self._transport, loop=None))
        elif self.locked:
            self._set(follower.estimator.transport)

    def _park(self, now: HostTime) -> None:
        if self._transport.playing:
            self._set(replace(self._transport, host=now, seconds=self._transport.position(now), playing=False))

    def _set(self, transport: Transport) -> None:
        if transport != self._transport:
            self._transport = transport
            self._on_change(transport)

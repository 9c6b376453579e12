"""Which clock source leads: the one that was named, or the best of those that are alive."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf

from bridge.clock.estimator import Estimator
from bridge.clock.observation import ClockSource, Observation
from bridge.music.tempo import TempoMap, Transport
from bridge.units import HostTime, Seconds

log = logging.getLogger("bridge.clock")

AUTO = "auto"
INTERNAL = "internal"
ORDER = ("osc", "jack", "ardour", "midi", "mtc", "ableton", "bitwig", "reaper", "link")
"""Best first: who was written for us, who is exact to the sample, who tells each 24th of a beat, positions ten times a second,
and last who knows no place in the song. Ardour comes before its own MIDI clock, which in version 7 misses tempo changes and points
to wrong places. What rolls comes before what is parked; internal comes after all."""
GOES_ON = Seconds(2.0)
"""So long a project whose clock is lost goes on at its last tempo."""


class Follower:
    """One source with its estimator; it follows from the start, so that it is settled when it is chosen."""

    def __init__(self, source: ClockSource, transport: Transport) -> None:
        self.source = source
        self.estimator = Estimator(transport)
        self.started = False
        self._map: TempoMap | None = None

    def start(self, report: Callable[["Follower", Transport], None]) -> None:
        """Begin, knowing nothing of what was before; raises BridgeError NOT_SUPPORTED where the source cannot."""

        def hear(seen: Observation) -> None:
            transport = self.estimator.observe(seen)
            if transport is not None:
                report(self, transport)

        if not self.started:
            before = self.estimator.transport
            self.estimator = Estimator(replace(before, playing=False, loop=None))
            self.estimator.give_map(self._map)
            self.source.start(hear)
            self.started = True

    def tick(self, now: HostTime) -> None:
        """Let the source look; one that fails is stopped, and the others go on."""
        if not self.started:
            return
        try:
            self.source.tick(now)
        except Exception:
            log.exception("the clock source %s is given up until it is chosen again", self.source.name)
            self.stop()

    def give_map(self, tempo: TempoMap | None) -> None:
        """Read positions through this map, or through what is heard of the tempo."""
        self._map = tempo
        self.estimator.give_map(tempo)

    def stop(self) -> None:
        if self.started:
            self.source.stop()
            self.started = False


class ClockChoice:
    """Decides; whoever holds it carries out what it decides."""

    def __init__(self, followers: Mapping[str, Follower]) -> None:
        self._followers = followers
        self.wish = AUTO
        """What the user has named."""
        self.lead = INTERNAL
        """Who leads now."""
        self.lost_at = HostTime(inf)
        """When the leading source went silent; infinity while it is there."""
        self.barred: set[str] = set()
        """Whom `auto` must not take, for what he says is what we tell him."""

    @property
    def locked(self) -> bool:
        """Whether the leading source is alive."""
        return self.lost_at == inf

    def choose(self, wish: str, now: HostTime) -> None:
        """The user names a source, or leaves it to us: then one that is not there is waited for no longer."""
        self.wish = wish
        gone = wish == AUTO and not self._alive(self.lead, now)
        self.lost_at = HostTime(-inf if gone else inf)

    def decide(self, now: HostTime, internal: Transport) -> bool:
        """Look who is there; True where who leads, or whether it is alive, has changed."""
        before = self.lead, self.locked
        if self.wish == AUTO:
            self._decide_freely(now, internal)
        else:
            self.lead = self.wish
            self._note(now, alive=self._alive(self.wish, now))
        return (self.lead, self.locked) != before

    def overdue(self, now: HostTime) -> bool:
        """Whether a project whose clock is lost has gone on for long enough."""
        return now - self.lost_at >= GOES_ON

    def _decide_freely(self, now: HostTime, internal: Transport) -> None:
        alive = [name for name in ORDER if self._alive(name, now) and name not in self.barred]
        rolling = [name for name in alive if self._followers[name].estimator.transport.playing]
        waits = self.lead != INTERNAL and self.lead not in alive and not self.overdue(now)
        if rolling:
            self._take(rolling[0])
        elif self.lead == INTERNAL and internal.playing:
            return
        elif waits:
            self._note(now, alive=False)
        elif alive:
            self._take(self.lead if self.lead in alive else alive[0])
        else:
            self._take(INTERNAL)

    def _take(self, name: str) -> None:
        self.lead, self.lost_at = name, HostTime(inf)

    def _note(self, now: HostTime, *, alive: bool) -> None:
        if alive:
            self.lost_at = HostTime(inf)
        elif self.lost_at == inf:
            self.lost_at = now

    def _alive(self, name: str, now: HostTime) -> bool:
        if name == INTERNAL:
            return True
        follower = self._followers.get(name)
        return follower is not None and follower.started and follower.source.alive(now)

    def give_map(self, tempo: TempoMap | None) -> None:
        """Let all sources be read through this map, or through what they tell."""
        for follower in self._followers.values():
            follower.give_map(tempo)

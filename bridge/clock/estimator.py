"""One estimator for every source: observations in, a `Transport` out whenever there is something new to say.

Small errors are slewed, so that notes go on; a jump of the source is a seek; a change of tempo is a point of the tempo map.
"""

from math import floor
from typing import NamedTuple

from bridge.clock.line import Line
from bridge.clock.observation import FASTEST, SLOWEST, Observation
from bridge.clock.tempo_learner import TempoLearner, plausible
from bridge.music.tempo import SHORTEST_LOOP, Loop, TempoMap, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds

SEEK = Seconds(0.05)
"""A position further off than this is taken up at once; the player, too, takes it for a seek."""
_STILL = Seconds(0.0005)
"""A position that is closer than this is left as it is."""
_SLEW = 0.2
"""Seconds a second by which a position is moved."""
_SLEW_OVER = Seconds(0.1)
"""The time between two observations that counts for that, at most."""
_PARKED = Seconds(0.001)
"""A parked project has moved if it has moved by more than this."""


class _Round(NamedTuple):
    """A loop on the line's axis."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


class Estimator:
    """Follows one source."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._learner = TempoLearner(transport.tempo)
        self._line = Line()
        self._in_seconds = True
        """The axis that the source speaks of: project seconds, or beats."""
        self._loop: Loop | None = None
        self._inside = False
        """Whether the playhead came into the loop and not past its end."""
        self._bends = 0
        self._tempo_bends = 0
        self._observed = transport.host
        self._following = False

    @property
    def transport(self) -> Transport:
        """How the project runs, as far as is known."""
        return self._transport

    def give_map(self, map_: TempoMap | None) -> Transport:
        """Read positions through this map from now on; None: through what is heard of the tempo."""
        here = self._value(self._observed)
        self._learner.give(map_)
        return self._publish(self._observed, here, playing=self._transport.playing)

    def say_tempo(self, bpm: Bpm) -> Transport:
        """Take this tempo where the source tells none."""
        here = self._value(self._observed)
        self._learner.say(bpm)
        return self._publish(self._observed, here, playing=self._transport.playing)

    def observe(self, seen: Observation) -> Transport | None:
        """Take in an observation; return the transport where it is news. What no project can be is left aside."""
        if not seen.credible:
            return None
        self._learner.bar(seen.beats_per_bar)
        elapsed, self._observed = seen.host - self._observed, seen.host
        if not seen.playing:
            return self._park(seen)
        if seen.seconds is None and seen.beats is None:
            other_axis = False
        else:
            other_axis = (seen.seconds is not None) is not self._in_seconds
        if not self._following or seen.moved or other_axis:
            return self._roll(seen)
        return self._go_on(seen, min(elapsed, _SLEW_OVER))

    def _park(self, seen: Observation) -> Transport | None:
        before, self._following, self._loop = self._transport, False, seen.loop
        seconds = seen.seconds
        if seconds is None:
            # A tempo that is told with a beat decides at which second that beat lies.
            at = before.position(seen.host) if seen.beats is None else self._learner.map.seconds_at(seen.beats)
            self._hear(seen, at)
            seconds = at if seen.beats is None else self._learner.map.seconds_at(seen.beats)
        else:
            self._hear(seen, seconds)
        if seen.seconds is not None or seen.beats is not None:
            self._in_seconds = seen.seconds is not None
        after = Transport(seen.host, seconds, playing=False, tempo=self._learner.map, loop=seen.loop)
        moved = before.playing or abs(seconds - before.seconds) > _PARKED
        if not moved and after.tempo == before.tempo and after.loop == before.loop:
            return None
        self._transport = after
        return after

    def _roll(self, seen: Observation) -> Transport:
        """Begin to follow a project that rolls from here."""
        here = self._transport.position(seen.host)
        if seen.seconds is not None:
            self._in_seconds, value = True, float(seen.seconds)
        elif seen.beats is not None:
            self._in_seconds, value = False, float(seen.beats)
        else:
            value = here if self._in_seconds else self._learner.map.beats_at(here)
        self._hear(seen, self._seconds(value))
        expected = 1.0 if self._in_seconds else self._learner.map.bpm_at(self._seconds(value)) / 60
        self._line.restart(seen.host, value, self._told(seen), expected)
        self._following = True
        self._bends = self._tempo_bends = self._line.bends
        self._enter(seen, value)
        return self._publish(seen.host, value, playing=True)

    def _go_on(self, seen: Observation, elapsed: float) -> Transport | None:
        """Follow a project that rolled and rolls."""
        before = self._transport
        published = self._value(seen.host)
        if seen.loop != self._loop:
            self._enter(seen, published)
        observed = seen.seconds if self._in_seconds else seen.beats
        if observed is None:
            self._line.retell(seen.host, self._told(seen))
        else:
            self._line.observe(seen.host, self._unwrap(seen.host, observed), self._told(seen))
        if self._line.bends != self._bends:
            self._bends = self._line.bends
            self._enter(seen, self._line.at(seen.host) if observed is None else observed)
        estimate = self._wrap(self._line.at(seen.host))
        error = self._fold(estimate - published) / self._line.speed
        jumped = abs(error) >= SEEK
        self._follow_tempo(seen, self._seconds(estimate), jumped=jumped)
        if jumped:
            return self._publish(seen.host, estimate, playing=True)
        step = max(-_SLEW * elapsed, min(_SLEW * elapsed, error)) if abs(error) > _STILL else 0.0
        if step == 0.0 and self._learner.map == before.tempo and self._loop == before.loop:
            return None
        return self._publish(seen.host, self._step(published, step * self._line.speed), playing=True)

    def _follow_tempo(self, seen: Observation, seconds: Seconds, *, jumped: bool) -> None:
        if seen.bpm is not None or self._in_seconds:
            self._hear(seen, seconds, rolling=not jumped)
        else:
            before = self._learner.map.bpm_at(seconds)
            bpm = plausible(Bpm(60 * self._line.speed), self._line.doubt, before)
            # A source that stands still or goes backwards while it says that it rolls has no tempo.
            if bpm != before and SLOWEST <= bpm <= FASTEST:
                same_line = self._line.bends == self._tempo_bends and seconds >= self._learner.map.points[-1].seconds
                if same_line:
                    self._learner.refine(bpm)
                else:
                    self._learner.hear(seconds, bpm, rolling=not jumped)
                    self._tempo_bends = self._line.bends
        if not jumped:
            self._learner.rolled(seconds)

    def _hear(self, seen: Observation, seconds: Seconds, *, rolling: bool = False) -> None:
        """Learn from the tempo that is told, and from the beat where seconds are told beside it."""
        beats = seen.beats if seen.seconds is not None else None
        bpm = self._learner.map.bpm_at(seconds) if seen.bpm is None else seen.bpm
        self._learner.hear(seen.seconds if seen.seconds is not None else seconds, bpm, beats, rolling=rolling)

    def _told(self, seen: Observation) -> float | None:
        """The speed that the source states on its axis."""
        if self._in_seconds:
            return 1.0
        return None if seen.bpm is None else seen.bpm / 60

    # The axis and its loop

    def _seconds(self, value: float) -> Seconds:
        return Seconds(value) if self._in_seconds else self._learner.map.seconds_at(Beats(value))

    def _value(self, host: HostTime) -> float:
        """Where the published transport is."""
        return self._transport.position(host) if self._in_seconds else self._transport.beats(host)

    def _publish(self, host: HostTime, value: float, *, playing: bool) -> Transport:
        seconds = self._seconds(value)
        self._transport = Transport(host, seconds, playing=playing, tempo=self._learner.map, loop=self._loop)
        return self._transport

    def _enter(self, seen: Observation, value: float) -> None:
        """Take note of the loop, and of whether the playhead will come to its end."""
        self._loop = seen.loop
        bounds = self._bounds
        self._inside = bounds is not None and value < bounds.end

    @property
    def _bounds(self) -> _Round | None:
        if self._loop is None:
            return None
        tempo = self._learner.map
        seconds = tempo.seconds_at(self._loop.start), tempo.seconds_at(self._loop.end)
        if seconds[1] - seconds[0] < SHORTEST_LOOP:
            return None
        return _Round(*(seconds if self._in_seconds else self._loop))

    def _wrap(self, value: float) -> float:
        bounds = self._bounds
        if not self._inside or bounds is None or value < bounds.end:
            return value
        return bounds.start + (value - bounds.start) % bounds.length

    def _step(self, value: float, distance: float) -> float:
        """Move along the loop; back over its start leads to its end."""
        bounds, target = self._bounds, value + distance
        if self._inside and bounds is not None and target < bounds.start <= value:
            return target + bounds.length
        return self._wrap(target)

    def _fold(self, distance: float) -> float:
        """The shorter way round the loop."""
        bounds = self._bounds
        if not self._inside or bounds is None:
            return distance
        return distance - round(distance / bounds.length) * bounds.length

    def _unwrap(self, host: HostTime, observed: float) -> float:
        """The place on the line of a position seen in the loop, nearest to where it is expected."""
        bounds = self._bounds
        if not self._inside or bounds is None:
            return observed
        expected = self._line.at(host)
        if expected >= bounds.end:
            rounds = floor((expected - bounds.start) / bounds.length) * bounds.length
            self._line.shift(-rounds)
            expected -= rounds
        if not bounds.start <= observed < bounds.end:
            return observed
        return expected + self._fold(observed - expected)

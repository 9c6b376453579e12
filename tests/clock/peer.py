"""A project that somebody else plays, as its own programme knows it, and what reaches us of that: at a rate, late, and jittered."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from bridge.clock.estimator import Estimator
from bridge.clock.observation import Observation
from bridge.music.tempo import Loop, TempoMap, TempoPoint, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds

START = HostTime(1000.0)


class Peer:
    """The truth. What it does is done at a host time and holds from then on."""

    def __init__(self, bpm: float = 120.0, *, beats: float = 0.0) -> None:
        tempo = TempoMap.constant(Bpm(bpm))
        self.acts = [Transport(START, tempo.seconds_at(Beats(beats)), playing=False, tempo=tempo)]

    def at(self, host: float) -> Transport:
        return next(act for act in reversed(self.acts) if act.host <= host)

    def beats(self, host: float) -> float:
        return self.at(host).beats(HostTime(host))

    def seconds(self, host: float) -> float:
        return self.at(host).position(HostTime(host))

    def act(self, host: float, **change: object) -> None:
        """Change the transport; the rest of it stays."""
        now = self.at(host)
        here = replace(now, host=HostTime(host), seconds=now.position(HostTime(host)))
        self.acts.append(replace(here, **change))

    def play(self, host: float) -> None:
        self.act(host, playing=True)

    def stop(self, host: float) -> None:
        self.act(host, playing=False)

    def locate(self, host: float, beats: float) -> None:
        self.act(host, seconds=self.at(host).tempo.seconds_at(Beats(beats)))

    def change_tempo(self, host: float, bpm: float) -> None:
        """From here on the project has another tempo, as a DAW's tempo track says it."""
        now = self.at(host)
        seconds = now.position(HostTime(host))
        points = (*now.tempo.points, TempoPoint(seconds, now.tempo.beats_at(seconds)))
        self.act(host, tempo=replace(now.tempo, points=points, bpm=Bpm(bpm)))

    def turn_tempo(self, host: float, bpm: float) -> None:
        """The whole project has another tempo; the beat under the playhead stays."""
        tempo = TempoMap.constant(Bpm(bpm))
        self.act(host, tempo=tempo, seconds=tempo.seconds_at(Beats(self.beats(host))))

    def loop(self, host: float, start: float, end: float) -> None:
        self.act(host, loop=Loop(Beats(start), Beats(end)))


@dataclass
class Feed:
    """How a source tells: which axis, how often, and how far off in time a message may be, either way."""

    rate: float
    jitter: float
    axis: str = "seconds"
    bpm: bool = True
    loop: bool = True

    def observations(self, peer: Peer, begin: float, end: float, random: Random) -> Iterator[Observation]:
        host = begin
        while host < end:
            truth = peer.at(host)
            seen = HostTime(host + random.uniform(-self.jitter, self.jitter))
            yield Observation(
                seen,
                truth.playing,
                seconds=Seconds(peer.seconds(host)) if self.axis == "seconds" else None,
                beats=Beats(peer.beats(host)) if self.axis == "beats" else None,
                bpm=truth.tempo.bpm_at(truth.position(HostTime(host))) if self.bpm else None,
                loop=truth.loop if self.loop else None,
            )
            host += 1 / self.rate


def error(peer: Peer, transport: Transport, host: float, axis: str = "beats") -> float:
    """How far a transport is off, in seconds of the peer's own time: above 0 where it is ahead."""
    truth = peer.at(host)
    if axis == "seconds":
        distance = transport.position(HostTime(host)) - peer.seconds(host)
        if truth.loop_seconds is not None:
            length = truth.loop_seconds[1] - truth.loop_seconds[0]
            distance -= round(distance / length) * length
        return distance
    bpm = truth.tempo.bpm_at(truth.position(HostTime(host)))
    distance = transport.beats(HostTime(host)) - peer.beats(host)
    if truth.loop is not None:
        length = truth.loop.end - truth.loop.start
        distance -= round(distance / length) * length
    return float(distance * 60 / bpm)


def follow(
    peer: Peer, feed: Feed, end: float, seed: int = 1, *, estimator: Estimator | None = None, begin: float = START
) -> tuple[Estimator, list[tuple[float, float]], list[Transport]]:
    """Follow a peer until `end`; host times with the error there, every 5 ms, and the transports that were given out."""
    estimator = estimator or Estimator(Transport(HostTime(begin), Seconds(0.0), playing=False))
    errors, given = [], []
    look = begin
    for seen in feed.observations(peer, begin, end, Random(seed)):
        while look < seen.host:
            errors.append((look, error(peer, estimator.transport, look, feed.axis)))
            look += 0.005
        news = estimator.observe(seen)
        if news is not None:
            given.append(news)
    return estimator, errors, given

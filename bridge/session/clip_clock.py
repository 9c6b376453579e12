"""Where a clip's seconds fall in host time, and the ways in which they come to fall there."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Protocol

from bridge.music.tempo import TempoMap, Transport
from bridge.session.request import Follow, Sync
from bridge.units import Beats, Bpm, HostTime, Seconds

_NEARLY = 1e-4
"""Beats by which a playhead may have passed a beat and still be on it."""


class Placed(Protocol):
    """What has a place in the project: a request, or a part of it."""

    @property
    def sync(self) -> Sync: ...
    @property
    def follow(self) -> Follow: ...
    @property
    def at(self) -> Beats | None: ...
    @property
    def at_s(self) -> Seconds | None: ...
    @property
    def rate(self) -> float: ...
    @property
    def bpm(self) -> Bpm | None: ...


@dataclass(frozen=True, slots=True)
class ClipClock:
    """A straight or tempo-bent line between clip seconds and host time; monotone, so it can be read both ways."""

    host: HostTime
    seconds: Seconds
    """Position at `host`, on the line that `start` speaks of."""
    start: float
    """Where the clip's start sits: in beats with a tempo map, in seconds without."""
    scale: float
    """Beats, or seconds, of that line in one clip second."""
    tempo: TempoMap | None

    def host_at(self, clip: float) -> HostTime:
        """The host time at which a clip second is due."""
        place = self.start + clip * self.scale
        seconds = place if self.tempo is None else self.tempo.seconds_at(Beats(place))
        return HostTime(self.host + (seconds - self.seconds))

    def clip_at(self, host: float) -> Seconds:
        """The clip second that is due at a host time."""
        seconds = self.seconds + (host - self.host)
        place = seconds if self.tempo is None else self.tempo.beats_at(Seconds(seconds))
        return Seconds((place - self.start) / self.scale)

    def after(self, clip: float) -> "ClipClock":
        """The same clip once more, starting where this one reaches `clip` seconds."""
        return replace(self, start=self.start + clip * self.scale)


def _beats_per_clip_second(part: Placed) -> float:
    if part.bpm is None:
        raise ValueError(f"{part} follows the tempo and has no bpm of its own")
    return part.bpm / 60.0


def locked(part: Placed, tempo: TempoMap, host: HostTime, seconds: Seconds) -> ClipClock:
    """A part at its place in the project, where the project stands at `seconds` at `host`."""
    if part.follow is Follow.TEMPO:
        start = tempo.beats_at(part.at_s) if part.at_s is not None else part.at or Beats(0.0)
        return ClipClock(host, seconds, start, _beats_per_clip_second(part), tempo)
    start_s = part.at_s if part.at_s is not None else tempo.seconds_at(part.at or Beats(0.0))
    return ClipClock(host, seconds, start_s, 1.0 / part.rate, None)


def launched(
    part: Placed, transport: Transport, host: HostTime, clip: float, seconds: Seconds | None = None
) -> ClipClock:
    """A part that stands at clip second `clip` at `host` and goes on from there at its own rate, or the project's tempo.

    `seconds` says where the project is then, where `host` is the very time of a jump.
    """
    if part.follow is Follow.TIME:
        return ClipClock(host, Seconds(0.0), -clip / part.rate, 1.0 / part.rate, None)
    scale = _beats_per_clip_second(part)
    if not transport.playing:
        tempo = TempoMap.constant(transport.tempo.bpm_at(transport.seconds))
        return ClipClock(host, Seconds(0.0), -clip * scale, scale, tempo)
    seconds = transport.position(host) if seconds is None else seconds
    return ClipClock(host, seconds, transport.tempo.beats_at(seconds) - clip * scale, scale, transport.tempo)


def launch_time(part: Placed, transport: Transport, host: HostTime) -> HostTime:
    """When a part launched at `host` starts: then, or on the next beat or bar of a rolling transport."""
    if part.sync not in (Sync.BEAT, Sync.BAR) or not transport.playing:
        return host
    unit = transport.tempo.beats_per_bar if part.sync is Sync.BAR else 1.0
    at = _boundary(transport, unit, host, transport.position(host))
    wrap, bounds = transport.wrap_after(host), transport.loop_seconds
    if wrap is None or bounds is None or at < wrap:
        return at
    at, following = _boundary(transport, unit, wrap, bounds[0]), transport.wrap_after(wrap)
    # A loop that holds no such boundary begins with the nearest thing to one.
    return at if following is None or at < following else wrap


def _boundary(transport: Transport, unit: float, host: HostTime, seconds: Seconds) -> HostTime:
    """When the next multiple of `unit` beats comes for a project that stands at `seconds` at `host`, wraps left aside."""
    beat = ceil(transport.tempo.beats_at(seconds) / unit - _NEARLY) * unit
    return HostTime(max(host, host + (transport.tempo.seconds_at(Beats(beat)) - seconds)))


def playhead(placed: Placed, length: Seconds, transport: Transport, host: HostTime) -> Seconds:
    """Where in a clip of that length the project's playhead stands; 0 where it is outside, or where the clip is launched."""
    if placed.sync is not Sync.TRANSPORT:
        return Seconds(0.0)
    clip = locked(placed, transport.tempo, host, transport.position(host)).clip_at(host)
    return clip if 0 <= clip < length else Seconds(0.0)

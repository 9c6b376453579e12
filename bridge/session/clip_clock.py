"""Where a clip's seconds fall in host time, and the ways in which they come to fall there."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Protocol

from bridge.music.tempo import TempoMap, Transport
from bridge.session.request import Follow, Sync
from bridge.units import Beats, HostTime, Seconds

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
    def tempo(self) -> TempoMap | None: ...


@dataclass(frozen=True, slots=True)
class ClipClock:
    """Where a clip lies on a line of project seconds, or of project beats; monotone, so it can be read both ways."""

    host: HostTime
    seconds: Seconds
    """The project's position at `host`."""
    start: float
    """Where the line of the clip's own seconds, or beats, has its 0 on the project's."""
    rate: float = 1.0
    """Clip seconds in a project second, where the clip follows time."""
    tempo: TempoMap | None = None
    """The project's, where the clip follows tempo."""
    own: TempoMap | None = None
    """The clip's, where it follows tempo: its beats are the project's."""

    def host_at(self, clip: float) -> HostTime:
        """The host time at which a clip second is due."""
        place = self.start + self._own_place(clip)
        seconds = place if self.tempo is None else self.tempo.seconds_at(Beats(place))
        return HostTime(self.host + (seconds - self.seconds))

    def clip_at(self, host: float) -> Seconds:
        """The clip second that is due at a host time."""
        seconds = Seconds(self.seconds + (host - self.host))
        place = (seconds if self.tempo is None else self.tempo.beats_at(seconds)) - self.start
        return Seconds(place * self.rate) if self.own is None else self.own.seconds_at(Beats(place))

    def after(self, clip: float) -> "ClipClock":
        """The same clip once more, starting where this one reaches `clip` seconds."""
        return replace(self, start=self.start + self._own_place(clip) - self._own_place(0.0))

    def _own_place(self, clip: float) -> float:
        return clip / self.rate if self.own is None else self.own.beats_at(Seconds(clip))


def _own_tempo(part: Placed) -> TempoMap:
    if part.tempo is None:
        raise ValueError(f"{part} follows the tempo and has none of its own")
    return part.tempo


def locked(part: Placed, tempo: TempoMap, host: HostTime, seconds: Seconds) -> ClipClock:
    """A part at its place in the project, where the project stands at `seconds` at `host`."""
    if part.follow is Follow.TEMPO:
        at = tempo.beats_at(part.at_s) if part.at_s is not None else part.at or Beats(0.0)
        own = _own_tempo(part)
        return ClipClock(host, seconds, at - own.beats_at(Seconds(0.0)), tempo=tempo, own=own)
    at_s = part.at_s if part.at_s is not None else tempo.seconds_at(part.at or Beats(0.0))
    return ClipClock(host, seconds, at_s, part.rate)


def launched(
    part: Placed, transport: Transport, host: HostTime, clip: float, seconds: Seconds | None = None
) -> ClipClock:
    """A part that stands at clip second `clip` at `host` and goes on from there at its own rate, or the project's tempo.

    `seconds` says where the project is then, where `host` is the very time of a jump.
    """
    if part.follow is Follow.TIME:
        return ClipClock(host, Seconds(0.0), -clip / part.rate, part.rate)
    own = _own_tempo(part)
    if transport.playing:
        tempo = transport.tempo
        seconds = transport.position(host) if seconds is None else seconds
    else:
        tempo, seconds = TempoMap.constant(transport.tempo.bpm_at(transport.seconds)), Seconds(0.0)
    return ClipClock(host, seconds, tempo.beats_at(seconds) - own.beats_at(Seconds(clip)), tempo=tempo, own=own)


def launch_time(part: Placed, transport: Transport, host: HostTime) -> HostTime:
    """When a part launched at `host` starts: then, or on the next beat or bar of a rolling transport."""
    if part.sync not in (Sync.BEAT, Sync.BAR) or not transport.playing:
        return host
    at = _boundary(part.sync, transport.tempo, host, transport.position(host))
    wrap, bounds = transport.wrap_after(host), transport.loop_seconds
    if wrap is None or bounds is None or at < wrap:
        return at
    at, following = _boundary(part.sync, transport.tempo, wrap, bounds[0]), transport.wrap_after(wrap)
    # A loop that holds no such boundary begins with the nearest thing to one.
    return at if following is None or at < following else wrap


def _boundary(sync: Sync, tempo: TempoMap, host: HostTime, seconds: Seconds) -> HostTime:
    """When the next beat or bar begins for a project that stands at `seconds` at `host`, wraps left aside."""
    here = Beats(tempo.beats_at(seconds) - _NEARLY)
    line = tempo.next_bar(here) if sync is Sync.BAR else Beats(ceil(here))
    return HostTime(max(host, host + (tempo.seconds_at(line) - seconds)))


def playhead(placed: Placed, length: Seconds, transport: Transport, host: HostTime) -> Seconds:
    """Where in a clip of that length the project's playhead stands; 0 where it is outside, or where the clip is launched."""
    if placed.sync is not Sync.TRANSPORT:
        return Seconds(0.0)
    clip = locked(placed, transport.tempo, host, transport.position(host)).clip_at(host)
    return clip if 0 <= clip < length else Seconds(0.0)

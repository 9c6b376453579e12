"""How a part's passes follow the transport: opened where it starts, cut where it loops, kept where it is only re-timed."""

from dataclasses import replace
from math import inf
from typing import NamedTuple

from bridge.midi.grid import Place
from bridge.midi.loaded import Loaded, Pass
from bridge.music.tempo import Transport
from bridge.session.clip_clock import ClipClock, launch_time, launched, locked
from bridge.session.playback import Part
from bridge.session.request import Follow, Sync
from bridge.units import HostTime, Seconds

SEEK = Seconds(0.05)
"""A playhead that moves by more than this has jumped; by less, its clock was corrected and the notes go on."""
SETTLED = Seconds(0.02)
"""After this a message that was due has left."""


class _Start(NamedTuple):
    """Where and how a locked part's pass begins."""

    clock: ClipClock
    begin: Seconds
    stops: float


def _start(part: Part, transport: Transport, now: HostTime, tolerance: Seconds) -> _Start:
    """Begin where a rolling transport was last told to be, so that a note there sounds though the telling took a moment.

    But not further back than the tolerance, and not before the loop's start once it has wrapped.
    """
    position = transport.position(now)
    begins = max(transport.host, HostTime(now - tolerance))
    seconds = position + (begins - now)
    bounds = transport.loop_seconds
    if bounds is not None and transport.seconds + (now - transport.host) >= bounds[1]:
        seconds = max(seconds, bounds[0])
        begins = HostTime(now + (seconds - position))
    clock = locked(part, transport.tempo, now, position)
    return _Start(clock, clock.clip_at(begins), _stops(transport, now))


def open_pass(loaded: Loaded, transport: Transport, now: HostTime, tolerance: Seconds) -> Pass:
    """A locked part's pass from the playhead of a rolling transport on."""
    return loaded.begin(*_start(loaded.part, transport, now, tolerance), since=now)


def follow_line(loaded: Loaded, transport: Transport, horizon: float, place: Place) -> None:
    """Open the passes that begin before `horizon`: after the transport's wraps, or a launched part's own rounds.

    Also those of which a note may be due by then, as `place` has it.
    """
    part = loaded.part
    while True:
        last = loaded.passes[-1]
        if loaded.locked:
            bounds, start = transport.loop_seconds, HostTime(last.stops)
            if bounds is None or start == inf:
                return
            clock = locked(part, transport.tempo, start, bounds[0])
            begin = clock.clip_at(start)
        else:
            if not loaded.loops:
                return
            start = last.clock.host_at(part.length)
            clock, begin = last.clock.after(part.length), Seconds(0.0)
        if min(start, place(clock).due(begin)) >= horizon:
            return
        loaded.passes.append(loaded.begin(clock, begin, _stops(transport, start) if loaded.locked else inf))


def _stops(transport: Transport, host: HostTime) -> float:
    """The wrap after `host`."""
    wrap = transport.wrap_after(host)
    return inf if wrap is None else wrap


def rejoin(loaded: Loaded, transport: Transport, now: HostTime, tolerance: Seconds) -> list[Pass]:
    """Fit a locked part's passes to a transport that rolled and rolls; return those that go on, none after a seek.

    Which pass the playhead is in is decided by where the new transport is, not by the clock: close to a wrap a correction may
    put it on the other side.
    """
    fresh = _start(loaded.part, transport, now, tolerance)
    for index in reversed(range(len(loaded.passes))):
        current = loaded.passes[index]
        if abs(fresh.clock.host_at(current.clock.clip_at(now)) - now) <= SEEK:
            break
    else:
        return []
    current.clock, current.stops = fresh.clock, fresh.stops
    kept = loaded.passes[: index + 1]
    bounds = transport.loop_seconds
    for later in loaded.passes[index + 1 :]:
        start = HostTime(kept[-1].stops)
        if bounds is None or abs(start - later.begins) > SEEK:
            break
        later.clock = locked(loaded.part, transport.tempo, start, bounds[0])
        later.begin = later.clock.clip_at(start)
        later.stops = _stops(transport, start)
        kept.append(later)
    return kept


def rejoin_launched(loaded: Loaded, old: Transport, transport: Transport, now: HostTime) -> None:
    """Fit a launched part to a new transport: it follows its tempo, and small corrections of its beat, but no seek."""
    part, first = loaded.part, loaded.passes[0]
    waits = part.sync in (Sync.BEAT, Sync.BAR) and transport.playing and not first.handled
    if waits and first.begins > now + SEEK:
        begins = launch_time(part, transport, HostTime(max(now, loaded.start)))
        loaded.passes = [loaded.launch(launched(part, transport, begins, 0.0))]
        return
    if part.follow is Follow.TIME:
        return
    for during in loaded.passes:
        clip = during.clock.clip_at(now)
        clock = launched(part, transport, now, clip)
        if old.playing and transport.playing:
            on_beat = replace(during.clock, host=now, seconds=transport.position(now), tempo=transport.tempo)
            if abs(on_beat.host_at(clip) - now) <= SEEK:
                clock = on_beat
        during.clock = clock

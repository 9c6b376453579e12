"""Which notes sound when: parts, live parameters and the transport in, note commands with deadlines in host time out.

Pure: time comes in with every call. `advance` looks a horizon ahead, so that what it hands on can leave exactly when due;
what a later call changes is taken back by token, and the emitter sorts out whether it had left.
"""

from collections.abc import Iterable, Sequence
from heapq import heappop
from itertools import count

from bridge.midi.loaded import NEARLY, Loaded, Pass, Sounding
from bridge.midi.messages import Command, NoteOff, NoteOn, Program, Release, Token
from bridge.midi.timeline import SETTLED, follow_line, open_pass, rejoin, rejoin_launched
from bridge.midi.voicing import Voicing
from bridge.music.notes import Extent, Note, NoteKey
from bridge.music.tempo import Transport
from bridge.session.clip_clock import launch_time, launched
from bridge.session.playback import Part, PartBehind, PartId, PartPlayed
from bridge.session.request import Follow, Sync
from bridge.units import Channel, HostTime, Seconds

_SAY_BEHIND_EVERY = 1.0
_MOVED = 1e-4
"""Seconds by which a note's end must move to be worth saying."""


class Sequencer:
    """Parts, their notes and where the project is.

    Args:
        tolerance: a note whose time passed longer ago than this is dropped and counted.
        transport: where the project is before anything else is said.

    """

    def __init__(self, tolerance: Seconds, transport: Transport) -> None:
        self._tolerance = tolerance
        self._transport = transport
        self._next_wrap = transport.wrap_after(transport.host)
        self._voicing = Voicing()
        self._parts: dict[PartId, Loaded] = {}
        self._tokens = count(1)
        self._commands: list[Command] = []
        self._events: list[PartPlayed | PartBehind] = []
        self.dropped_late = 0
        self.dropped_range = 0

    @property
    def idle(self) -> bool:
        """Whether time alone makes nothing happen."""
        return not any(loaded.passes for loaded in self._parts.values())

    def take(self) -> tuple[list[Command], list[PartPlayed | PartBehind]]:
        """Give what has come about since the last call."""
        out = self._commands, self._events
        self._commands, self._events = [], []
        return out

    # What the session says

    def load(self, part: Part, now: HostTime) -> None:
        """Take a part; one with the same id is replaced."""
        self.unload([part.id])
        loaded = Loaded(part)
        self._parts[part.id] = loaded
        self._voicing.adopt(part)
        if loaded.locked and self._transport.playing:
            loaded.passes = [open_pass(loaded, self._transport, now, self._tolerance)]

    def update(
        self,
        part: PartId,
        notes: Iterable[Note],
        withdrawn: Iterable[NoteKey],
        known: Iterable[Extent],
        *,
        complete: bool,
    ) -> None:
        """Forget the withdrawn notes, then add notes or revise them; nothing where the part is gone.

        A withdrawn note that sounds goes on to its own end, and ends now where it has none.
        """
        loaded = self._parts.get(part)
        if loaded is None:
            return
        for key in withdrawn:
            self._release(loaded, loaded.withdraw(key))
        for note in notes:
            loaded.add(note)
        loaded.known = tuple(known)
        loaded.complete = loaded.complete or complete

    def launch(self, parts: Sequence[PartId], start: HostTime) -> None:
        """Start these parts together at `start`, or on the beat or bar that follows it."""
        for part in parts:
            loaded = self._parts.get(part)
            if loaded is None or loaded.locked:
                continue
            self._release(loaded, list(loaded.sounding))
            begins = launch_time(loaded.part, self._transport, start)
            clock = launched(loaded.part, self._transport, begins, 0.0)
            loaded.passes = [loaded.begin(clock, Seconds(0.0))]

    def unload(self, parts: Iterable[PartId]) -> None:
        """Forget these parts and release what of them sounds."""
        for part in parts:
            loaded = self._parts.pop(part, None)
            if loaded is not None:
                self._release(loaded, list(loaded.sounding))
                self._voicing.forget(loaded.part)

    def clear(self) -> None:
        """Forget every part."""
        self.unload(list(self._parts))

    def override(self, part: PartId, name: str, value: float) -> None:
        """Set a live parameter for one part."""
        loaded = self._parts.get(part)
        if loaded is not None:
            self._voicing.set_for_part(loaded.part, name, value)
            self._silence_inaudible(loaded)

    def set_parameter(self, name: str, value: float) -> None:
        """Set a live parameter for all parts."""
        self._voicing.set_for_all(name, value)
        for loaded in self._parts.values():
            self._silence_inaudible(loaded)

    def set_transport(self, transport: Transport, now: HostTime) -> None:
        """Move, start, stop or re-time the project."""
        old, self._transport = self._transport, transport
        self._next_wrap = transport.wrap_after(now)
        stopped = old.playing and not transport.playing
        for loaded in list(self._parts.values()):
            if loaded.locked:
                kept = rejoin(loaded, transport, now, self._tolerance) if old.playing and transport.playing else []
                self._release(loaded, [t for t, s in loaded.sounding.items() if s.during not in kept])
                fresh = not kept and transport.playing
                loaded.passes = [open_pass(loaded, transport, now, self._tolerance)] if fresh else kept
            elif stopped and loaded.passes and loaded.part.sync in (Sync.BEAT, Sync.BAR):
                self._end_part(loaded, "stopped")
            elif loaded.passes:
                rejoin_launched(loaded, old, transport, now)

    # What time brings

    def advance(self, now: HostTime, horizon: HostTime) -> None:
        """Hand on what is due before `horizon`, and what became late since the last call."""
        self._wrap_launched(horizon)
        for loaded in list(self._parts.values()):
            if not loaded.passes:
                continue
            offset = self._voicing.offset(loaded.part)
            # An offset moves notes, not the playhead: passes open in time for both, and stay until both are through.
            follow_line(loaded, self._transport, horizon - min(offset, 0.0))
            for during in loaded.passes:
                self._strike(loaded, during, offset, now, horizon)
            self._end_notes(loaded, offset, now, horizon)
            while len(loaded.passes) > 1 and loaded.passes[0].over + max(offset, 0.0) + self._tolerance < now:
                del loaded.passes[0]
            self._say_where(loaded, HostTime(now - offset), now)

    def _wrap_launched(self, horizon: HostTime) -> None:
        """Tempo-following launched parts run on through the transport's loop, at the tempo on its other side."""
        bounds = self._transport.loop_seconds
        while bounds is not None and self._next_wrap is not None and self._next_wrap < horizon:
            wrap = self._next_wrap
            for loaded in self._parts.values():
                if not loaded.locked and loaded.part.follow is Follow.TEMPO:
                    for during in loaded.passes:
                        clip = during.clock.clip_at(wrap)
                        during.clock = launched(loaded.part, self._transport, wrap, clip, bounds[0])
            self._next_wrap = self._transport.wrap_after(wrap)

    def _strike(self, loaded: Loaded, during: Pass, offset: Seconds, now: HostTime, horizon: HostTime) -> None:
        end = during.end
        while during.todo and during.todo[0][0] < end - NEARLY:
            key = during.todo[0]
            due = HostTime(during.clock.host_at(key[0]) + offset)
            if due >= horizon:
                return
            heappop(during.todo)
            note = loaded.notes.get(key)
            if note is None or key in during.handled or not self._voicing.audible(loaded.part, note):
                continue
            during.handled.add(key)
            voice = self._voicing.voice(loaded.part, note)
            if voice is None:
                self.dropped_range += 1
            elif due < now - self._tolerance:
                self.dropped_late += 1
            else:
                token = next(self._tokens)
                self._program(loaded, due, voice.channel)
                self._commands.append(NoteOn(token, due, loaded.part.id, *voice))
                loaded.sounding[token] = Sounding(key, during)

    def _program(self, loaded: Loaded, due: HostTime, channel: Channel) -> None:
        if loaded.part.program is not None and not loaded.programmed:
            self._commands.append(Program(due, channel, loaded.part.program))
        loaded.programmed = True

    @staticmethod
    def _off(loaded: Loaded, sounding: Sounding, offset: Seconds) -> HostTime:
        """When a note of a pass ends: at its own end, or where the pass is cut."""
        during = sounding.during
        end = min(loaded.end_of(loaded.sounds_as(sounding)), during.end)
        return HostTime(during.clock.host_at(end) + offset)

    def _end_notes(self, loaded: Loaded, offset: Seconds, now: HostTime, horizon: HostTime) -> None:
        for token, sounding in list(loaded.sounding.items()):
            if sounding.off is not None and now > sounding.off + SETTLED:
                del loaded.sounding[token]
                continue
            # An end that lies in the past is now: said once, or it would move on with the clock and never have passed.
            off = HostTime(max(self._off(loaded, sounding, offset), now))
            due = off < horizon if sounding.off is None else abs(off - max(sounding.off, now)) > _MOVED
            if due:
                sounding.off = off
                self._commands.append(NoteOff(token, off))

    def _release(self, loaded: Loaded, tokens: Iterable[Token]) -> None:
        for token in tokens:
            del loaded.sounding[token]
            self._commands.append(Release(token))

    def _silence_inaudible(self, loaded: Loaded) -> None:
        inaudible = [
            token
            for token, sounding in loaded.sounding.items()
            if not self._voicing.audible(loaded.part, loaded.sounds_as(sounding))
        ]
        self._release(loaded, inaudible)

    def _say_where(self, loaded: Loaded, playhead: HostTime, now: HostTime) -> None:
        """Say that the playhead is ahead of the notes, or that the part has played to its end."""
        part, last = loaded.part, loaded.passes[-1]
        once = not loaded.locked and not loaded.loops
        if once and loaded.complete and not loaded.sounding and playhead >= last.over + SETTLED:
            self._end_part(loaded, "played")
            return
        under = next((p for p in reversed(loaded.passes) if p.begins <= playhead), None)
        if loaded.complete or under is None:
            return
        clip = under.clock.clip_at(playhead)
        behind = loaded.behind(min(clip, part.length))
        inside = clip >= 0 and (clip <= part.length or once)
        if inside and behind > NEARLY and now - loaded.said_behind >= _SAY_BEHIND_EVERY:
            loaded.said_behind = now
            self._events.append(PartBehind(part.id, behind))

    def _end_part(self, loaded: Loaded, reason: str) -> None:
        self.unload([loaded.part.id])
        self._events.append(PartPlayed(loaded.part.id, reason))

"""Which notes sound when: parts, live parameters and the transport in, note commands with deadlines in host time out.

Pure: time comes in with every call. `advance` looks a horizon ahead, so that what it hands on can leave exactly when due;
what a later call changes is taken back by token, and the emitter sorts out whether it had left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from heapq import heappop
from itertools import count
from math import inf

from bridge.midi.bends import Bender
from bridge.midi.channels import MASTER
from bridge.midi.emitter import SHORTEST_NOTE
from bridge.midi.ends import all_but_one, end_all, end_notes, free_for, rings_on, unheard
from bridge.midi.grid import Place, Placing
from bridge.midi.loaded import NEARLY, Loaded, Pass, Sounding
from bridge.midi.messages import Command, NoteOn, Program, Release, Token
from bridge.midi.neighbours import outdone, superseded
from bridge.midi.shaping import Shape
from bridge.midi.timeline import SETTLED, follow_line, open_pass, rejoin, rejoin_launched
from bridge.midi.voicing import Voicing
from bridge.music.notes import Extent, Note, NoteKey
from bridge.music.tempo import Transport
from bridge.session.clip_clock import launch_time, launched
from bridge.session.playback import Part, PartBehind, PartId, PartPlayed
from bridge.session.request import Follow, Sync
from bridge.units import Channel, HostTime, Seconds

_SAY_BEHIND_EVERY = 1.0
_BESIDE = Seconds(0.1)
"""Two onsets of a pitch that lie closer are one note's, heard twice."""


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
        self._bender = Bender()
        self._commands: list[Command] = []
        self._events: list[PartPlayed | PartBehind] = []
        self.lead = Seconds(0.0)
        """How far ahead of its time the port must be told of a note that is to sound at once."""
        self.dropped_late = 0
        self.dropped_range = 0

    @property
    def clamped(self) -> int:
        """Notes whose bend went beyond the range."""
        return self._bender.clamped

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

        A withdrawn note that sounds goes on to its own end, and ends now where it has none. One that is given anew, a moment beside, is
        the same note: where stretches meet, a transcriber that begins elsewhere has other frames.
        """
        loaded = self._parts.get(part)
        if loaded is None:
            return
        notes, withdrawn = list(notes), set(withdrawn)
        if withdrawn:
            self._rename(loaded, withdrawn, notes)
        for key in withdrawn:
            self._release(loaded, loaded.withdraw(key))
        for note in notes:
            loaded.add(note)
        loaded.known = tuple(known)
        loaded.look_again()
        loaded.complete = loaded.complete or complete

    @staticmethod
    def _rename(loaded: Loaded, withdrawn: set[NoteKey], notes: Sequence[Note]) -> None:
        """Let what was played by a withdrawn note be known as the one that is given in its stead."""
        sounding = {s.key for s in loaded.sounding.values()}
        for key in withdrawn:
            if key not in sounding and not any(key in during.handled for during in loaded.passes):
                continue
            heirs = [
                n.key
                for n in notes
                if n.pitch == key[1] and abs(n.onset - key[0]) < _BESIDE and n.key not in loaded.notes
            ]
            if heirs:
                loaded.rename(key, min(heirs, key=lambda heir: abs(heir[0] - key[0])))

    def launch(self, parts: Sequence[PartId], start: HostTime) -> None:
        """Start these parts together at `start`, or on the beat or bar that follows it."""
        for part in parts:
            loaded = self._parts.get(part)
            if loaded is None or loaded.locked:
                continue
            self._release(loaded, list(loaded.sounding))
            begins = launch_time(loaded.part, self._transport, start)
            clock = launched(loaded.part, self._transport, begins, 0.0)
            loaded.start = start
            loaded.passes = [loaded.launch(clock)]

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
            self._reshape(loaded, name)

    def set_key(self, parts: Iterable[PartId], key: int) -> None:
        """Say the key of the clip that these parts are of; notes that sound keep their pitch."""
        for part in parts:
            loaded = self._parts.get(part)
            if loaded is not None:
                loaded.part = replace(loaded.part, key=key)
                self._voicing.renew(loaded.part)

    def set_parameter(self, name: str, value: float) -> None:
        """Set a live parameter for all parts."""
        self._voicing.set_for_all(name, value)
        for loaded in self._parts.values():
            self._reshape(loaded, name)

    def _reshape(self, loaded: Loaded, changed: str) -> None:
        """Release what does not sound any more now that a parameter has changed."""
        shape = self._voicing.shape(loaded.part)
        self._release(loaded, list(unheard(loaded, shape)))
        if changed == "mono" and shape.mono:
            self._release(loaded, all_but_one(loaded))

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
            shape = self._voicing.shape(loaded.part)
            place = partial(Placing, loaded.part, self._transport, shape.grid, shape.offset)
            # Offset and grid move notes, not the playhead: passes open in time for both, and stay until both are through.
            follow_line(loaded, self._transport, horizon, place)
            for during in loaded.passes:
                self._strike(loaded, during, place(during.clock), now, horizon)
            self._commands += self._bender.follow(loaded, shape, place, now, horizon)
            self._commands += end_notes(loaded, shape, place, now, horizon)
            while len(loaded.passes) > 1 and _through(loaded, loaded.passes[0], place) + self._tolerance < now:
                del loaded.passes[0]
            self._say_where(loaded, place, HostTime(now - shape.offset), now)

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

    def _strike(self, loaded: Loaded, during: Pass, placing: Placing, now: HostTime, horizon: HostTime) -> None:
        shape = self._voicing.shape(loaded.part)
        if not during.filled:
            during.fill(loaded, placing.clip, chase=shape.chase)
        while during.todo:
            key = during.todo[0]
            clip = placing.clip(key[0])
            due = placing.host(clip)
            chased = shape.chase and during.missed(clip, due, self._tolerance)
            if chased:
                due = HostTime(max(now + self.lead, placing.host(during.begin)))
            elif during.first:
                # What the grid draws to before the launch sounds with it.
                due = HostTime(max(due, placing.host(during.begin)))
            if due >= horizon or clip >= during.cut - NEARLY:
                return
            heappop(during.todo)
            note = loaded.notes.get(key)
            fresh = note is not None and key not in during.handled and (chased or during.holds(key[0], clip))
            if note is None or not fresh or not shape.audible(note):
                continue
            voice, sounding = shape.voice(note), Sounding(key, during, due, Seconds(clip - key[0]), bent_at=due)
            if chased and not rings_on(loaded, sounding, note, placing):
                continue
            if chased and note.duration is None and not loaded.reaches(note.onset, during.begin):
                # Whether it rings so far is not known yet; `look_again` brings it back.
                continue
            if voice is None:
                self.dropped_range += 1
            elif due < now - self._tolerance:
                self.dropped_late += 1
            elif not shape.mono or self._has_the_turn(loaded, sounding, shape, placing, note, chased=chased):
                if shape.mono:
                    self._commands += end_all(loaded, due)
                token = next(self._tokens)
                into = placing.into(sounding.due, clip) if chased else Seconds(0.0)
                bending = self._bender.begin(note, sounding, shape, into)
                self._program(loaded, due, MASTER if sounding.mpe else voice.channel)
                self._commands.append(NoteOn(token, due, loaded.part.id, *voice, bending))
                loaded.sounding[token] = sounding
            during.handled.add(key)

    @staticmethod
    def _has_the_turn(
        loaded: Loaded, sounding: Sounding, shape: Shape, placing: Placing, note: Note, *, chased: bool
    ) -> bool:
        """Whether a note may sound where only one may."""
        if not free_for(loaded, sounding.due):
            return False
        if chased:
            return not superseded(loaded, shape, placing, note, HostTime(sounding.due + SHORTEST_NOTE))
        return not outdone(loaded, sounding.during, shape, placing, note)

    def _program(self, loaded: Loaded, due: HostTime, channel: Channel) -> None:
        if loaded.part.program is not None and not loaded.programmed:
            self._commands.append(Program(due, channel, loaded.part.program))
        loaded.programmed = True

    def _release(self, loaded: Loaded, tokens: Iterable[Token]) -> None:
        for token in tokens:
            del loaded.sounding[token]
            self._commands.append(Release(token))

    def _say_where(self, loaded: Loaded, place: Place, playhead: HostTime, now: HostTime) -> None:
        """Say that the playhead is ahead of the notes, or that the part has played to its end."""
        part, last = loaded.part, loaded.passes[-1]
        once = not loaded.locked and not loaded.loops
        through = once and loaded.complete and not loaded.sounding
        if through and now >= _last_due(last, place) + SETTLED:
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


def _last_due(during: Pass, place: Place) -> HostTime:
    """When the last note that a pass may hold is over: at its end, or where the grid draws that."""
    placing = place(during.clock)
    return placing.host(min(during.cut, max(during.length, placing.clip(during.length))))


def _through(loaded: Loaded, during: Pass, place: Place) -> float:
    """When neither the playhead nor a note of a pass is to come, nor the end of one that sounds."""
    ends = [s.off or inf for s in loaded.sounding.values() if s.during is during]
    return max(during.over, _last_due(during, place), *ends)

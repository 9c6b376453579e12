"""A part in the sequencer: its notes, and its passes, one for each time that the playhead runs over the clip."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappush
from math import inf
from operator import itemgetter

from bridge.midi.messages import CENTRE, Token
from bridge.music.notes import Extent, Note, NoteKey
from bridge.music.tempo import SHORTEST_LOOP
from bridge.session.clip_clock import ClipClock
from bridge.session.playback import Part
from bridge.session.request import Sync
from bridge.units import HostTime, Pitch, Seconds

_DRAWN = Seconds(2.0)
"""The grid moves an onset by less: half a beat at 20 quarter notes a minute, and a little."""
NEARLY = 1e-6
"""Clip seconds within which a note is at a pass's edge, whatever rounding made of it."""


@dataclass(slots=True, eq=False)
class Pass:
    """One run over the clip, from a seek, launch or wrap to the next."""

    clock: ClipClock
    begin: Seconds
    """Clip second at which it begins; notes before it belong to no pass, or to the one before."""
    length: Seconds
    """Of the clip."""
    stops: float = inf
    """Host time at which the transport's loop cuts it."""
    since: float = -inf
    """Host time at which it was opened in the midst of things; -inf where it was seen coming."""
    first: bool = False
    """Whether the part was launched with it."""
    whole: bool = False
    """Whether every note of the clip belongs to it, as when the part is launched, wherever the grid draws it."""
    todo: list[NoteKey] = field(default_factory=list)
    """A heap: the notes still to be struck, in clip time, so that a change of tempo keeps their order; some were withdrawn since."""
    filled: bool = False
    """Whether `todo` has been begun."""
    handled: set[NoteKey] = field(default_factory=set)
    """Struck, or dropped and counted: not again in this pass."""

    @property
    def begins(self) -> HostTime:
        """Host time at which it begins."""
        return self.clock.host_at(self.begin)

    @property
    def cut(self) -> float:
        """Clip second at which the transport's loop cuts it; inf where nothing does."""
        return inf if self.stops == inf else self.clock.clip_at(self.stops)

    @property
    def over(self) -> float:
        """Host time at which it ends."""
        return min(self.stops, self.clock.host_at(self.length))

    def fill(self, loaded: "Loaded", place: Callable[[Seconds], Seconds], *, chase: bool) -> None:
        """Begin with the part's notes that are placed at its begin or later, and, to be chased, those that may still sound there."""
        first = 0 if self.whole else bisect_left(loaded.order, self.begin - NEARLY, key=lambda key: place(key[0]))
        # A sorted list is a heap.
        self.todo = loaded.order[first:]
        if chase and not self.whole:
            self.todo = [*loaded.ringing(first, self.begin), *self.todo]
        self.filled = True

    def holds(self, onset: Seconds, place: Seconds) -> bool:
        """Whether a note that begins at `onset` and is placed at `place` belongs to it."""
        return onset < self.length - NEARLY and (self.whole or self.begin - NEARLY <= place < self.cut - NEARLY)

    def missed(self, place: Seconds, due: HostTime, tolerance: Seconds) -> bool:
        """Whether a note placed there and due then had begun before this pass could sound it."""
        return not self.whole and (place < self.begin - NEARLY or due < self.since - tolerance)

    def add(self, key: NoteKey) -> None:
        """Take a note that is new, or is not what it was."""
        if self.filled and key not in self.handled:
            heappush(self.todo, key)


@dataclass(slots=True, eq=False)
class Sounding:
    """A note that was handed on and whose end has not passed."""

    key: NoteKey
    during: Pass
    due: HostTime
    """When its note-on was said to be due."""
    shift: Seconds
    """Clip seconds by which it was moved to the grid when it was struck; its end moves with it."""
    withdrawn: Note | None = None
    """What it was when it was withdrawn."""
    off: HostTime | None = None
    """When its note-off was said to be due."""
    ended: float = inf
    """When the part's next note ended it."""
    bend: int = CENTRE
    """How it was last said to be bent, and when, and up to which second of its own bend."""
    bent_at: HostTime = HostTime(-inf)
    bent_to: Seconds = Seconds(-inf)
    bend_range: int | None = None
    """Semitones; None while it is an ordinary note."""
    mpe: bool = False
    clamped: bool = False
    """Whether its bend went beyond the range."""


@dataclass(slots=True, eq=False)
class Loaded:
    """A part and all that the sequencer knows of it."""

    part: Part
    notes: dict[NoteKey, Note] = field(default_factory=dict)
    order: list[NoteKey] = field(default_factory=list)
    """Their keys, sorted."""
    open: set[NoteKey] = field(default_factory=set)
    """Keys of those whose end is not known yet."""
    longest: Seconds = Seconds(0.0)
    """What no note that has an end was ever longer than."""
    known: tuple[Extent, ...] = ()
    """Where every onset is known, in order."""
    complete: bool = False
    start: HostTime = HostTime(-inf)
    """A launched part is not to start before this."""
    passes: list[Pass] = field(default_factory=list)
    sounding: dict[Token, Sounding] = field(default_factory=dict)
    programmed: bool = False
    said_behind: float = -inf

    @property
    def locked(self) -> bool:
        """Whether it lies on the project's timeline; otherwise it is launched."""
        return self.part.sync is Sync.TRANSPORT

    @property
    def loops(self) -> bool:
        """Whether a launched part goes round; one too short to be music plays once."""
        return self.part.loop and self.part.length >= SHORTEST_LOOP

    def begin(self, clock: ClipClock, begin: Seconds, stops: float = inf, since: float = -inf) -> Pass:
        """Open a pass."""
        return Pass(clock, begin, self.part.length, stops, since, whole=not self.locked)

    def launch(self, clock: ClipClock) -> Pass:
        """Open the first pass of a launched part."""
        return Pass(clock, Seconds(0.0), self.part.length, first=True, whole=True)

    def look_again(self) -> None:
        """Let passes see those open notes that more may be known of now."""
        for key in self.open:
            for during in self.passes:
                during.add(key)

    def ringing(self, first: int, begin: Seconds) -> list[NoteKey]:
        """Of the notes before the one of this index, in order, those that may still sound at a clip second."""
        edge = begin - _DRAWN
        begun = bisect_left(self.order, (Seconds(edge - self.longest), Pitch(0)))
        keys = [key for key in self.order[begun:first] if key[0] + (self.notes[key].duration or 0.0) > edge]
        following = self.order[first] if first < len(self.order) else None
        return sorted({*keys, *(key for key in self.open if following is None or key < following)})

    def reaches(self, onset: Seconds, place: Seconds) -> bool:
        """Whether all is known from a note's onset to a place: then a note that is open still rings there."""
        return any(
            known.begin <= onset + NEARLY and place <= known.end + NEARLY for known in self.known if onset <= known.end
        )

    def rename(self, old: NoteKey, new: NoteKey) -> None:
        """A note that was played, or plays, is known by another onset now: it is still the same."""
        for sounding in self.sounding.values():
            if sounding.key == old:
                sounding.key = new
        for during in self.passes:
            if old in during.handled:
                during.handled.add(new)

    def add(self, note: Note) -> None:
        """Take a note, or what has become of one."""
        if note.key not in self.notes:
            insort(self.order, note.key)
        self.notes[note.key] = note
        if note.duration is None:
            self.open.add(note.key)
        else:
            self.open.discard(note.key)
            self.longest = max(self.longest, note.duration)
        for during in self.passes:
            during.add(note.key)

    def withdraw(self, key: NoteKey) -> list[Token]:
        """Forget a note; return those of its soundings that have no end to wait for."""
        note = self.notes.pop(key, None)
        if note is None:
            return []
        del self.order[bisect_left(self.order, key)]
        self.open.discard(key)
        endless = []
        for token, sounding in self.sounding.items():
            if sounding.key == key:
                sounding.withdrawn = note
                if note.duration is None:
                    endless.append(token)
        return endless

    def sounds_as(self, sounding: Sounding) -> Note:
        """A sounding note as it is now; one that was withdrawn, as it was then."""
        note = self.notes.get(sounding.key, sounding.withdrawn)
        assert note is not None, sounding.key
        return note

    def end_of(self, note: Note) -> Seconds:
        """The clip second at which a note ends; an open one ends with the clip, or where the finished analysis ended."""
        if note.duration is not None:
            return Seconds(note.onset + note.duration)
        if not self.complete:
            return self.part.length
        return min(self.known[-1].end, self.part.length) if self.known else Seconds(0.0)

    def behind(self, clip: float) -> Seconds:
        """How far a clip second lies past the end of what is known before it; 0 in what is known."""
        before = bisect_right(self.known, clip + NEARLY, key=itemgetter(0))
        return Seconds(max(0.0, clip - (self.known[before - 1].end if before else 0.0)))

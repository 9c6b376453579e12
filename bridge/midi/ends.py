"""When the notes that sound end: at their own end, held to the next, ended by it, or cut with their pass."""

from collections.abc import Iterator

from bridge.midi.emitter import SHORTEST_NOTE
from bridge.midi.grid import Place, Placing
from bridge.midi.loaded import Loaded, Sounding
from bridge.midi.messages import NoteOff, Token
from bridge.midi.neighbours import held_to
from bridge.midi.shaping import Shape
from bridge.midi.timeline import SETTLED
from bridge.music.notes import Note
from bridge.units import HostTime, Seconds

_CLICK = Seconds(0.02)
"""What is left of a note is not begun where it is this short: no transcriber knows an end better."""
_MOVED = 1e-4
"""Seconds by which a note's end must move to be worth saying."""


def end_notes(loaded: Loaded, shape: Shape, place: Place, now: HostTime, horizon: HostTime) -> Iterator[NoteOff]:
    """Give the ends that come before `horizon`, and those that have moved since they were given; forget what has ended."""
    for token, sounding in list(loaded.sounding.items()):
        if sounding.off is not None and now > sounding.off + SETTLED:
            del loaded.sounding[token]
            continue
        # An end that lies in the past is now: said once, or it would move on with the clock and never have passed.
        off = HostTime(max(_off(loaded, sounding, shape, place, horizon), now))
        due = off < horizon if sounding.off is None else abs(off - max(sounding.off, now)) > _MOVED
        if due:
            sounding.off = off
            yield NoteOff(token, off)


def _off(loaded: Loaded, sounding: Sounding, shape: Shape, place: Place, horizon: HostTime) -> HostTime:
    """When a note ends; of one that sounds on at `horizon`, some time after it."""
    during, note = sounding.during, loaded.sounds_as(sounding)
    placing = place(during.clock)
    end = Seconds(min(loaded.end_of(note), during.length) + sounding.shift)
    # Holding only puts an end off, and looking for the next note costs most of all this.
    if shape.legato and note.duration is not None and (sounding.off is not None or placing.host(end) < horizon):
        end = held_to(loaded, sounding, shape, placing, end)
    return HostTime(min(placing.host(min(end, during.cut)), sounding.ended))


def rings_on(loaded: Loaded, sounding: Sounding, note: Note, placing: Placing) -> bool:
    """Whether a note that is begun in its midst has more than a click left, up to its own end and that of its pass."""
    during = sounding.during
    end = min(loaded.end_of(note), during.length) + sounding.shift
    return placing.host(min(end, during.cut)) > sounding.due + _CLICK


def free_for(loaded: Loaded, due: HostTime) -> bool:
    """Whether nothing of the part was struck at `due` or after it, so that what sounds may end for a note there."""
    return all(sounding.due <= due - SHORTEST_NOTE for sounding in loaded.sounding.values())


def end_all(loaded: Loaded, due: HostTime) -> Iterator[NoteOff]:
    """End what of the part sounds where its next note is due."""
    for token, sounding in loaded.sounding.items():
        if sounding.off is None or sounding.off > due:
            sounding.off = sounding.ended = due
            yield NoteOff(token, due)


def unheard(loaded: Loaded, shape: Shape) -> Iterator[Token]:
    """Those of the sounding notes that would not be struck now."""
    for token, sounding in loaded.sounding.items():
        note = loaded.sounds_as(sounding)
        if not (shape.audible(note) and shape.within(note)):
            yield token


def all_but_one(loaded: Loaded) -> list[Token]:
    """Those of the sounding notes that make way where only one may sound: it is not ending, the latest, surest, highest."""

    def precedence(token: Token) -> tuple[bool, HostTime, float, int]:
        sounding = loaded.sounding[token]
        note = loaded.sounds_as(sounding)
        return sounding.off is None, sounding.due, note.confidence, note.pitch

    return sorted(loaded.sounding, key=precedence)[:-1]

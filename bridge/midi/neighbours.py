"""What a note's neighbours in the part do to it: the next one to which it is held, and the one that plays in its stead."""

from bisect import bisect_left
from collections.abc import Iterator

from bridge.midi.grid import Placing
from bridge.midi.loaded import NEARLY, Loaded, Pass, Sounding
from bridge.midi.shaping import Shape
from bridge.music.notes import Note
from bridge.units import HostTime, Seconds


def _playing(
    loaded: Loaded, during: Pass, shape: Shape, placing: Placing, begin: float
) -> Iterator[tuple[float, Note]]:
    """The part's notes that sound in a pass and are drawn to `begin` or later, in order, each with where it is drawn to."""
    # The drawing is monotone, so the order of onsets is that of the places.
    first = bisect_left(loaded.order, begin - NEARLY, key=lambda key: placing.clip(key[0]))
    for index in range(first, len(loaded.order)):
        key = loaded.order[index]
        place = placing.clip(key[0])
        if during.holds(key[0], place) and shape.plays(loaded.notes[key]):
            yield place, loaded.notes[key]


def held_to(loaded: Loaded, sounding: Sounding, shape: Shape, placing: Placing, end: Seconds) -> Seconds:
    """Where a sounding note ends that would end at `end`: there, or at the next note's onset where the gap is small."""
    own = loaded.sounds_as(sounding).onset + sounding.shift
    for place, note in _playing(loaded, sounding.during, shape, placing, max(end, own + 2 * NEARLY)):
        if place - end > shape.legato + NEARLY:
            break
        if note.key != sounding.key:
            return Seconds(place)
    return end


def superseded(loaded: Loaded, shape: Shape, placing: Placing, note: Note, until: HostTime) -> bool:
    """Whether, where only one may sound, a note that began before its pass has ceased: one that begins after it is due by `until`."""
    own = placing.clip(note.onset)
    first = bisect_left(loaded.order, own - NEARLY, key=lambda key: placing.clip(key[0]))
    for index in range(first, len(loaded.order)):
        other = loaded.notes[loaded.order[index]]
        place = placing.clip(other.onset)
        if placing.host(place) >= until:
            return False
        if shape.plays(other) and (place > own + NEARLY or _precedence(other) > _precedence(note)):
            return True
    return False


def outdone(loaded: Loaded, during: Pass, shape: Shape, placing: Placing, note: Note) -> bool:
    """Whether another note that begins with this one is to play instead: a surer one, of equally sure ones the highest."""
    own = placing.clip(note.onset)
    for place, other in _playing(loaded, during, shape, placing, own):
        if place > own + NEARLY:
            return False
        # Of two alike that the grid has put together the later plays: any rule, as long as one of them does.
        if _precedence(other) > _precedence(note):
            return True
    return False


def _precedence(note: Note) -> tuple[float, int, float]:
    return note.confidence, note.pitch, note.onset

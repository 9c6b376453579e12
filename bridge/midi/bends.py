"""How a sounding note's pitch moves: its bend in cents becomes pitch bend messages, due in time and not too many."""

from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter

from bridge.midi.grid import Place
from bridge.midi.loaded import Loaded, Sounding
from bridge.midi.messages import CENTRE, Bend, Bending
from bridge.midi.shaping import BendMode, Shape
from bridge.music.notes import Note
from bridge.units import HostTime, Seconds

EVERY = Seconds(0.005)
"""Bends of a note come at least this far apart."""
MPE_RANGE = 48
"""Semitones of a member channel, as MPE begins."""
_HIGHEST = 2 * CENTRE - 1


class Bender:
    """Bends of all parts; counts the notes whose bend went beyond the range."""

    def __init__(self) -> None:
        self.clamped = 0

    def begin(self, note: Note, sounding: Sounding, shape: Shape, into: Seconds) -> Bending | None:
        """Say how a note that is about to be struck `into` itself is bent at first; None where it is an ordinary one."""
        mpe = shape.bend is BendMode.MPE
        if shape.bend is BendMode.OFF or not (note.bend or mpe):
            return None
        sounding.bend_range = MPE_RANGE if mpe else shape.bend_range
        sounding.mpe = mpe
        if note.bend:
            index = max(0, bisect_right(note.bend, into, key=itemgetter(0)) - 1)
            sounding.bent_to, cents = note.bend[index]
            sounding.bend = self._value(cents, sounding.bend_range, sounding)
        return Bending(sounding.bend, sounding.bend_range, mpe)

    def follow(self, loaded: Loaded, shape: Shape, place: Place, now: HostTime, horizon: HostTime) -> Iterator[Bend]:
        """Give the bends of the part's sounding notes that are due before `horizon`."""
        for token, sounding in loaded.sounding.items():
            if shape.bend is BendMode.OFF:
                if sounding.bend != CENTRE and sounding.bend_range is not None:
                    sounding.bend = CENTRE
                    # After whatever has been handed on, the note itself too.
                    sounding.bent_at = HostTime(max(now, sounding.bent_at + EVERY))
                    yield Bend(token, sounding.bent_at, Bending(CENTRE, sounding.bend_range, sounding.mpe))
                continue
            note = loaded.sounds_as(sounding)
            if sounding.bend_range is None and shape.bend is BendMode.CHANNEL and note.bend:
                sounding.bend_range = shape.bend_range
            if sounding.bend_range is None or not note.bend or note.bend[-1][0] <= sounding.bent_to:
                continue
            for due, cents in self._steps(note, sounding, place, now, horizon):
                value = self._value(cents, sounding.bend_range, sounding)
                if value != sounding.bend:
                    sounding.bend, sounding.bent_at = value, due
                    yield Bend(token, due, Bending(value, sounding.bend_range, sounding.mpe))

    @staticmethod
    def _steps(
        note: Note, sounding: Sounding, place: Place, now: HostTime, horizon: HostTime
    ) -> Iterator[tuple[HostTime, float]]:
        """The points of a note's bend that are to be sent; of those that come too close together, the last."""
        placing, onset = place(sounding.during.clock), note.onset + sounding.shift
        index = bisect_right(note.bend, sounding.bent_to, key=itemgetter(0))
        while index < len(note.bend):
            due = HostTime(max(placing.host(onset + note.bend[index][0]), sounding.bent_at + EVERY, now))
            if due >= horizon:
                return
            while index + 1 < len(note.bend) and placing.host(onset + note.bend[index + 1][0]) <= due:
                index += 1
            sounding.bent_to, cents = note.bend[index]
            yield due, cents
            index += 1

    def _value(self, cents: float, semitones: int, sounding: Sounding) -> int:
        """Fourteen bits, 8192 for no bend."""
        value = CENTRE + round(cents / 100.0 / semitones * CENTRE)
        # The scale ends one step short of the range upwards.
        if not 0 <= value <= _HIGHEST + 1 and not sounding.clamped:
            sounding.clamped = True
            self.clamped += 1
        return min(_HIGHEST, max(0, value))

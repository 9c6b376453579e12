"""The last word before the port: messages in order of time, and a count of what sounds on every channel and pitch.

Several parts may sound the same pitch of the same channel. Each note-on that leaves gets exactly one note-off: before the next
note-on of that pitch, or when the last of the notes that share it ends. So ending one job never cuts another's note.

Pure and single-threaded: it lives where the port sends, which on JACK is the process callback.
"""

from collections.abc import Iterable
from dataclasses import replace
from heapq import heappop, heappush

from bridge.midi.channels import ChannelBends
from bridge.midi.messages import (
    Bend,
    Command,
    Emission,
    NoteOff,
    NoteOn,
    Program,
    Release,
    Silence,
    Token,
    control_change,
    note_off,
    note_on,
    program_change,
)
from bridge.units import Channel, HostTime, Pitch, Seconds

SHORTEST_NOTE = Seconds(0.001)
"""A note-off follows its own note-on by at least this; some instruments swallow both when they coincide."""

_AT_ONCE = 0.0
"""The place in the queue of what was told to happen now: a sender whose cycle runs late must not leave it for the next."""
_FIRST_NON_NOTE = 0xA0
_OFF, _CONTROL, _ON = range(3)
"""Order among messages due at the same time: a pitch is released before it is struck again, a program set before notes."""


_Entry = tuple[float, int, int, Token | bytes | Bend]


class _Note:
    """One note's state; `off` is the number of the queued entry that will end it, due at `off_due`."""

    __slots__ = ("off", "off_due", "on", "released", "sounding")

    def __init__(self, on: NoteOn) -> None:
        self.on = on
        self.sounding = False
        self.released = False
        self.off: int | None = None
        self.off_due = HostTime(0.0)


class Emitter:
    """Takes commands, gives messages when they are due.

    Args:
        tolerance: a note-on that would leave later than this is dropped, with its note-off.

    """

    def __init__(self, tolerance: Seconds) -> None:
        self._tolerance = tolerance
        self._queue: list[_Entry] = []
        self._entries = 0
        self._notes: dict[Token, _Note] = {}
        self._sounding: dict[tuple[Channel, Pitch], int] = {}
        self._channels: set[Channel] = set()
        self._bends = ChannelBends()
        self.dropped_late = 0

    def sounds(self, message: bytes) -> bool:
        """Whether the message is a note message and its pitch sounds on its channel."""
        return message[0] < _FIRST_NON_NOTE and (Channel((message[0] & 0x0F) + 1), Pitch(message[1])) in self._sounding

    def restate(self, channels: Iterable[Channel]) -> list[bytes]:
        """Give again what these channels were told of their bend, and where it stands."""
        return self._bends.restate(channels)

    def accept(self, command: Command) -> None:
        """Take one command."""
        match command:
            case NoteOn():
                self._notes[command.token] = _Note(command)
                self._push(command.due, _ON, command.token)
            case Bend():
                self._push(command.due, _CONTROL, command)
            case NoteOff():
                self._end(command.token, command.due)
            case Release():
                self._release(command.token)
            case Program():
                self._push(command.due, _CONTROL, program_change(command.channel, command.program))
            case Silence():
                for token in list(self._notes):
                    self._release(token)
                channels = map(Channel, range(1, 17)) if command.every_channel else sorted(self._channels)
                for channel in channels:
                    for controller in command.controllers:
                        self._push(_AT_ONCE, _CONTROL, control_change(channel, controller, 0))

    def next_due(self) -> HostTime | None:
        """When the next message is due, 0 where that is at once; None while there is none."""
        while self._queue and self._stale(self._queue[0]):
            heappop(self._queue)
        return HostTime(self._queue[0][0]) if self._queue else None

    def take(self, until: HostTime, now: HostTime) -> list[Emission]:
        """Give the messages due up to `until`, in the order in which they must leave; `now` is when they can leave."""
        out: list[Emission] = []
        while self._queue and self._queue[0][0] <= until:
            entry = heappop(self._queue)
            if self._stale(entry):
                continue
            place, rank, _, what = entry
            due = HostTime(now if place == _AT_ONCE else place)
            if isinstance(what, bytes):
                out.append(Emission(due, what, None, on=False))
            elif isinstance(what, Bend):
                _say(due, self._bends.bend(self._notes[what.token].on, what.bending), out)
            elif rank == _ON:
                self._strike(due, what, now, out)
            else:
                self._finish(due, what, out)
        return out

    def _push(self, due: float, rank: int, what: Token | bytes | Bend) -> int:
        self._entries += 1
        heappush(self._queue, (due, rank, self._entries, what))
        return self._entries

    def _stale(self, entry: _Entry) -> bool:
        """Whether what the entry speaks of has been taken back or was said anew."""
        _, rank, number, what = entry
        if isinstance(what, bytes):
            return False
        if isinstance(what, Bend):
            bent = self._notes.get(what.token)
            return bent is None or bent.released
        note = self._notes.get(what)
        return note is None or (rank == _OFF and note.off != number)

    def _end(self, token: Token, due: HostTime) -> None:
        note = self._notes.get(token)
        if note is not None and not note.released:
            note.off_due = HostTime(max(due, note.on.due + SHORTEST_NOTE))
            note.off = self._push(note.off_due, _OFF, token)

    def _release(self, token: Token) -> None:
        note = self._notes.get(token)
        if note is None:
            return
        if note.sounding:
            note.released = True
            note.off = self._push(_AT_ONCE, _OFF, token)
        else:
            del self._notes[token]

    def _strike(self, due: HostTime, token: Token, now: HostTime, out: list[Emission]) -> None:
        note = self._notes[token]
        if now - due > self._tolerance:
            self.dropped_late += 1
            del self._notes[token]
            return
        channel = self._bends.channel(note.on)
        if channel != note.on.channel:
            note.on = replace(note.on, channel=channel)
        on = note.on
        _say(due, self._bends.strike(on), out)
        place = (on.channel, on.pitch)
        count = self._sounding.get(place, 0)
        if count:
            out.append(Emission(due, note_off(*place), on, on=False))
        self._sounding[place] = count + 1
        self._channels.add(on.channel)
        note.sounding = True
        out.append(Emission(due, note_on(on.channel, on.pitch, on.velocity), on, on=True))
        if note.off is not None and note.off_due < now + SHORTEST_NOTE:
            # It leaves late: its end waits too, or the two would coincide.
            self._end(token, HostTime(now + SHORTEST_NOTE))

    def _finish(self, due: HostTime, token: Token, out: list[Emission]) -> None:
        on = self._notes.pop(token).on
        place = (on.channel, on.pitch)
        count = self._sounding[place] - 1
        if count:
            self._sounding[place] = count
        else:
            del self._sounding[place]
            out.append(Emission(due, note_off(*place), on, on=False))
        _say(due, self._bends.release(on), out)


def _say(due: HostTime, messages: Iterable[bytes], out: list[Emission]) -> None:
    out += (Emission(due, message, None, on=False) for message in messages)

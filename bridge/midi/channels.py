"""What each channel's pitch bend is: which range it was told, where it stands, which note it belongs to; and the channels of MPE.

A bend acts on a whole channel. So it belongs to the note struck last there, and the channel is centred when that note ends, and
before a note that has none. In MPE every sounding note has a channel of its own: member channels 2 to 16 of the lower zone, whose
master is channel 1 (M1-100-UM, "MIDI Polyphonic Expression", MIDI Association, 2018).
"""

from collections import Counter
from collections.abc import Iterable

from bridge.midi.messages import BEND_RANGE, CENTRE, MPE_CONFIGURATION, Bending, NoteOn, Token, pitch_bend, registered
from bridge.units import Channel

MASTER = Channel(1)
MEMBERS = tuple(map(Channel, range(2, 17)))


class ChannelBends:
    """The bend of every channel of one port, from its opening on."""

    def __init__(self) -> None:
        self._ranges: dict[Channel, int] = {}
        """In semitones, where one was declared."""
        self._values: dict[Channel, int] = {}
        """Of the channels that are not centred."""
        self._owners: dict[Channel, Token] = {}
        self._zone = False
        self._ordinary: set[Channel] = set()
        """Channels that notes outside MPE were struck on."""
        self._sounding: Counter[Channel] = Counter()
        self._used: dict[Channel, int] = {}
        """When a member was last struck or released, in uses."""
        self._uses = 0

    def channel(self, on: NoteOn) -> Channel:
        """Where a note is struck: its own channel, or the free member that has rested longest; none free, the longest used."""
        if on.bending is None or not on.bending.mpe:
            return on.channel
        free = [member for member in MEMBERS if member not in self._ordinary] or MEMBERS
        return min(free, key=lambda member: (self._sounding[member], self._used.get(member, 0), member))

    def strike(self, on: NoteOn) -> list[bytes]:
        """Give what goes before a note-on, whose channel has been chosen."""
        messages: list[bytes] = []
        if on.bending is None or not on.bending.mpe:
            self._ordinary.add(on.channel)
        elif not self._zone:
            self._zone = True
            # A receiver then has the range that MPE begins with; whatever was declared before is void.
            self._ranges.clear()
            messages += registered(MASTER, MPE_CONFIGURATION, len(MEMBERS))
        self._owners[on.channel] = on.token
        self._sounding[on.channel] += 1
        self._use(on.channel)
        if on.bending is None:
            return messages + self._move(on.channel, CENTRE)
        return messages + self._bend(on.channel, on.bending)

    def bend(self, on: NoteOn, bending: Bending) -> list[bytes]:
        """Give what bends a sounding note; nothing where its channel is another's by now."""
        return self._bend(on.channel, bending) if self._owners.get(on.channel) == on.token else []

    def release(self, on: NoteOn) -> list[bytes]:
        """Give what goes after a note's end."""
        self._sounding[on.channel] -= 1
        self._use(on.channel)
        if self._owners.get(on.channel) != on.token:
            return []
        del self._owners[on.channel]
        return self._move(on.channel, CENTRE)

    def restate(self, channels: Iterable[Channel]) -> list[bytes]:
        """Give again what these channels were told, for a receiver that may have missed it."""
        messages: list[bytes] = []
        for channel in channels:
            if channel == MASTER and self._zone:
                messages += registered(MASTER, MPE_CONFIGURATION, len(MEMBERS))
            if channel in self._ranges:
                messages += registered(channel, BEND_RANGE, self._ranges[channel])
                messages.append(pitch_bend(channel, self._values.get(channel, CENTRE)))
        return messages

    def _bend(self, channel: Channel, bending: Bending) -> list[bytes]:
        messages: list[bytes] = []
        if self._ranges.get(channel) != bending.semitones:
            self._ranges[channel] = bending.semitones
            messages += registered(channel, BEND_RANGE, bending.semitones)
        return messages + self._move(channel, bending.value)

    def _move(self, channel: Channel, value: int) -> list[bytes]:
        if self._values.get(channel, CENTRE) == value:
            return []
        if value == CENTRE:
            del self._values[channel]
        else:
            self._values[channel] = value
        return [pitch_bend(channel, value)]

    def _use(self, channel: Channel) -> None:
        self._uses += 1
        self._used[channel] = self._uses

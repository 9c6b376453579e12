"""Whole MIDI messages out of whatever a sender and its system make of them (MIDI 1.0).

Most arrive as they should, one in each piece. Here is what need not: several in one piece, with running status; a system exclusive in
many pieces, with clock ticks between its bytes; and bytes that are no MIDI at all.
"""

from bridge.units import HostTime

LONGEST = 1 << 16
"""Bytes of a system exclusive; a longer one is left out."""

_STATUS, _REALTIME = 0x80, 0xF8
_EXCLUSIVE, _EXCLUSIVE_END = 0xF0, 0xF7
_LENGTHS = (
    {kind | channel: 3 for kind in (0x80, 0x90, 0xA0, 0xB0, 0xE0) for channel in range(16)}
    | {kind | channel: 2 for kind in (0xC0, 0xD0) for channel in range(16)}
    | {0xF1: 2, 0xF2: 3, 0xF3: 2, 0xF6: 1}
    | dict.fromkeys((0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF), 1)
)
"""Of every message that MIDI defines, by its status; but for the exclusive, which ends where it says."""

Stamped = tuple[HostTime, bytes]


class MessageReader:
    """Fed piece by piece; remembers a system exclusive that has not ended, and nothing else."""

    def __init__(self) -> None:
        self._exclusive: bytearray | None = None
        self._begun = HostTime(0.0)

    def read(self, host: HostTime, piece: bytes) -> list[Stamped]:
        """Give the messages that a piece completes, each with the time at which its first byte arrived."""
        if len(piece) == _LENGTHS.get(piece[0] if piece else 0) and (len(piece) == 1 or max(piece[1:]) < _STATUS):
            if piece[0] < _REALTIME:
                self._exclusive = None
            return [(host, piece)]
        return self._sort(host, piece)

    def _sort(self, host: HostTime, piece: bytes) -> list[Stamped]:
        out: list[Stamped] = []
        running: int | None = None
        """The status that data bytes without one belong to; of this piece only, for between pieces anything may have been lost."""
        partial = bytearray()
        for byte in piece:
            if byte >= _REALTIME:
                if byte in _LENGTHS:
                    out.append((host, bytes((byte,))))
            elif byte >= _STATUS:
                if byte == _EXCLUSIVE_END:
                    self._end(out)
                    running = None
                    partial.clear()
                    continue
                self._exclusive = None
                partial.clear()
                running = byte if byte < _EXCLUSIVE else None
                if byte == _EXCLUSIVE:
                    self._exclusive, self._begun = bytearray((byte,)), host
                elif byte in _LENGTHS:
                    partial.append(byte)
            elif self._exclusive is not None:
                # At that length it is too long already, for its end is missing: so it stays, and is never given.
                if len(self._exclusive) < LONGEST:
                    self._exclusive.append(byte)
                continue
            elif partial:
                partial.append(byte)
            elif running is not None:
                partial += bytes((running, byte))
            if partial and len(partial) == _LENGTHS[partial[0]]:
                out.append((host, bytes(partial)))
                partial.clear()
        return out

    def _end(self, out: list[Stamped]) -> None:
        if self._exclusive is not None and len(self._exclusive) < LONGEST:
            out.append((self._begun, bytes((*self._exclusive, _EXCLUSIVE_END))))
        self._exclusive = None

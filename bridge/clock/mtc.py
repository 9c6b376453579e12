"""MIDI time code: quarter frames while the sender rolls, full frames where it goes (MIDI 1.0, MTC).

Eight quarter frames carry one address; it is that of the frame in which the first of the eight was sent. No tempo is told. A stop
is silence.
"""

from fractions import Fraction

from bridge.clock.observation import Listener, Observation
from bridge.units import HostTime, Seconds

_RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30))
"""Frames a second by the two bits that tell them; the third one drops frame numbers."""
_DROP = 2
_PIECES = 8
"""Quarter frames in an address, which passes in two frames."""
_STOPPED = Seconds(0.15)
"""Without a quarter frame for so long, nothing rolls: at 24 frames a second one comes every 10 ms."""
_FULL = bytes((0xF0, 0x7F))
_FULL_KIND = bytes((0x01, 0x01))
_FULL_LENGTH = 10


def frames(hours: int, minutes: int, seconds: int, frame: int, rate: int) -> int:
    """Frames since address 0; `rate` is the code of two bits."""
    whole = round(_RATES[rate])
    count = ((hours * 60 + minutes) * 60 + seconds) * whole + frame
    if rate != _DROP:
        return count
    # Two numbers are left out at every full minute but the tenth.
    passed = hours * 60 + minutes
    return count - 2 * (passed - passed // 10)


class MtcSource(Listener):
    """Fed with what comes in at a MIDI port; `origin` is the address at which the project begins."""

    name = "mtc"
    label = "MIDI time code"

    def __init__(self, origin: Seconds = Seconds(0.0)) -> None:
        super().__init__()
        self._origin = origin
        self._nibbles = [0] * _PIECES
        self._piece = -1
        """The latest quarter frame's number."""
        self._run = 0
        """Quarter frames received in their order, without a gap."""
        self._begun: int | None = None
        """The frame in which the eight that are arriving began; None while it is not known."""
        self._rate = 0
        self._seconds = Seconds(0.0)

    @property
    def tells_tempo(self) -> bool:
        return False

    def stop(self) -> None:
        super().stop()
        self._run, self._begun = 0, None

    def receive(self, host: HostTime, data: bytes) -> bool:
        """Take a message that arrived at `host`; False where it is none of MTC's."""
        if data[:1] == b"\xf1" and len(data) == len("ab"):
            self._quarter(host, data[1] >> 4, data[1] & 0x0F)
        elif data[:2] == _FULL and data[3:5] == _FULL_KIND and len(data) == _FULL_LENGTH:
            self._go_to(host, data[5], data[6], data[7], data[8])
        else:
            return False
        self._heard = host
        return True

    def tick(self, now: HostTime) -> None:
        if self._playing and now - self._heard > _STOPPED:
            self._playing, self._run, self._begun = False, 0, None
            self._report(Observation(now, playing=False, seconds=self._seconds))

    def _quarter(self, host: HostTime, piece: int, nibble: int) -> None:
        if host - self._heard > _STOPPED:
            self._run = 0
        in_order = piece == (self._piece + 1) % _PIECES
        self._piece = piece
        if not in_order or (self._run == 0 and piece != 0):
            # Also where the tape runs backwards, which nothing here can play to.
            self._run, self._begun = int(piece == 0), None
        else:
            self._run += 1
        self._nibbles[piece] = nibble
        moved = False
        if piece == 0 and self._begun is not None:
            self._begun += 2
        if piece == _PIECES - 1 and self._run >= _PIECES:
            begun = self._address()
            moved = self._playing and begun != self._begun
            self._begun = begun
        if self._begun is not None:
            self._playing = True
            self._seconds = self._place(self._begun + Fraction(piece, 4))
            self._report(Observation(host, playing=True, seconds=self._seconds, moved=moved))

    def _address(self) -> int:
        low = self._nibbles
        frame, second, minute, hour = (low[i] | low[i + 1] << 4 for i in range(0, _PIECES, 2))
        self._rate = hour >> 5 & 3
        return frames(hour & 0x1F, minute & 0x3F, second & 0x3F, frame & 0x1F, self._rate)

    def _go_to(self, host: HostTime, hour: int, minute: int, second: int, frame: int) -> None:
        self._rate, self._run, self._begun, self._playing = hour >> 5 & 3, 0, None, False
        self._seconds = self._place(Fraction(frames(hour & 0x1F, minute, second, frame, self._rate)))
        self._report(Observation(host, playing=False, seconds=self._seconds))

    def _place(self, frame: Fraction) -> Seconds:
        return Seconds(float(frame / _RATES[self._rate]) - self._origin)

"""What the player needs of a MIDI port, whichever system it belongs to."""

from collections.abc import Iterable
from typing import Protocol

from bridge.midi.messages import Order, Sent
from bridge.units import Seconds


class MidiPort(Protocol):
    """An open output port with outgoing messages of its own, which live on the port's sending thread."""

    @property
    def backend(self) -> str:
        """jack, alsa, coremidi, windows or recording."""

    @property
    def name(self) -> str:
        """The port's full name, as a patchbay shows it; for a recording, the file."""

    @property
    def lead(self) -> Seconds:
        """How far ahead a message must be posted to leave on time."""

    @property
    def xruns(self) -> int:
        """Cycles that the audio system missed since the port opened."""

    @property
    def dropped_late(self) -> int:
        """Notes that came due so long before they could leave that they were dropped."""

    @property
    def dropped_clock(self) -> int:
        """Clock messages of which the same is true."""

    def post(self, orders: Iterable[Order]) -> None:
        """Hand over what is to leave; never blocks."""

    def sent(self) -> list[Sent]:
        """Give what has left since the last call."""

    def tend(self) -> str | None:
        """Do what must be done now and then (every tick is fine); a reason where the port is lost, else None."""

    def drain(self, timeout: Seconds) -> bool:
        """Wait until everything that is due has reached the system; false where that took longer than `timeout`."""

    def close(self) -> None:
        """Close the port; messages not yet due are dropped."""

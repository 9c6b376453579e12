"""Inputs of ALSA and CoreMIDI (virtual, our own) and of Windows (an existing one); stamped when RtMidi's thread hands a message on."""

from time import perf_counter

import rtmidi

from bridge.errors import BridgeError
from bridge.midi.port_input import Take
from bridge.midi.port_rtmidi import Presence, open_client, open_port
from bridge.units import HostTime


class RtmidiInput:
    """A port through RtMidi.

    Args:
        backend: what reports call it.
        api: RtMidi's number for the system.
        name: of the virtual port; with `existing`, of the port to open, or how its name begins.
        take: called on RtMidi's thread.
        existing: open a port that is there instead of making one.

    Raises BridgeError MIDI_UNAVAILABLE.

    """

    def __init__(self, backend: str, api: int, name: str, take: Take, *, existing: bool) -> None:
        self.backend = backend
        self._take = take
        self._input = open_client(rtmidi.MidiIn, api, name)
        try:
            # Unless told, RtMidi keeps exclusives, clock and active sensing to itself.
            self._input.ignore_types(sysex=False, timing=False, active_sense=False)
            self._input.set_callback(self._arrived)
            self.name = open_port(self._input, name, existing=existing)
        except BridgeError:
            self._let_go()
            raise
        self._presence = Presence(self._input, self.name) if existing else None

    def tend(self) -> str | None:
        return None if self._presence is None else self._presence.gone()

    def close(self) -> None:
        self._input.close_port()
        self._let_go()

    def _let_go(self) -> None:
        # The callback holds us, and we the client: nothing collects such a ring in the player.
        self._input.cancel_callback()
        self._input.delete()

    def _arrived(self, event: tuple[list[int], float], _: object) -> None:
        host = HostTime(perf_counter())
        self._take(host, bytes(event[0]))

"""Ports of ALSA and CoreMIDI (virtual, our own) and of Windows (which has none: an existing one, opened by name)."""

from pathlib import Path
from time import perf_counter
from typing import Any

import rtmidi

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.deadline import SPIN, DeadlineSender
from bridge.units import Seconds

APIS = {
    "alsa": rtmidi.API_LINUX_ALSA,
    "coremidi": rtmidi.API_MACOSX_CORE,
    "windows": rtmidi.API_WINDOWS_MM,
}
"""RtMidi's number for each backend; a build carries those of its platform."""

_SEQUENCER = Path("/dev/snd/seq")

_LOOK_EVERY = 1.0
"""Seconds between looks for an existing port that may have been unplugged."""


def compiled(backend: str) -> bool:
    """Whether RtMidi can speak to this backend on this platform."""
    return APIS[backend] in rtmidi.get_compiled_api()


def open_output(api: int, client: str) -> Any:
    """An RtMidi output without a port yet; raises BridgeError MIDI_UNAVAILABLE where the system does not answer."""
    if api == rtmidi.API_LINUX_ALSA and not _SEQUENCER.exists():
        # Asked all the same, ALSA would write its own complaint to standard error.
        reason = f"ALSA has no sequencer here: {_SEQUENCER} does not exist (sudo modprobe snd-seq)"
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, reason)
    try:
        return rtmidi.MidiOut(api, name=client)
    except (rtmidi.SystemError, rtmidi.NoDevicesError, rtmidi.InvalidUseError) as error:
        name = rtmidi.get_api_display_name(api)
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"{name} does not answer: {error}") from error


class RtmidiPort(DeadlineSender):
    """A port through RtMidi, fed by a thread that sends on absolute deadlines.

    Args:
        backend: what reports call it.
        api: RtMidi's number for the system.
        name: of the virtual port; with `existing`, of the port to open, or how its name begins.
        existing: open a port that is there instead of making one.
        tolerance: see `Emitter`.

    Raises BridgeError MIDI_UNAVAILABLE.

    """

    lead = SPIN
    xruns = 0

    def __init__(self, backend: str, api: int, name: str, tolerance: Seconds, *, existing: bool) -> None:
        self.backend = backend
        self._output = open_output(api, name)
        self._existing: str | None = None
        self._looked = perf_counter()
        try:
            if existing:
                index, self.name = self._find(name)
                self._existing = self.name
                self._output.open_port(index)
            else:
                self._output.open_virtual_port(name)
                self.name = f"{name}:{name}"
        except (rtmidi.RtMidiError, OSError) as error:
            self._output.delete()
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"cannot open the port {name!r}: {error}") from error
        super().__init__(self._output.send_message, tolerance)

    def tend(self) -> str | None:
        now = perf_counter()
        if self._existing is not None and now - self._looked >= _LOOK_EVERY:
            self._looked = now
            if self._existing not in self._output.get_ports():
                self.lost = self.lost or f"the port {self._existing!r} is no longer there"
        return self.lost

    def close(self) -> None:
        super().close()
        self._output.close_port()
        self._output.delete()

    def _find(self, name: str) -> tuple[int, str]:
        ports: list[str] = self._output.get_ports()
        for index, port in enumerate(ports):
            if port.lower().startswith(name.lower()):
                return index, port
        there = ", ".join(map(repr, ports)) or "none"
        raise BridgeError(
            ErrorCode.MIDI_UNAVAILABLE,
            f"no MIDI port is named {name!r}; there are: {there}. Make one with loopMIDI, or name one of these.",
        )

"""Ports of ALSA and CoreMIDI (virtual, our own) and of Windows (which has none: an existing one, opened by name)."""

from collections.abc import Callable
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


def open_client(kind: Callable[..., Any], api: int, name: str) -> Any:
    """An `rtmidi.MidiOut` or `MidiIn` without a port yet; raises BridgeError MIDI_UNAVAILABLE where the system does not answer."""
    if api == rtmidi.API_LINUX_ALSA and not _SEQUENCER.exists():
        # Asked all the same, ALSA would write its own complaint to standard error.
        reason = f"ALSA has no sequencer here: {_SEQUENCER} does not exist (sudo modprobe snd-seq)"
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, reason)
    try:
        return kind(api, name=name)
    except (rtmidi.SystemError, rtmidi.NoDevicesError, rtmidi.InvalidUseError) as error:
        system = rtmidi.get_api_display_name(api)
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"{system} does not answer: {error}") from error


def open_port(client: Any, name: str, *, existing: bool) -> str:
    """Give a client its virtual port, or open the existing one whose name begins so; return the port's full name.

    Raises BridgeError MIDI_UNAVAILABLE.
    """
    try:
        if existing:
            index, full = _find(client.get_ports(), name)
            client.open_port(index)
            return full
        client.open_virtual_port(name)
    except (rtmidi.RtMidiError, OSError) as error:
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"cannot open the port {name!r}: {error}") from error
    return f"{name}:{name}"


def _find(ports: list[str], name: str) -> tuple[int, str]:
    # The shortest of several: "StemBridge 0", as Windows numbers it, before "StemBridge in 1".
    for port in sorted(ports, key=len):
        if port.lower().startswith(name.lower()):
            return ports.index(port), port
    there = ", ".join(map(repr, ports)) or "none"
    raise BridgeError(
        ErrorCode.MIDI_UNAVAILABLE,
        f"no MIDI port is named {name!r}; there are: {there}. Make one with loopMIDI, or name one of these.",
    )


class Presence:
    """Whether an existing port that was opened is still there: nothing says so when it is unplugged."""

    def __init__(self, client: Any, port: str) -> None:
        self._client = client
        self._port = port
        self._looked = perf_counter()
        self._gone: str | None = None

    def gone(self) -> str | None:
        """Why the port is lost; None where it is there, or was a moment ago."""
        now = perf_counter()
        if self._gone is None and now - self._looked >= _LOOK_EVERY:
            self._looked = now
            if self._port not in self._client.get_ports():
                self._gone = f"the port {self._port!r} is no longer there"
        return self._gone


class RtmidiPort(DeadlineSender):
    """A port through RtMidi, fed by a thread that sends on absolute deadlines.

    Args:
        backend: what reports call it.
        api: RtMidi's number for the system.
        name: of the virtual port; with `existing`, of the port to open, or how its name begins.
        existing: open a port that is there instead of making one.
        tolerance: see `Outgoing`.

    Raises BridgeError MIDI_UNAVAILABLE.

    """

    lead = SPIN
    xruns = 0

    def __init__(self, backend: str, api: int, name: str, tolerance: Seconds, *, existing: bool) -> None:
        self.backend = backend
        self._output = open_client(rtmidi.MidiOut, api, name)
        try:
            self.name = open_port(self._output, name, existing=existing)
        except BridgeError:
            self._output.delete()
            raise
        self._presence = Presence(self._output, self.name) if existing else None
        super().__init__(self._output.send_message, tolerance)

    def tend(self) -> str | None:
        if self.lost is None and self._presence is not None:
            self.lost = self._presence.gone()
        return self.lost

    def close(self) -> None:
        super().close()
        self._output.close_port()
        self._output.delete()

"""Choosing a port, and saying what there is to choose from.

JACK comes first because it alone takes exact times; a running PipeWire answers as JACK where its library stands in for JACK's.
A system that is not there is never started.
"""

import sys
from dataclasses import dataclass

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.options import PlayerOptions
from bridge.midi.port import MidiPort
from bridge.midi.port_input import MidiInput, Take
from bridge.midi.port_recording import RecordingPort, default_recording
from bridge.units import Seconds

_PROBE = "stembridge-probe"


@dataclass(frozen=True, slots=True)
class MidiSystem:
    """One way of reaching instruments, as it is now."""

    backend: str
    available: bool
    detail: str
    """For a person: why not, or what it is."""
    inputs: tuple[str, ...] = ()
    """Ports of others that a virtual port can be connected to; on Windows, those that can be opened."""


def real_backends() -> tuple[str, ...]:
    """The backends that lead to instruments, best first; those of other platforms left out."""
    platform = {"win32": ("windows",), "darwin": ("coremidi",)}.get(sys.platform, ("alsa",))
    return ("jack", *platform)


def open_port(options: PlayerOptions) -> MidiPort:
    """Open the port that the options ask for; raises BridgeError MIDI_UNAVAILABLE or DISK."""
    if options.backend != "auto":
        return _open(options.backend, options)
    return open_real_port(options) or _open("recording", options)


def open_real_port(options: PlayerOptions) -> MidiPort | None:
    """Open the first port that leads to instruments; None where there is no MIDI system."""
    for backend in real_backends():
        try:
            return _open(backend, options)
        except BridgeError:
            continue
    return None


def _open(backend: str, options: PlayerOptions) -> MidiPort:
    tolerance = Seconds(options.late_tolerance_ms / 1000.0)
    if backend == "recording":
        return RecordingPort(options.recording, tolerance)
    if backend == "jack":
        try:
            from bridge.midi.port_jack import JackPort  # noqa: PLC0415
        except OSError as error:
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"JACK's library is not installed ({error})") from error
        return JackPort(options.port, options.jack_server, tolerance)
    from bridge.midi import port_rtmidi  # noqa: PLC0415

    if not port_rtmidi.compiled(backend):
        raise BridgeError(
            ErrorCode.MIDI_UNAVAILABLE, f"{backend} is not a MIDI system of this platform ({sys.platform})"
        )
    api = port_rtmidi.APIS[backend]
    return port_rtmidi.RtmidiPort(backend, api, options.port, tolerance, existing=backend == "windows")


def open_input(backend: str, options: PlayerOptions, take: Take) -> MidiInput:
    """Open the input port that the options name, on the system that the notes leave by.

    Args:
        backend: one that leads to instruments.
        options: name and server.
        take: called with every message, on a thread of the system's.

    Raises:
        BridgeError: MIDI_UNAVAILABLE.

    """
    if backend == "jack":
        # Whoever has an output there has JACK's library.
        from bridge.midi.port_input_jack import JackInput  # noqa: PLC0415

        return JackInput(options.input, options.jack_server, take)
    from bridge.midi import port_rtmidi  # noqa: PLC0415
    from bridge.midi.port_input_rtmidi import RtmidiInput  # noqa: PLC0415

    api = port_rtmidi.APIS[backend]
    return RtmidiInput(backend, api, options.input, take, existing=backend == "windows")


def list_systems(options: PlayerOptions) -> tuple[MidiSystem, ...]:
    """Say of each MIDI system whether it answers and which ports it has; makes no port that others would see for long."""
    systems = []
    for backend in real_backends():
        try:
            inputs = _jack_inputs(options.jack_server) if backend == "jack" else _rtmidi_inputs(backend)
        except BridgeError as error:
            systems.append(MidiSystem(backend, available=False, detail=error.message))
        else:
            systems.append(MidiSystem(backend, available=True, detail="answers", inputs=inputs))
    recording = options.recording or default_recording()
    systems.append(MidiSystem("recording", available=True, detail=f"writes messages to {recording}, plays nothing"))
    return tuple(systems)


def _jack_inputs(server: str | None) -> tuple[str, ...]:
    try:
        from bridge.midi.port_jack import open_client  # noqa: PLC0415
    except OSError as error:
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"JACK's library is not installed ({error})") from error
    client = open_client(_PROBE, server)
    try:
        return tuple(port.name for port in client.get_ports(is_midi=True, is_input=True))
    finally:
        client.close()


def _rtmidi_inputs(backend: str) -> tuple[str, ...]:
    import rtmidi  # noqa: PLC0415

    from bridge.midi import port_rtmidi  # noqa: PLC0415

    if not port_rtmidi.compiled(backend):
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"this build of RtMidi does not know {backend}")
    output = port_rtmidi.open_client(rtmidi.MidiOut, port_rtmidi.APIS[backend], _PROBE)
    try:
        return tuple(output.get_ports())
    finally:
        output.delete()

"""Listening through JACK: every frame has the time at which JACK would have it, and JACK says how long its own ways are."""

import ctypes
from collections.abc import Sequence
from ctypes.util import find_library
from typing import Self

import jack

from bridge.app.capture import Block, joined
from bridge.errors import BridgeError, ErrorCode
from bridge.midi.jack_time import JackTime
from bridge.midi.port_jack import open_client
from bridge.music.click_delay import Recorded
from bridge.units import Seconds

CLIENT = "StemBridge calibrate"
_CAPTURE, _PLAYBACK = 0, 1
"""JACK's numbers for the two directions of latency."""


class JackCapture:
    """A JACK client with an audio input.

    Args:
        server: as for the MIDI port.
        sources: output ports to listen to, mixed; none: the hardware's.

    Raises BridgeError MIDI_UNAVAILABLE where no server answers, BAD_ARGUMENT for a source that it does not have.

    """

    def __init__(self, server: str | None, sources: Sequence[str] = ()) -> None:
        self._client = open_client(CLIENT, server)
        self._blocks: list[Block] = []
        try:
            self._input = self._client.inports.register("in")
            self._time = JackTime(self._client)
            self._client.set_process_callback(self._process)
            self._client.activate()
            self.name, self.latency = self._listen(sources)
        except (jack.JackError, BridgeError) as error:
            self._client.close()
            if isinstance(error, BridgeError):
                raise
            raise BridgeError(ErrorCode.BAD_AUDIO, f"JACK refused the audio input: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.deactivate()
        self._client.close()

    def recorded(self) -> Recorded:
        return joined(list(self._blocks))

    def connect_midi(self, port: str, target: str) -> None:
        """Connect a MIDI output to an instrument; raises BridgeError BAD_ARGUMENT where there is none of that name."""
        inputs = [p.name for p in self._client.get_ports(is_midi=True, is_input=True)]
        if target not in inputs:
            raise BridgeError(ErrorCode.BAD_ARGUMENT, _missing("MIDI input", target, inputs))
        if not self.is_connected(port):
            self._client.connect(port, target)

    def is_connected(self, port: str) -> bool:
        """Whether a MIDI output leads anywhere."""
        return bool(self._client.get_all_connections(self._client.get_port_by_name(port)))

    def _listen(self, sources: Sequence[str]) -> tuple[str, Seconds]:
        physical = [p.name for p in self._client.get_ports(is_audio=True, is_output=True, is_physical=True)]
        there = [p.name for p in self._client.get_ports(is_audio=True, is_output=True)]
        for source in sources or physical:
            if source not in there:
                raise BridgeError(ErrorCode.BAD_ARGUMENT, _missing("audio output", source, there))
            self._client.connect(source, self._input)
        chosen = list(sources or physical)
        if not chosen:
            raise BridgeError(ErrorCode.BAD_AUDIO, f"JACK has no hardware input; name what to listen to: {there}")
        # Of the sources themselves: what our input inherits of it comes some time after the connection.
        frames = max(_latency_range(self._client.get_port_by_name(name), _CAPTURE) for name in chosen)
        if set(chosen) <= set(physical):
            # What comes from outside was played to what the DAW's own output sounded like there, so much after its place.
            outputs = self._client.get_ports(is_audio=True, is_input=True, is_physical=True)
            frames += max((_latency_range(port, _PLAYBACK) for port in outputs), default=0)
        return ", ".join(chosen), Seconds(frames / self._client.samplerate)

    def _process(self, _: int) -> None:
        self._time.measure()
        frame = self._client.last_frame_time
        self._blocks.append(Block(frame, self._time.host(frame), self._input.get_array().copy()))


def _missing(what: str, name: str, there: Sequence[str]) -> str:
    return f"JACK has no {what} {name!r}; there are: {', '.join(there) or 'none'}"


class _LatencyRange(ctypes.Structure):
    _fields_ = (("min", ctypes.c_uint32), ("max", ctypes.c_uint32))


def _latency_range(port: jack.Port, direction: int) -> int:
    """Frames between a port and the outside, as the driver states it, by the longest way; JACK-Client does not bind this."""
    library = ctypes.CDLL(find_library("jack") or "libjack.so.0")
    found = _LatencyRange()
    pointer = ctypes.c_void_p(int(jack._ffi.cast("uintptr_t", port._ptr)))  # noqa: SLF001
    library.jack_port_get_latency_range(pointer, direction, ctypes.byref(found))
    return int(found.max)

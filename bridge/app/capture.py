"""Listening to an audio input, with the host time of every frame; here through PortAudio."""

from collections.abc import Sequence
from importlib import import_module
from time import perf_counter
from types import ModuleType
from typing import Any, NamedTuple, Self

import numpy as np

from bridge.errors import BridgeError, ErrorCode
from bridge.music.click_delay import Mono, Recorded
from bridge.units import HostTime, Seconds

_FRAME_TIMES = 1 << 32
"""JACK counts frames to here and begins again."""


class Block(NamedTuple):
    """What an input gave in one go."""

    frame: int
    host: HostTime
    """Of its first frame."""
    samples: Mono


def joined(blocks: Sequence[Block]) -> Recorded:
    """One recording of all blocks, silence where one is missing.

    Each block's time has its own small error; the line through them all has next to none, and tells the rate by the host's clock too.

    Raises:
        BridgeError: BAD_AUDIO where there are fewer than two.

    """
    if len(blocks) < 2:  # noqa: PLR2004
        raise BridgeError(ErrorCode.BAD_AUDIO, "the audio input gave nothing: is it in use elsewhere?")
    first = blocks[0].frame
    places = [(block.frame - first) % _FRAME_TIMES for block in blocks]
    samples = np.zeros(places[-1] + len(blocks[-1].samples), np.float32)
    for place, block in zip(places, blocks, strict=True):
        samples[place : place + len(block.samples)] = block.samples
    origin = blocks[0].host
    hosts = np.array([block.host - origin for block in blocks])
    period, offset = np.polyfit(places, hosts, 1)
    return Recorded(samples, float(1 / period), HostTime(float(origin + offset)))


class DeviceCapture:
    """An input device through PortAudio, first channel.

    Args:
        device: its name, a part of it, or its number; None takes the system's default.

    Raises BridgeError BAD_AUDIO where there is none, or no PortAudio.

    """

    latency = Seconds(0.0)
    """PortAudio states when a frame was at the input itself."""

    def __init__(self, device: str | None) -> None:
        library = _portaudio()
        self._blocks: list[Block] = []
        self._frames = 0
        try:
            wanted = int(device) if device is not None and device.isdecimal() else device
            self.name: str = library.query_devices(wanted, "input")["name"]
            self._stream = library.InputStream(device=wanted, channels=1, dtype="float32", callback=self._process)
            self._stream.start()
        except (library.PortAudioError, ValueError) as error:
            devices = [d["name"] for d in library.query_devices() if d["max_input_channels"]]
            message = (
                f"cannot listen to {device or 'the default input'}: {error}; inputs: {', '.join(devices) or 'none'}"
            )
            raise BridgeError(ErrorCode.BAD_AUDIO, message) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def recorded(self) -> Recorded:
        return joined(list(self._blocks))

    def _process(self, samples: Any, frames: int, time: Any, _: object) -> None:
        now = perf_counter()
        # Some drivers do not say when: then the block ended now.
        ago = (
            time.currentTime - time.inputBufferAdcTime if time.inputBufferAdcTime else frames / self._stream.samplerate
        )
        self._blocks.append(Block(self._frames, HostTime(now - ago), samples[:, 0].copy()))
        self._frames += frames


def _portaudio() -> ModuleType:
    try:
        return import_module("sounddevice")
    except (ImportError, OSError) as error:
        hint = "on Debian, Ubuntu: sudo apt-get install libportaudio2"
        raise BridgeError(ErrorCode.BAD_AUDIO, f"audio inputs need PortAudio: {error} ({hint})") from error

"""`stembridge calibrate`: how long after its note an instrument is heard, and the `offset_ms` that makes up for it.

Clicks leave by the player and the port that play the music, without an offset; an audio input is recorded meanwhile, and where the clicks
are in it tells the rest.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from bridge.app.capture import DeviceCapture
from bridge.app.options import player_options
from bridge.app.settings import Settings
from bridge.errors import BridgeError, ErrorCode
from bridge.midi.client import PlayerProcess
from bridge.midi.options import PlayerOptions
from bridge.music.click_delay import FEWEST_CLICKS, LONGEST_DELAY, Delay, click_times, find_onsets, measure_delay
from bridge.music.notes import Extent, Note
from bridge.music.sound import Stem
from bridge.session.playback import NotesSent, Part, PartId, PartPlayed, PlayerEvent, PlayerLost, PortChanged
from bridge.units import Channel, HostTime, JobId, Pitch, Seconds, Velocity

_PART: PartId = (JobId("calibrate"), Stem.OTHER)
_CLICK = Seconds(0.05)
_QUIET_FIRST = Seconds(0.5)
"""Recorded before the first click: what the room sounds like by itself."""
_CONNECT_TIMEOUT = 60.0
_PORT_TIMEOUT = 10.0
_LOOK_EVERY = 0.1

if TYPE_CHECKING:
    from bridge.app.capture_jack import JackCapture

Event = TypeVar("Event", bound=PlayerEvent)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class CalibrationRequest:
    """What to play and where to listen; raises BridgeError BAD_ARGUMENT for too few clicks."""

    listen: tuple[str, ...] = ()
    """JACK's audio outputs, or one input device; empty takes the hardware's inputs, or the default device."""
    instrument: str | None = None
    """JACK's MIDI input to connect the port to; None waits until somebody has."""
    channel: Channel = Channel(1)
    pitch: Pitch = Pitch(60)
    clicks: int = 24
    output_latency_ms: float | None = None
    """How long after its place the DAW's own sound is heard; None takes what JACK says of it, elsewhere 0."""

    def __post_init__(self) -> None:
        if self.clicks < FEWEST_CLICKS:
            message = f"{self.clicks} clicks are too few to be sure of anything: at least {FEWEST_CLICKS}"
            raise BridgeError(ErrorCode.BAD_ARGUMENT, message)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found."""

    delay: Delay
    latency: Seconds
    """What of the delay is not the instrument's: the audio system's own, which the DAW's sound has too."""

    @property
    def offset_ms(self) -> float:
        """The setting that makes up for it, to a tenth."""
        return round((self.latency - self.delay.median) * 1000, 1) + 0.0

    @property
    def doubt_ms(self) -> float:
        """How far the offset may be from what endlessly many clicks would give, with 95 % confidence."""
        return max(self.delay.high - self.delay.median, self.delay.median - self.delay.low) * 1000


def calibrate(settings: Settings, request: CalibrationRequest) -> int:
    """Measure, and say what to set; raises BridgeError where nothing can be told."""
    console = Console(highlight=False, soft_wrap=True)
    found = asyncio.run(measure(player_options(settings), request, lambda text: console.print(text, markup=False)))
    delay = found.delay
    console.print(f"Heard {delay.heard} of {delay.played} clicks, {delay.strays} other sounds.")
    console.print(
        f"Delay: median {delay.median * 1000:.1f} ms, spread +-{delay.spread * 1000:.1f} ms (80 % of the clicks)."
    )
    if found.latency:
        console.print(f"Of it {found.latency * 1000:.1f} ms are the audio system's, which the DAW's own sound has too.")
    console.print(
        f"\nIn the settings, sure within {found.doubt_ms:.1f} ms (95 %):\n\n[midi]\noffset_ms = {found.offset_ms}",
        markup=False,
    )
    return 0


async def measure(options: PlayerOptions, request: CalibrationRequest, say: Say) -> Calibration:
    """Play the clicks and listen.

    Args:
        options: the player's; its own offset is left out.
        request: what to play and where to listen.
        say: takes what a person should know or do meanwhile.

    Raises:
        BridgeError: MIDI_UNAVAILABLE without a port, or where nothing was connected to it; BAD_AUDIO where nothing is heard, or nothing
            regular; BAD_ARGUMENT for a port or device that does not exist.

    """
    stage = _Stage()
    player = PlayerProcess(replace(options, offset_ms=0.0, input=""), stage.take)
    await player.start()
    try:
        port = await stage.port()
        with _capture(options, request) as capture:
            say(
                f"Playing {request.clicks} notes on {port.name}, channel {request.channel}; listening to {capture.name}."
            )
            await _connected(port, capture, request, say)
            await asyncio.sleep(_QUIET_FIRST)
            await stage.play(player, request)
            await asyncio.sleep(LONGEST_DELAY)
            recorded = capture.recorded()
            latency = capture.latency
    finally:
        await player.close()
    if request.output_latency_ms is not None:
        latency = Seconds(request.output_latency_ms / 1000)
    delay = await asyncio.to_thread(lambda: measure_delay(stage.sent, find_onsets(recorded)))
    return Calibration(delay, latency)


def _capture(options: PlayerOptions, request: CalibrationRequest) -> "JackCapture | DeviceCapture":
    """Listen through JACK where a server answers, else to a device."""
    try:
        from bridge.app.capture_jack import JackCapture  # noqa: PLC0415 - its library may not be installed

        return JackCapture(options.jack_server, request.listen)
    except OSError:
        pass
    except BridgeError as error:
        if error.code is not ErrorCode.MIDI_UNAVAILABLE:
            raise
    return DeviceCapture(request.listen[0] if request.listen else None)


async def _connected(
    port: PortChanged, capture: "JackCapture | DeviceCapture", request: CalibrationRequest, say: Say
) -> None:
    """Have the port lead to the instrument."""
    if port.backend == "jack" and not isinstance(capture, DeviceCapture):
        if request.instrument is not None:
            capture.connect_midi(port.name, request.instrument)
        elif not capture.is_connected(port.name):
            say(f"Connect your instrument to {port.name}; it begins as soon as that is done.")
        await _until_connected(port.name, capture)
        return
    if request.instrument is not None:
        message = f"only JACK's ports are connected from here; connect {port.name} to {request.instrument} yourself"
        raise BridgeError(ErrorCode.BAD_ARGUMENT, message)
    if port.backend != "windows" and sys.stdin.isatty():
        say(f"Connect your instrument to {port.name}, then press Enter.")
        await _enter()


async def _until_connected(port: str, capture: "JackCapture") -> None:
    deadline = perf_counter() + _CONNECT_TIMEOUT
    while not capture.is_connected(port):
        if perf_counter() > deadline:
            message = f"within {_CONNECT_TIMEOUT:g} s nothing was connected to {port}"
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, message)
        await asyncio.sleep(_LOOK_EVERY)


async def _enter() -> None:
    """Wait for the key, on a thread that nothing waits for: Ctrl-C need not be followed by it."""
    loop, pressed = asyncio.get_running_loop(), asyncio.Event()

    def wait() -> None:
        sys.stdin.readline()
        loop.call_soon_threadsafe(pressed.set)

    Thread(target=wait, name="enter", daemon=True).start()
    await pressed.wait()


@dataclass(slots=True)
class _Stage:
    """What the player has said so far."""

    events: list[PlayerEvent] = field(default_factory=list)
    sent: list[HostTime] = field(default_factory=list)
    """When each click left."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: PlayerEvent) -> None:
        if isinstance(event, NotesSent):
            self.sent += [HostTime(note.due + note.lateness) for note in event.notes if note.on]
        self.events.append(event)
        self._news.set()

    async def port(self) -> PortChanged:
        """The port, once it is open."""
        port = await self._event(PortChanged, _PORT_TIMEOUT)
        if port is None or not port.available or port.backend == "recording":
            why = "the player says nothing of its port" if port is None else port.message
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"there is no MIDI port to play on: {why}")
        return port

    async def play(self, player: PlayerProcess, request: CalibrationRequest) -> None:
        """Play the clicks, to the end."""
        times = click_times(request.clicks)
        length = Seconds(times[-1] + _CLICK)
        notes = [Note(time, _CLICK, request.pitch, Velocity(127), 1.0) for time in times]
        player.load(Part(_PART, length, 0.0, overrides={"channel": float(request.channel)}))
        player.update(_PART, notes, (), [Extent(Seconds(0.0), length)], complete=True)
        player.launch([_PART])
        if await self._event(PartPlayed, length + _PORT_TIMEOUT) is None:
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, "the MIDI port was lost while the clicks were playing")

    async def _event(self, kind: type[Event], within: float) -> Event | None:
        """The first of a kind; None where it does not come, or the player is gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    for event in self.events:
                        if isinstance(event, kind):
                            return event
                        if isinstance(event, PlayerLost):
                            return None
                    self._news.clear()
                    await self._news.wait()
        return None

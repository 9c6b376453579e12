"""What the settings mean to the rooms: the player's options, the first values of the live parameters, the clock's sources."""

from collections.abc import Callable, Sequence

from bridge.app.settings import Settings
from bridge.clock.ableton import AbletonSource
from bridge.clock.ardour import ArdourSource
from bridge.clock.bitwig import BitwigSource
from bridge.clock.jack_transport import JackTransportSource
from bridge.clock.link import LinkSource
from bridge.clock.midi_clock import SIXTEENTH, MidiClockSource
from bridge.clock.mtc import MtcSource
from bridge.clock.observation import ClockSource
from bridge.clock.observe import ObservedSource
from bridge.clock.osc_source import OscOut, OscSource, Send
from bridge.clock.reaper import ReaperSource
from bridge.errors import BridgeError, ErrorCode
from bridge.midi.options import PlayerOptions
from bridge.osc.arguments import parse_peer
from bridge.osc.clients import Peer
from bridge.units import Beats, Bpm, Seconds

SendTo = Callable[[Peer, Sequence[OscOut]], None]


def player_options(settings: Settings) -> PlayerOptions:
    midi = settings.midi
    return PlayerOptions(
        backend=midi.backend,
        port=midi.port,
        jack_server=midi.jack_server or None,
        lookahead_ms=midi.lookahead_ms,
        late_tolerance_ms=midi.late_tolerance_ms,
        offset_ms=midi.offset_ms,
        input=midi.input,
        recording=settings.recording_path,
        realtime=midi.realtime,
    )


def initial_parameters(settings: Settings) -> dict[str, float]:
    """The live parameters that the settings set."""
    initial: dict[str, float] = {f"channel/{stem}": number for stem, number in settings.stem_channels.items()}
    initial |= {name: value for name, value in settings.parameters if name != "threshold"}
    if settings.threshold is not None:
        initial["threshold"] = settings.threshold
    return initial


def clock_sources(settings: Settings, send: SendTo) -> list[ClockSource]:
    """Every source that there is; raises BridgeError BAD_ARGUMENT for a DAW's address that is none."""
    clock = settings.clock
    peers: list[tuple[type[OscSource], str]] = [
        (ArdourSource, clock.ardour),
        (AbletonSource, clock.ableton),
        (BitwigSource, clock.bitwig),
        (ReaperSource, clock.reaper),
    ]
    return [
        ObservedSource(),
        JackTransportSource(settings.midi.jack_server or None),
        *(kind(_to(kind.name, address, send)) for kind, address in peers),
        MidiClockSource(SIXTEENTH if clock.pointer == "sixteenths" else 1),
        MtcSource(Seconds(clock.mtc_origin_s)),
        LinkSource(Bpm(settings.transport.bpm), Beats(clock.link_quantum)),
    ]


def _to(name: str, address: str, send: SendTo) -> Send:
    peer = parse_peer(address)
    if peer is None:
        raise BridgeError(
            ErrorCode.BAD_ARGUMENT, f"clock.{name} = {address!r}: expected host:port with an IP address or localhost"
        )
    return lambda messages: send(peer, messages)

"""What DAWs send over OSC, replayed with the addresses and types that they document, and what a source asks them for."""

from collections.abc import Sequence
from random import Random

import pytest

from bridge.clock.ableton import AbletonSource
from bridge.clock.ardour import ArdourSource
from bridge.clock.bitwig import BitwigSource
from bridge.clock.estimator import Estimator
from bridge.clock.observation import Observation
from bridge.clock.osc_source import OscOut, OscSource
from bridge.clock.reaper import ReaperSource
from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Loop, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds
from tests.clock.peer import START, Peer, error


class Daw:
    """One source, what it wrote to its DAW, and the estimator behind it."""

    def __init__(self, kind: type[OscSource]) -> None:
        self.written: list[OscOut] = []
        self.source = kind(self.written.extend)
        self.said: list[Observation] = []
        self.estimator = Estimator(Transport(START, Seconds(0.0), playing=False))
        self.source.start(self._hear)

    def _hear(self, seen: Observation) -> None:
        self.said.append(seen)
        self.estimator.observe(seen)

    def send(self, host: float, address: str, *arguments: object) -> bool:
        return self.source.receive(HostTime(host), address, arguments)


def beat_text(beats: float) -> str:
    """As DrivenByMoss formats it: all parts rounded down."""
    hundredths = int(beats % 0.25 / 0.25 * 100)
    return f"{int(beats // 4) + 1}.{int(beats % 4) + 1:02d}.{int(beats % 1 / 0.25) + 1:02d}:{hundredths:02d}"


def tell(daw: Daw, peer: Peer, host: float, arrives: float) -> None:
    """One position as this DAW sends it."""
    seconds, beats = peer.seconds(host), peer.beats(host)
    match daw.source.name:
        case "reaper":
            daw.send(arrives, "/time", seconds)
            daw.send(arrives, "/beat/str", "1.1.00")
        case "ableton":
            daw.send(arrives, "/live/song/get/current_song_time", beats)
        case "bitwig":
            daw.send(arrives, "/update", 1)
            daw.send(arrives, "/time/str", "0:00:00:000")
            daw.send(arrives, "/beat/str", beat_text(beats))
            daw.send(arrives, "/update", 0)
        case "ardour":
            # The end of the cycle under way.
            samples = (int(seconds * 48_000) // 1024 + (1 if peer.at(host).playing else 0)) * 1024
            at = samples / 48_000
            there = peer.at(host).tempo.beats_at(Seconds(at))
            daw.send(
                arrives,
                "/position/bbt",
                f"{int(there // 4) + 1:03d}|{int(there % 4) + 1:02d}|{int(there % 1 * 1920):04d}",
            )
            daw.send(arrives, "/position/time", f"00:{int(at // 60):02d}:{int(at % 60):02d}.{int(at % 1 * 1000):03d}")
            daw.send(arrives, "/position/samples", str(samples))


TEMPO = {"reaper": "/tempo/raw", "bitwig": "/tempo/raw", "ableton": "/live/song/get/tempo"}
PLAY = {
    "reaper": "/play",
    "bitwig": "/play",
    "ableton": "/live/song/get/is_playing",
    "ardour": "/transport_play",
}
KINDS = [ReaperSource, AbletonSource, BitwigSource, ArdourSource]


@pytest.mark.parametrize("kind", KINDS)
def test_positions_at_the_daws_rate_are_followed_to_the_musician_s_ear(kind: type[OscSource]) -> None:
    daw, peer, random = Daw(kind), Peer(103), Random(3)
    peer.play(START + 1)
    if kind.name in TEMPO:
        daw.send(START, TEMPO[kind.name], 103.0)
    tell(daw, peer, START, START)
    daw.send(START + 1, PLAY[kind.name], 1)
    late = []
    for count in range(11 * 15):
        host = START + 1 + count / 11
        tell(daw, peer, host, host + random.uniform(-0.01, 0.01))
        if count > 6 * 11:
            late.append(error(peer, daw.estimator.transport, host + 0.04))
    assert max(abs(off) for off in late) < 0.004
    assert daw.estimator.transport.tempo.bpm == pytest.approx(103, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_play_and_stop_are_heard_and_parked_positions_are_moves(kind: type[OscSource]) -> None:
    daw, peer = Daw(kind), Peer()
    peer.locate(START, 16)
    tell(daw, peer, START, START)
    daw.send(START, PLAY[kind.name], 1)
    assert daw.estimator.transport.playing
    if kind is ArdourSource:
        daw.send(START + 0.5, "/transport_stop", 1)
    else:
        daw.send(START + 0.5, PLAY[kind.name], 0)
    assert not daw.estimator.transport.playing
    peer.locate(START + 1, 40)
    tell(daw, peer, START + 1, START + 1)
    assert daw.estimator.transport.beats(HostTime(START + 1)) == pytest.approx(40, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_there_before_it_has_spoken(kind: type[OscSource]) -> None:
    daw = Daw(kind)
    assert not daw.source.alive(HostTime(START))
    assert not daw.send(START, "/bridge/ping")
    tell(daw, Peer(), START, START)
    assert daw.source.alive(HostTime(START))


def test_reapers_silence_is_a_loss_only_while_it_rolls() -> None:
    daw = Daw(ReaperSource)
    daw.send(START, "/time", 1.0)
    assert daw.source.alive(HostTime(START + 3600))
    daw.send(START + 3600, "/play", 1.0)
    daw.send(START + 3600, "/time", 1.0)
    assert daw.source.alive(HostTime(START + 3600.5))
    assert not daw.source.alive(HostTime(START + 3601.5))


def test_what_reaper_and_bitwig_share_makes_neither_of_the_other() -> None:
    reaper, bitwig = Daw(ReaperSource), Daw(BitwigSource)
    for daw in (reaper, bitwig):
        daw.send(START, "/play", 1)
        daw.send(START, "/tempo/raw", 90.0)
        daw.send(START, "/beat/str", "3.1.50")
        daw.send(START, "/time", 4.0)
    assert reaper.source.alive(HostTime(START))
    assert not bitwig.source.alive(HostTime(START))
    assert bitwig.said == []
    assert reaper.said[-1] == Observation(HostTime(START), playing=True, seconds=Seconds(4.0), bpm=Bpm(90.0))


def test_bitwigs_beat_is_read_in_its_own_bars() -> None:
    daw = Daw(BitwigSource)
    daw.send(START, "/time/signature", "3 / 4")
    daw.send(START, "/beat/str", "5.02.03:40")
    assert daw.said[-1].beats == pytest.approx(12 + 1 + 0.5 + 0.1, abs=0.0013)
    assert daw.said[-1].beats_per_bar == 3


def test_lives_loop_and_signature_are_read_and_its_numbers_may_be_floats_or_switches() -> None:
    daw = Daw(AbletonSource)
    for name, value in {"loop": True, "loop_start": 8.0, "loop_length": 4, "signature_numerator": 6}.items():
        daw.send(START, f"/live/song/get/{name}", value)
    daw.send(START, "/live/song/get/signature_denominator", 8)
    daw.send(START, "/live/song/get/is_playing", 1.0)
    daw.send(START, "/live/song/get/current_song_time", 9.0)
    seen = daw.said[-1]
    assert seen.playing
    assert seen.loop == Loop(Beats(8.0), Beats(12.0))
    assert seen.beats_per_bar == 3
    daw.send(START, "/live/song/get/loop", 0)
    assert daw.said[-1].loop is None


def test_ardours_rate_and_tempo_are_found_though_no_address_tells_them() -> None:
    daw, peer = Daw(ArdourSource), Peer(97)
    peer.play(START)
    daw.send(START, "/transport_play", 1)
    for count in range(60):
        tell(daw, peer, START + count / 10, START + count / 10)
    assert daw.said[-1].bpm == 97
    assert daw.said[-1].seconds == pytest.approx((int(5.9 * 48_000) // 1024 + 0.5) * 1024 / 48_000)


def test_ardours_bars_of_three_are_counted_once_one_has_ended() -> None:
    daw = Daw(ArdourSource)
    daw.send(START, "/transport_play", 1)
    for count in range(16):
        bar, beat = divmod(count, 3)
        at = START + count / 2
        daw.send(at, "/position/bbt", f"{bar + 1:03d}|{beat + 1:02d}|0000")
        daw.send(at, "/position/time", f"00:00:{count // 2:02d}.{count % 2 * 500:03d}")
        daw.send(at, "/position/samples", str(count * 24_000))
    assert daw.said[-1].beats_per_bar == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", [(), ("",), (b"x",), (None,), ("1.2",), (float("inf"),), (1e30,)])
def test_strange_arguments_of_known_addresses_break_nothing(kind: type[OscSource], arguments: Sequence[object]) -> None:
    daw = Daw(kind)
    for address in (
        *("/time", "/play", "/stop", "/tempo/raw", "/beat/str", "/time/signature", "/position/bbt", "/position/time"),
        *("/position/samples", "/transport_play", "/transport_stop", "/heartbeat", "/live/song/get/tempo"),
        *("/live/song/get/current_song_time", "/live/song/get/signature_denominator", "/live/error"),
    ):
        daw.send(START, address, *arguments)


def test_a_daw_is_written_to_only_where_its_source_was_named() -> None:
    daw = Daw(AbletonSource)
    daw.source.tick(HostTime(START))
    assert daw.written == []
    daw.source.wanted = True
    daw.source.tick(HostTime(START))
    assert OscOut("/live/song/start_listen/tempo") in daw.written
    assert OscOut("/live/test") in daw.written
    daw.written.clear()
    daw.send(START + 1, "/live/test", "ok")
    daw.source.tick(HostTime(START + 2.5))
    assert daw.written == [OscOut("/live/test")]
    daw.written.clear()
    # Live was started again: its listeners are gone.
    daw.send(START + 3, "/live/startup")
    assert OscOut("/live/song/start_listen/current_song_time") in daw.written
    assert not daw.source.alive(HostTime(START + 10))


@pytest.mark.parametrize(
    ("kind", "hello"),
    [
        (ArdourSource, [OscOut("/set_surface", (0, 0, 3128, 0, 0, 0, 0))]),
        (BitwigSource, [OscOut("/refresh")]),
        (ReaperSource, []),
    ],
)
def test_a_daw_that_is_not_heard_is_asked_again_and_again(kind: type[OscSource], hello: list[OscOut]) -> None:
    daw = Daw(kind)
    daw.source.wanted = True
    for host in (START, START + 1, START + 2.5):
        daw.source.tick(HostTime(host))
    assert daw.written == hello * 2


def test_what_a_daw_takes_over_osc_is_passed_on_and_the_rest_refused_by_its_name() -> None:
    live, reaper, bitwig = Daw(AbletonSource), Daw(ReaperSource), Daw(BitwigSource)
    live.source.set_tempo(Bpm(99.0))
    live.source.locate(Beats(8.0), Seconds(4.0))
    assert live.written == [
        OscOut("/live/song/set/tempo", (99.0,)),
        OscOut("/live/song/set/current_song_time", (8.0,)),
    ]
    reaper.source.play()
    assert reaper.written == [OscOut("/play", (1.0,))]
    with pytest.raises(BridgeError, match=r"REAPER.*tempo to 99.*internal") as refusal:
        reaper.source.set_tempo(Bpm(99.0))
    assert refusal.value.code is ErrorCode.NOT_SUPPORTED
    bitwig.source.halt()
    assert bitwig.written == []  # a stop while it is parked rewinds it

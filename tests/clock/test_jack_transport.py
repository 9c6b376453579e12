"""JACK transport against a real server, rolled by another client in a process of its own that knows the truth."""

import threading
import time
from collections.abc import Callable, Iterator
from statistics import median
from types import SimpleNamespace

import pytest

from bridge.clock.jack_transport import JackTransportSource, believable, told_beats
from bridge.clock.project import ProjectClock
from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Loop, Transport
from bridge.units import Beats, Bpm, HostTime
from tests.clock.jack_roller import Roller
from tests.jack_peer import JackServer, jack_server


class Rig:
    """A project clock on a server of its own."""

    def __init__(self, server: JackServer) -> None:
        self.server = server
        self.said: list[Transport] = []
        self.sources: list[tuple[str, bool]] = []
        self.seen: list[tuple[float, Transport]] = []
        self.source = JackTransportSource(server.name)
        self.clock = ProjectClock(
            Bpm(120.0), now, self.said.append, lambda *who: self.sources.append(who), [self.source]
        )
        self.clock.start()

    def until(self, predicate: Callable[[], object], timeout: float = 10.0) -> bool:
        """Look as the daemon does until something is so."""
        deadline = time.perf_counter() + timeout
        while not predicate():
            if time.perf_counter() > deadline:
                return False
            self.clock.tick()
            self.seen.append((time.perf_counter(), self.clock.transport))
            time.sleep(0.01)
        return True

    def roll(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        self.until(lambda: time.perf_counter() > end, seconds + 5)

    @property
    def place(self) -> float:
        return self.clock.transport.position(now())


def now() -> HostTime:
    return HostTime(time.perf_counter())


@pytest.fixture
def rig() -> Iterator[Rig]:
    with jack_server() as server:
        rig = Rig(server)
        try:
            yield rig
        finally:
            rig.source.stop()
            # A server that is ended while a client is leaving takes long over it.
            for thread in threading.enumerate():
                if thread.name == "jack-close":
                    thread.join(10)


def test_the_frame_is_followed_to_a_fraction_of_a_millisecond(rig: Rig) -> None:
    with Roller(rig.server) as roller:
        roller.say("play")
        assert rig.until(lambda: rig.clock.source == "jack" and rig.clock.transport.playing)
        rig.seen.clear()
        rig.roll(1.5)
        roller.wait_for(lambda: roller.cycles[-1][0] > rig.seen[-1][0])
        errors = [t.position(HostTime(host)) - roller.seconds(host) for host, t in rig.seen if roller.seconds(host)]
    assert len(errors) > 50
    assert median(abs(error) for error in errors) < 0.0005
    assert len(rig.said) < 20


def test_a_locate_is_a_seek_and_a_stop_parks(rig: Rig) -> None:
    with Roller(rig.server) as roller:
        roller.say("play")
        assert rig.until(lambda: rig.place > 0.3)
        roller.say("locate", 30 * rig.server.rate)
        assert rig.until(lambda: 30 < rig.place < 31)
        roller.say("stop")
        assert rig.until(lambda: not rig.clock.transport.playing)
        roller.say("locate", 5 * rig.server.rate)
        assert rig.until(lambda: rig.place == 5)


def test_a_timebase_masters_tempo_is_heard_where_it_changes(rig: Rig) -> None:
    with Roller(rig.server) as roller:
        roller.say("tempo", 90)
        roller.say("play")
        assert rig.until(lambda: rig.clock.bpm == 90 and rig.place > 1)
        roller.say("tempo", 140)
        assert rig.until(lambda: rig.clock.bpm == 140)


def test_a_transport_that_nobody_has_touched_is_no_clock_unless_it_is_named(rig: Rig) -> None:
    with Roller(rig.server):
        assert not rig.until(lambda: rig.clock.source == "jack", 1.5)
        rig.clock.choose("jack")
        assert rig.until(lambda: rig.sources[-1] == ("jack", True))


def test_our_commands_move_jacks_transport(rig: Rig) -> None:
    with Roller(rig.server) as roller:
        rig.clock.choose("jack")
        assert rig.until(lambda: rig.clock.locked)
        rig.clock.locate(Beats(8.0))
        assert rig.until(lambda: rig.place == 4)
        rig.clock.play()
        assert roller.wait_for(lambda: roller.cycles[-1][2])
        rig.clock.stop()
        assert roller.wait_for(lambda: not roller.cycles[-1][2])
        with pytest.raises(BridgeError, match="follows JACK transport") as refusal:
            rig.clock.set_loop(Loop(Beats(0.0), Beats(4.0)))
        assert refusal.value.code is ErrorCode.NOT_SUPPORTED
        assert not rig.clock.knows_tempo, "nobody here is a timebase master"
        rig.clock.set_tempo(Bpm(99.0))
        assert rig.clock.knows_tempo
        assert rig.clock.bpm == 99


def test_a_server_that_dies_is_lost_and_found_again_when_it_returns(rig: Rig) -> None:
    with Roller(rig.server) as roller:
        roller.say("play")
        assert rig.until(lambda: rig.clock.transport.playing)
        rig.server.kill()
        assert rig.until(lambda: rig.sources[-1] == ("jack", False))
        assert rig.clock.transport.playing
        assert rig.until(lambda: rig.sources[-1] == ("internal", True))
        assert not rig.clock.transport.playing
    rig.server.start()
    with Roller(rig.server) as roller:
        roller.say("play")
        assert rig.until(lambda: rig.sources[-1] == ("jack", True))


def test_a_server_that_hangs_is_lost(rig: Rig) -> None:
    with Roller(rig.server) as roller:
        roller.say("play")
        assert rig.until(lambda: rig.clock.transport.playing)
        rig.server.suspend()
        assert rig.until(lambda: rig.sources[-1] == ("jack", False))
        rig.server.resume()
        assert rig.until(lambda: rig.sources[-1] == ("jack", True))


def test_without_a_server_it_waits_and_starts_none(tmp_path) -> None:
    source = JackTransportSource("stembridge-test-nobody")
    source.start(lambda _: None)
    try:
        deadline = time.perf_counter() + 1.5
        while time.perf_counter() < deadline:
            source.tick(now())
            time.sleep(0.02)
        assert not source.alive(now())
        with pytest.raises(BridgeError, match="stembridge-test-nobody"):
            source.play()
    finally:
        source.stop()


@pytest.mark.parametrize(
    ("bar", "beat", "tick", "bar_start_tick", "beats"),
    [
        (3, 2, 960, 2 * 4 * 1920.0, 9.5),
        # Two bars of three and one of four before it.
        (4, 1, 0, 10 * 1920.0, 10.0),
        # A master that counts no ticks.
        (3, 1, 0, 0.0, 8.0),
        # Ardour 7.3 at frames 33,024 and 201,216 of 48,000 a second.
        (1, 2, 722, 5_066_158.0, 1.376),
        (3, 1, 737, 30_903_583.0, 8.384),
    ],
)
def test_a_masters_bars_are_counted_by_ticks_that_can_be(bar, beat, tick, bar_start_tick, beats) -> None:
    position = SimpleNamespace(
        bar=bar,
        beat=beat,
        tick=tick,
        bar_start_tick=bar_start_tick,
        ticks_per_beat=1920.0,
        beats_per_bar=4.0,
        beat_type=4.0,
    )
    assert told_beats(position) == pytest.approx(beats, abs=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ticks_per_beat": 0.0},
        {"beats_per_bar": 0.0},
        {"beats_per_minute": float("inf")},
        {"bar_start_tick": float("nan")},
    ],
)
def test_what_a_timebase_master_tells_is_left_aside_where_it_cannot_be(wrong: dict[str, float]) -> None:
    told = {"beats_per_minute": 120.0, "beat_type": 4.0, "beats_per_bar": 4.0, "ticks_per_beat": 1920.0}
    position = SimpleNamespace(**told | {"bar": 2, "bar_start_tick": 7680.0} | wrong)
    assert not believable(position)
    assert believable(SimpleNamespace(**told | {"bar": 2, "bar_start_tick": 7680.0}))

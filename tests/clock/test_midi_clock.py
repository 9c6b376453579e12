"""MIDI clock both ways: what a sender's bytes mean, and that a slave of ours is where we are."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.clock.estimator import Estimator
from bridge.clock.master import MidiClockMaster, Timed
from bridge.clock.midi_clock import MidiClockSource
from bridge.clock.observation import Observation
from bridge.music.tempo import Loop, TempoMap, TempoPoint, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds

TICK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"


def pointer(sixteenths: int) -> bytes:
    return bytes((0xF2, sixteenths & 0x7F, sixteenths >> 7))


class Heard:
    """A source and the observations that it made of what it was sent."""

    def __init__(self) -> None:
        self.source = MidiClockSource()
        self.said: list[Observation] = []
        self.source.start(self.said.append)
        self.now = 100.0

    def send(self, *messages: bytes, every: float = 0.0) -> None:
        for data in messages:
            self.now += every
            assert self.source.receive(HostTime(self.now), data)


def test_a_start_is_beat_0_with_the_tick_after_it() -> None:
    heard = Heard()
    heard.send(START)
    assert heard.said == []
    heard.send(TICK, every=0.02)
    assert heard.said == [Observation(HostTime(100.02), playing=True, beats=Beats(0.0), moved=True)]
    heard.send(*[TICK] * 24, every=0.02)
    assert heard.said[-1].beats == 1
    assert not heard.said[-1].moved


def test_a_pointer_counts_sixteenths_and_continue_goes_on_from_it() -> None:
    heard = Heard()
    heard.send(pointer(300))
    assert heard.said[-1].beats == 75
    assert not heard.said[-1].playing
    heard.send(CONTINUE, TICK)
    assert heard.said[-1].beats == 75
    assert heard.said[-1].moved
    heard.send(TICK)
    assert heard.said[-1].beats == pytest.approx(75 + 1 / 24)


def test_continue_after_stop_goes_on_with_the_next_tick() -> None:
    heard = Heard()
    heard.send(START, *[TICK] * 7, STOP)
    assert not heard.said[-1].playing
    heard.send(TICK, TICK)  # ticks of a parked sender move nothing
    heard.send(CONTINUE, TICK)
    assert heard.said[-1].beats == pytest.approx(7 / 24)
    assert heard.said[-1].playing


def test_a_pointer_on_the_way_is_a_seek_with_the_next_tick() -> None:
    heard = Heard()
    heard.send(START, TICK, TICK, pointer(64), TICK)
    assert heard.said[-1].beats == 16
    assert heard.said[-1].moved


def test_ticks_alone_tell_a_tempo_and_no_place() -> None:
    heard = Heard()
    heard.send(*[TICK] * 60, every=60 / 24 / 97)
    assert not heard.source.located
    assert heard.said
    assert all(not seen.playing and seen.beats is None for seen in heard.said)
    assert heard.said[-1].bpm == 97
    heard.send(START)
    assert heard.source.located


def test_silence_while_it_rolls_is_a_loss_and_parked_it_is_none() -> None:
    heard = Heard()
    assert not heard.source.alive(HostTime(heard.now))
    heard.send(START, TICK)
    assert heard.source.alive(HostTime(heard.now + 0.4))
    assert not heard.source.alive(HostTime(heard.now + 0.6))
    heard.send(STOP)
    assert heard.source.alive(HostTime(heard.now + 3600))


@pytest.mark.parametrize("data", [b"\x90\x40\x40", b"\xfe", b"\xf2\x01", b"", b"\xff"])
def test_other_messages_are_left_to_others(data: bytes) -> None:
    heard = Heard()
    assert not heard.source.receive(HostTime(1.0), data)
    assert heard.said == []


@given(
    st.lists(
        st.one_of(
            st.sampled_from([TICK, TICK, TICK, TICK, START, CONTINUE, STOP]), st.integers(0, 0x3FFF).map(pointer)
        ),
        max_size=60,
    )
)
def test_any_order_of_messages_leaves_the_place_that_the_specification_gives(messages: list[bytes]) -> None:
    heard = Heard()
    rolling, next_tick, place = False, 0, None
    for data in messages:
        heard.send(data)
        match data[0]:
            case 0xFA:
                rolling, next_tick = True, 0
            case 0xFB:
                rolling = True
            case 0xFC:
                rolling = False
            case 0xF2:
                next_tick = (data[1] | data[2] << 7) * 6
            case _ if rolling:
                place, next_tick = next_tick, next_tick + 1
                assert heard.said[-1].beats == pytest.approx(place / 24)
                assert heard.said[-1].playing
    placed = [seen for seen in heard.said if seen.beats is not None]
    assert all(seen.beats is not None and seen.beats >= 0 for seen in placed)


# Tempo out


def transport(**change: object) -> Transport:
    at_rest = Transport(HostTime(10.0), Seconds(0.0), playing=True, tempo=TempoMap.constant(Bpm(120.0)))
    return replace(at_rest, **change)


@dataclass
class Slave:
    """What the specification has a slave do, in ticks: its place is known from the messages alone."""

    rolling: bool = False
    armed: bool = False
    """A start or continue came: the next tick is the place itself."""
    place: int = 0
    ticks: list[tuple[float, int]] = field(default_factory=list)

    def take(self, messages: list[Timed]) -> None:
        for host, data in messages:
            match data[0]:
                case 0xFA:
                    self.rolling, self.armed, self.place = True, True, 0
                case 0xFB:
                    self.rolling = self.armed = True
                case 0xFC:
                    self.rolling = False
                case 0xF2:
                    assert not self.rolling, "some slaves heed no pointer while they roll"
                    self.place, self.armed = (data[1] | data[2] << 7) * 6, True
                case 0xF8 if self.rolling:
                    if not self.armed:
                        self.place += 1
                    self.armed = False
                    self.ticks.append((host, self.place))


def test_a_play_from_the_beginning_is_start_and_a_tick_each_24th_of_a_beat() -> None:
    master = MidiClockMaster()
    master.change(transport(), HostTime(10.0))
    out = master.until(HostTime(10.05))
    assert [data for _, data in out] == [START, TICK, TICK, TICK]
    assert [host for host, _ in out] == pytest.approx([10, 10, 10 + 1 / 48, 10 + 2 / 48])


def test_a_play_from_between_sixteenths_points_to_the_next_one() -> None:
    master = MidiClockMaster()
    master.change(transport(seconds=Seconds(4.07)), HostTime(10.0))
    out = master.until(HostTime(10.07))
    assert [data for _, data in out] == [pointer(33), CONTINUE, TICK]
    assert out[0].host == 10
    assert out[1].host == pytest.approx(10 + 0.055 - 0.001)
    assert out[2].host == pytest.approx(10 + 0.055)


def test_a_stop_is_said_once_and_ends_the_ticks() -> None:
    master = MidiClockMaster()
    master.change(transport(), HostTime(10.0))
    master.until(HostTime(11.0))
    out = master.change(transport(playing=False, seconds=Seconds(1.0)), HostTime(11.0))
    out += master.change(transport(playing=False, seconds=Seconds(5.0)), HostTime(11.5))
    assert out + master.until(HostTime(20.0)) == [Timed(HostTime(11.0), STOP)]


def test_a_start_that_was_still_to_come_is_not_said_after_a_stop() -> None:
    master = MidiClockMaster()
    master.change(transport(seconds=Seconds(-2.0)), HostTime(10.0))
    assert master.until(HostTime(11.0)) == []
    master.change(transport(playing=False), HostTime(11.0))
    assert master.until(HostTime(20.0)) == []


def test_small_corrections_cost_no_tick_and_no_word() -> None:
    master, slave = MidiClockMaster(), Slave()
    master.change(transport(), HostTime(10.0))
    for count in range(1, 100):
        host = HostTime(10 + count * 0.1)
        slave.take(master.until(host))
        drift = 0.004 * (-1) ** count
        slave.take(master.change(transport(host=host, seconds=Seconds(host - 10 + drift)), host))
    assert [place for _, place in slave.ticks] == list(range(len(slave.ticks)))
    assert max(abs(host - 10 - place / 48) for host, place in slave.ticks) < 0.005


def test_an_hour_of_looping_does_not_drift() -> None:
    master, slave = MidiClockMaster(), Slave()
    round_ = transport(loop=Loop(Beats(1.0), Beats(2.7)), tempo=TempoMap.constant(Bpm(113.0)))
    master.change(round_, HostTime(10.0))
    master.until(HostTime(3600.0))
    slave.take(master.until(HostTime(3604.0)))
    for host, place in slave.ticks:
        beats = round_.beats(HostTime(host + 1e-6))
        assert place / 24 == pytest.approx(beats, abs=1e-4)


def test_no_pointer_reaches_beyond_its_14_bits() -> None:
    master = MidiClockMaster()
    master.change(transport(seconds=Seconds(4096 / 2 + 1)), HostTime(10.0))
    assert master.until(HostTime(12.0)) == []


CHANGES = st.lists(
    st.tuples(
        st.floats(0.05, 2.0),
        st.sampled_from(["play", "stop", "locate", "tempo", "loop", "free", "nudge"]),
        st.floats(0, 30),
        st.floats(40, 220),
    ),
    max_size=10,
)


def history(changes) -> list[Transport]:
    """What an internal clock would have said."""
    said = [transport(playing=False)]
    host = 10.0
    for pause, act, beats, bpm in changes:
        host += pause
        now = said[-1]
        here = replace(now, host=HostTime(host), seconds=now.position(HostTime(host)))
        match act:
            case "play":
                here = replace(here, playing=True)
            case "stop":
                here = replace(here, playing=False)
            case "locate":
                here = replace(here, seconds=here.tempo.seconds_at(Beats(beats)))
            case "nudge":
                here = replace(here, seconds=Seconds(here.seconds + (beats - 15) / 1000))
            case "tempo":
                point = TempoPoint(here.seconds, here.tempo.beats_at(here.seconds))
                here = replace(here, tempo=TempoMap((point,), Bpm(bpm)))
            case "loop":
                here = replace(here, loop=Loop(Beats(beats), Beats(beats + 0.3 + bpm / 100)))
            case "free":
                here = replace(here, loop=None)
        said.append(here)
    return said


def emit(said: list[Transport], ends: list[float], lead: float) -> list[Timed]:
    """Give a master what an app would: changes as they happen, windows `lead` ahead."""
    master, out = MidiClockMaster(), []
    times = sorted([(t.host, 0, t) for t in said] + [(end, 1, None) for end in ends], key=lambda e: e[:2])
    for host, _, change in times:
        if change is None:
            out += master.until(HostTime(host + lead))
        else:
            out += master.change(change, HostTime(host + lead))
    return out


@settings(max_examples=150, deadline=None)
@given(changes=CHANGES, windows=st.lists(st.floats(0.001, 0.7), min_size=1, max_size=12))
def test_any_windows_give_the_same_messages(changes, windows) -> None:
    said = history(changes)
    last = said[-1].host + 2
    ends, end = [last], 10.0
    while end < last:
        for step in windows:
            end += step
            ends.append(min(end, last))
    fixed = [10 + n * 0.01 for n in range(int((last - 10) * 100))] + [last]
    assert emit(said, ends, 0.0) == emit(said, fixed, 0.0)


@settings(max_examples=150, deadline=None)
@given(changes=CHANGES, lead=st.sampled_from([0.0, 0.02]))
def test_a_slave_is_where_we_are_whatever_the_transport_does(changes, lead) -> None:
    said = history(changes)
    last = said[-1].host + 2
    out = emit(said, [10 + n * 0.01 for n in range(int((last - 10) * 100))], lead)
    assert all(a.host <= b.host for a, b in pairwise(out))
    slave = Slave()
    slave.take(out)
    for host, place in slave.ticks:
        now = next(t for t in reversed(said) if t.host + lead <= host + 1e-9)
        truth = now.beats(HostTime(host + 1e-7))
        off = place / 24 - truth
        if now.loop is not None and now.loop_seconds:
            length = now.loop.end - now.loop.start
            off -= round(off / length) * length
        # 50 ms of correction are not worth a word; a tick that was due before it was known comes at once.
        assert abs(off) * 60 / now.tempo.bpm_at(now.position(HostTime(host))) < 0.075


def test_our_own_slave_follows_our_master_through_play_seek_tempo_and_loop() -> None:
    changes = [
        (1, "play", 0, 0),
        (2, "tempo", 0, 90),
        (2, "locate", 20.0, 0),
        (2, "loop", 22.0, 60),
        (1.5, "stop", 0, 0),
    ]
    said = history(changes)
    heard = MidiClockSource()
    estimator = Estimator(transport(playing=False))
    heard.start(estimator.observe)
    worst = 0.0
    for host, data in emit(said, [10 + n * 0.01 for n in range(1200)], 0.0):
        heard.receive(host, data)
        now = next(t for t in reversed(said) if t.host <= host)
        if data == TICK and host - now.host > 0.3:
            off = estimator.transport.beats(host) - now.beats(HostTime(host + 1e-7))
            worst = max(worst, abs(off))
    assert worst < 0.01
    assert not estimator.transport.playing
    assert estimator.transport.tempo.bpm_at(estimator.transport.seconds) == 90


def test_ticks_after_a_silence_roll_on_only_when_they_are_told_where() -> None:
    heard: list[Observation] = []
    source = MidiClockSource()
    source.start(heard.append)
    source.receive(HostTime(0.0), b"\xfa")
    for tick in range(48):
        source.receive(HostTime(tick / 48), b"\xf8")
    for tick in range(48):
        source.receive(HostTime(10 + tick / 48), b"\xf8")
    assert not heard[-1].playing
    assert not source.located
    source.receive(HostTime(12.0), b"\xf2\x08\x00")
    source.receive(HostTime(12.0), b"\xfb")
    source.receive(HostTime(12.01), b"\xf8")
    assert heard[-1].playing
    assert heard[-1].beats == 2


def test_a_keyboard_that_ticks_all_day_does_not_lead_unless_it_is_named() -> None:
    source = MidiClockSource()
    source.start(lambda _: None)
    for tick in range(100):
        source.receive(HostTime(tick / 48), b"\xf8")
    assert not source.alive(HostTime(100 / 48))
    source.wanted = True
    assert source.alive(HostTime(100 / 48))

"""MIDI time code: the place that quarter and full frames tell, at every rate, against a sender written from the specification."""

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.clock.mtc import MtcSource, frames
from bridge.clock.observation import Observation
from bridge.units import HostTime, Seconds

RATES = {0: Fraction(24), 1: Fraction(25), 2: Fraction(30000, 1001), 3: Fraction(30)}
BEGIN = 50.0


def address(frame: int, rate: int) -> tuple[int, int, int, int]:
    """Hours, minutes, seconds, frames: by counting on, minute by minute, as a drop-frame clock is defined."""
    whole = 30 if rate == 2 else int(RATES[rate])
    minute = 0
    while True:
        length = 60 * whole - (2 if rate == 2 and minute % 10 else 0)
        if frame < length:
            break
        frame -= length
        minute += 1
    if rate == 2 and minute % 10:
        frame += 2
    return minute // 60, minute % 60, frame // whole, frame % whole


def quarter_frames(first: int, count: int, rate: int) -> Iterator[tuple[float, bytes]]:
    """Host time and message, from an even frame on."""
    for number in range(count):
        piece = number % 8
        hours, minutes, seconds, frame = address(first + number // 8 * 2, rate)
        value = (frame, seconds, minutes, hours | rate << 5)[piece // 2]
        nibble = value >> 4 if piece % 2 else value & 0x0F
        yield BEGIN + float(number / 4 / RATES[rate]), bytes((0xF1, piece << 4 | nibble))


def full_frame(frame: int, rate: int) -> bytes:
    hours, minutes, seconds, count = address(frame, rate)
    return bytes((0xF0, 0x7F, 0x7F, 0x01, 0x01, hours | rate << 5, minutes, seconds, count, 0xF7))


def listen(origin: float = 0.0) -> tuple[MtcSource, list[Observation]]:
    source, said = MtcSource(Seconds(origin)), []
    source.start(said.append)
    return source, said


@settings(deadline=None)
@given(rate=st.sampled_from(sorted(RATES)), first=st.integers(0, 100_000).map(lambda n: n * 2), skip=st.integers(0, 7))
def test_every_quarter_frame_after_the_first_whole_address_is_a_place(rate: int, first: int, skip: int) -> None:
    source, said = listen()
    sent = list(quarter_frames(first, 40, rate))[skip:]
    for host, data in sent:
        assert source.receive(HostTime(host), data)
    assert len(said) >= 40 - 8 - 7
    for seen in said:
        truth = float(first / RATES[rate]) + seen.host - BEGIN
        assert seen.seconds == pytest.approx(truth, abs=1e-6)
        assert seen.playing
        assert not seen.moved


@pytest.mark.parametrize("rate", RATES)
def test_a_full_frame_is_a_parked_place(rate: int) -> None:
    source, said = listen()
    source.receive(HostTime(1.0), full_frame(123_456, rate))
    assert said == [Observation(HostTime(1.0), playing=False, seconds=Seconds(float(123_456 / RATES[rate])))]


def test_drop_frame_addresses_of_an_hour_are_an_hour() -> None:
    assert frames(1, 0, 0, 0, 2) == 107_892
    assert frames(0, 1, 0, 2, 2) == 1800
    assert frames(0, 10, 0, 0, 2) == 17_982


def test_the_projects_origin_is_taken_off() -> None:
    source, said = listen(3600.0)
    source.receive(HostTime(1.0), full_frame(3600 * 25 + 50, 1))
    assert said[-1].seconds == pytest.approx(2.0)


def test_a_jump_of_the_address_is_said_to_be_one() -> None:
    source, said = listen()
    for host, data in quarter_frames(1000, 32, 1):
        source.receive(HostTime(host), data)
    for host, data in quarter_frames(5000, 16, 1):
        source.receive(HostTime(host + 32 / 4 / 25), data)
    moved = [seen for seen in said if seen.moved]
    assert len(moved) == 1
    assert moved[0].seconds == pytest.approx(5000 / 25 + 7 / 4 / 25)
    assert said[-1].seconds == pytest.approx(5000 / 25 + 15 / 4 / 25)


def test_a_lost_quarter_frame_tells_no_wrong_place() -> None:
    source, said = listen()
    for number, (host, data) in enumerate(quarter_frames(1000, 64, 3)):
        if number != 21:
            source.receive(HostTime(host), data)
    assert said
    for seen in said:
        assert seen.seconds == pytest.approx(1000 / 30 + seen.host - BEGIN, abs=1e-6)


def test_a_tape_that_runs_backwards_is_no_playing() -> None:
    source, said = listen()
    for host, data in [*quarter_frames(1000, 32, 1)][::-1]:
        source.receive(HostTime(2 * BEGIN - host), data)
    assert said == []


def test_silence_is_a_stop_where_it_was_last_heard() -> None:
    source, said = listen()
    for host, data in quarter_frames(0, 32, 1):
        source.receive(HostTime(host), data)
    last = said[-1]
    source.tick(HostTime(last.host + 0.1))
    assert said[-1] is last
    source.tick(HostTime(last.host + 0.2))
    assert not said[-1].playing
    assert said[-1].seconds == last.seconds
    assert source.alive(HostTime(last.host + 3600))


@pytest.mark.parametrize("data", [b"\xf8", b"\xf1", b"\xf0\x7f\x7f\x06\x02\xf7", b""])
def test_other_messages_are_left_to_others(data: bytes) -> None:
    source, said = listen()
    assert not source.receive(HostTime(1.0), data)
    assert not source.alive(HostTime(1.0))
    assert said == []

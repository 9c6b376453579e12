"""The internal clock: what stays where when it is played, moved and re-timed."""

import pytest

from bridge.clock.internal import InternalClock, check_loop
from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Loop, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds


class Desk:
    def __init__(self) -> None:
        self.now = 50.0
        self.said: list[Transport] = []
        self.clock = InternalClock(Bpm(120.0), lambda: HostTime(self.now), self.said.append)

    @property
    def beats(self) -> float:
        return self.clock.transport.beats(HostTime(self.now))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_begins_parked_at_beat_0(desk: Desk) -> None:
    desk.now += 10
    assert desk.beats == 0
    assert desk.said == []


def test_it_rolls_at_its_tempo_and_parks_where_it_is_stopped(desk: Desk) -> None:
    desk.clock.play()
    desk.now += 3
    assert desk.beats == pytest.approx(6)
    desk.clock.halt()
    desk.now += 3
    assert desk.beats == pytest.approx(6)
    desk.clock.play()
    desk.now += 1
    assert desk.beats == pytest.approx(8)


def test_play_while_rolling_changes_nothing(desk: Desk) -> None:
    desk.clock.play()
    desk.now += 1
    desk.clock.play()
    assert len(desk.said) == 1


def test_a_tempo_change_keeps_the_beat_under_the_playhead(desk: Desk) -> None:
    desk.clock.play()
    desk.now += 3
    desk.clock.set_tempo(Bpm(60.0))
    assert desk.beats == pytest.approx(6)
    desk.now += 1
    assert desk.beats == pytest.approx(7)
    assert desk.clock.transport.tempo.bpm == 60


def test_locate_moves_a_rolling_and_a_parked_project(desk: Desk) -> None:
    desk.clock.locate(Beats(16.0), Seconds(8.0))
    assert desk.beats == 16
    desk.clock.play()
    desk.now += 0.5
    desk.clock.locate(Beats(4.0), Seconds(2.0))
    desk.now += 0.5
    assert desk.beats == pytest.approx(5)


def test_a_loop_repeats_and_going_on_is_possible(desk: Desk) -> None:
    desk.clock.set_loop(Loop(Beats(4.0), Beats(8.0)))
    desk.clock.play()
    desk.now += 4.5  # 9 beats: one beyond the loop's end
    assert desk.beats == pytest.approx(5)
    desk.clock.set_loop(None)
    desk.now += 2
    assert desk.beats == pytest.approx(9)


def test_an_empty_loop_is_refused_by_its_values() -> None:
    with pytest.raises(BridgeError, match=r"beat 8 to 8") as refusal:
        check_loop(Loop(Beats(8.0), Beats(8.0)))
    assert refusal.value.code is ErrorCode.BAD_ARGUMENT
    check_loop(None)
    check_loop(Loop(Beats(8.0), Beats(8.0625)))

"""The project's clock: who leads, what happens when he is lost, and what commands do."""

import pytest

from bridge.clock.midi_clock import MidiClockSource
from bridge.clock.mtc import MtcSource
from bridge.clock.observation import Listener, Observation, Report
from bridge.clock.observe import ObservedSource
from bridge.clock.project import ProjectClock
from bridge.clock.reaper import ReaperSource
from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Loop, TempoMap, TempoPoint, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds


class Missing(Listener):
    """A source whose library is not installed."""

    name = "jack"
    label = "JACK transport"
    asks = True

    def start(self, report: Report) -> None:
        raise BridgeError(ErrorCode.NOT_SUPPORTED, "no library")


class Desk:
    def __init__(self) -> None:
        self.now = 500.0
        self.said: list[Transport] = []
        self.sources: list[tuple[str, bool]] = []
        self.written: list[object] = []
        self.clock = ProjectClock(
            Bpm(120.0),
            lambda: HostTime(self.now),
            self.said.append,
            lambda name, locked: self.sources.append((name, locked)),
            [ObservedSource(), MidiClockSource(), MtcSource(), ReaperSource(self.written.extend), Missing()],
        )
        self.clock.start()

    def wait(self, seconds: float) -> None:
        """Time passes, and the clock looks as it does in the daemon."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now = min(until, self.now + 0.02)
            self.clock.tick()

    def roll_midi(self, beats: float, bpm: float = 120.0) -> None:
        for _ in range(round(beats * 24)):
            self.now += 60 / bpm / 24
            self.clock.receive_midi(HostTime(self.now), b"\xf8")

    def reaper(self, seconds: float) -> None:
        self.clock.receive_osc(HostTime(self.now), "/time", (seconds,))

    @property
    def beats(self) -> float:
        return self.clock.transport.beats(HostTime(self.now))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_alone_the_internal_clock_leads_and_says_so(desk: Desk) -> None:
    assert desk.sources == [("internal", True)]
    desk.clock.play()
    desk.wait(1)
    desk.clock.set_tempo(Bpm(60.0))
    desk.wait(1)
    assert desk.beats == pytest.approx(3)
    assert desk.clock.bpm == 60
    assert desk.clock.located


def test_auto_takes_up_who_comes_alive_and_says_who(desk: Desk) -> None:
    desk.reaper(3.0)
    assert desk.sources[-1] == ("reaper", True)
    assert desk.beats == pytest.approx(6)
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(2)
    assert desk.sources[-1] == ("midi", True)
    assert desk.clock.transport.playing
    assert desk.beats == pytest.approx(2 - 1 / 24, abs=0.01)


def test_what_rolls_comes_before_what_is_parked_and_the_better_before_the_worse(desk: Desk) -> None:
    desk.clock.receive_midi(HostTime(desk.now), b"\xf2\x00\x01")
    assert desk.clock.source == "midi"
    desk.clock.receive_osc(HostTime(desk.now), "/play", (1.0,))
    desk.reaper(1.0)
    assert desk.clock.source == "reaper"
    desk.clock.receive_midi(HostTime(desk.now), b"\xfb")
    desk.roll_midi(0.5)
    assert desk.clock.source == "midi"


def test_a_daw_that_is_opened_parked_takes_nothing_from_a_project_that_rolls(desk: Desk) -> None:
    desk.clock.play()
    desk.reaper(100.0)
    desk.wait(0.5)
    assert desk.clock.source == "internal"
    assert desk.beats == pytest.approx(1)
    desk.clock.stop()
    desk.wait(0.1)
    assert desk.clock.source == "reaper"


def test_a_lost_clock_is_reported_played_on_for_2_s_and_then_parked(desk: Desk) -> None:
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(8, bpm=90)
    gone = desk.now
    desk.wait(0.6)
    assert desk.sources[-1] == ("midi", False)
    assert not desk.clock.locked
    desk.wait(gone + 2.4 - desk.now)
    assert desk.clock.transport.playing
    assert desk.beats == pytest.approx(8 - 1 / 24 + 2.4 * 1.5, abs=0.02)
    desk.wait(0.3)
    assert not desk.clock.transport.playing
    assert desk.sources[-1] == ("internal", True)
    parked = desk.beats
    assert parked == pytest.approx(8 - 1 / 24 + 2.5 * 1.5, abs=0.1)
    desk.clock.play()
    desk.wait(1)
    assert desk.beats == pytest.approx(parked + 1.5, abs=0.01)


def test_a_lost_clock_that_was_named_is_waited_for(desk: Desk) -> None:
    desk.clock.choose("midi")
    assert desk.sources[-1] == ("midi", False)
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(4)
    assert desk.sources[-1] == ("midi", True)
    desk.wait(4)
    assert desk.sources[-1] == ("midi", False)
    assert desk.clock.source == "midi"
    assert not desk.clock.transport.playing
    desk.clock.receive_midi(HostTime(desk.now), b"\xf2\x10\x00")
    desk.clock.receive_midi(HostTime(desk.now), b"\xfb")
    desk.roll_midi(1)
    assert desk.sources[-1] == ("midi", True)
    assert desk.beats == pytest.approx(5 - 1 / 24, abs=0.02)
    assert [locked for _, locked in desk.sources] == [True, False, True, False, True]


def test_a_clock_that_comes_back_within_2_s_costs_no_stop(desk: Desk) -> None:
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(4)
    desk.wait(1.0)
    desk.said.clear()
    for count in range(96, 192):  # the sender went on; its ticks did not come through
        desk.now = max(desk.now, 502.0 + (count - 46) / 48)
        if 502.0 + (count - 46) / 48 >= desk.now:
            desk.clock.receive_midi(HostTime(desk.now), b"\xf8")
    assert desk.sources[-1] == ("midi", True)
    assert all(transport.playing for transport in desk.said)
    assert desk.beats == pytest.approx(240 / 24, abs=0.05), "the ticks that did not come through are counted"


def test_when_one_is_lost_another_that_rolls_leads_at_once(desk: Desk) -> None:
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.clock.receive_osc(HostTime(desk.now), "/play", (1.0,))
    desk.roll_midi(2)
    for count in range(8):
        desk.reaper(20 + count * 0.1)
        desk.wait(0.1)
    assert desk.sources[-1] == ("reaper", True)
    assert desk.clock.transport.position(HostTime(desk.now)) == pytest.approx(20.8, abs=0.01)


def test_a_named_source_stays_though_a_better_one_is_there(desk: Desk) -> None:
    desk.clock.choose("reaper")
    desk.reaper(5.0)
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(1)
    assert desk.clock.source == "reaper"
    assert not desk.clock.transport.playing
    desk.clock.choose("internal")
    desk.clock.play()
    desk.wait(0.5)
    desk.reaper(5.0)
    assert desk.clock.source == "internal"
    assert desk.clock.transport.playing


def test_an_unknown_source_and_one_without_its_library_are_refused_and_change_nothing(desk: Desk) -> None:
    with pytest.raises(BridgeError, match=r"'cubase'.*auto, internal, osc, midi") as refusal:
        desk.clock.choose("cubase")
    assert refusal.value.code is ErrorCode.BAD_ARGUMENT
    with pytest.raises(BridgeError, match="no library"):
        desk.clock.choose("jack")
    assert desk.clock.wish == "auto"
    desk.reaper(1.0)
    assert desk.clock.source == "reaper"


def test_the_daw_in_charge_is_named_where_a_command_is_refused(desk: Desk) -> None:
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(1)
    for command in (
        desk.clock.play,
        desk.clock.stop,
        lambda: desk.clock.locate(Beats(4.0)),
        lambda: desk.clock.set_tempo(Bpm(90.0)),
        lambda: desk.clock.set_loop(Loop(Beats(0.0), Beats(4.0))),
    ):
        with pytest.raises(BridgeError, match=r"follows MIDI clock.*internal") as refusal:
            command()
        assert refusal.value.code is ErrorCode.NOT_SUPPORTED
    with pytest.raises(BridgeError, match="beat 4 to 4"):
        desk.clock.set_loop(Loop(Beats(4.0), Beats(4.0)))


def test_a_project_that_goes_on_without_its_clock_can_be_stopped(desk: Desk) -> None:
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(4)
    desk.wait(1)
    assert desk.clock.transport.playing
    desk.clock.stop()
    assert not desk.clock.transport.playing


def test_any_script_is_a_clock(desk: Desk) -> None:
    for count in range(60):
        desk.now += 0.05
        seen = Observation(HostTime(desk.now), playing=True, seconds=Seconds(7 + count * 0.05), bpm=Bpm(90.0))
        desk.clock.observe(seen)
    assert desk.sources[-1] == ("osc", True)
    assert desk.clock.transport.position(HostTime(desk.now)) == pytest.approx(9.95, abs=0.001)
    assert desk.clock.bpm == 90


def test_ticks_without_a_place_leave_it_unlocated(desk: Desk) -> None:
    desk.clock.choose("midi")
    desk.roll_midi(4, bpm=140)
    assert not desk.clock.located
    assert desk.clock.bpm == 140
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    assert desk.clock.located


def test_a_tempo_map_from_elsewhere_reads_every_sources_positions(desk: Desk) -> None:
    tempo = TempoMap((TempoPoint(Seconds(0.0), Beats(0.0)), TempoPoint(Seconds(4.0), Beats(8.0))), Bpm(60.0))
    desk.clock.set_map(tempo)
    desk.clock.locate(Beats(10.0))
    assert desk.clock.transport.seconds == pytest.approx(6)
    desk.clock.receive_midi(HostTime(desk.now), b"\xf2\x28\x00")
    assert desk.clock.source == "midi"
    assert desk.clock.transport.seconds == pytest.approx(6)
    assert desk.clock.transport.tempo == tempo


def test_messages_of_no_clock_are_left_to_others(desk: Desk) -> None:
    assert not desk.clock.receive_midi(HostTime(desk.now), b"\x90\x40\x40")
    assert not desk.clock.receive_osc(HostTime(desk.now), "/bridge/ping", ())
    assert desk.sources == [("internal", True)]


def test_nobody_is_told_twice_of_the_same_transport(desk: Desk) -> None:
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(16)
    assert all(a != b for a, b in zip(desk.said, desk.said[1:], strict=False))
    assert len(desk.said) < 10


def test_a_source_that_was_never_heard_is_not_waited_for_when_the_choice_is_left_to_us(desk: Desk) -> None:
    desk.clock.choose("mtc")
    assert desk.sources[-1] == ("mtc", False)
    desk.clock.choose("auto")
    assert desk.sources[-1] == ("internal", True)


def test_who_only_listens_knows_how_it_is_also_while_another_leads(desk: Desk) -> None:
    desk.clock.receive_osc(HostTime(desk.now), "/play", (1.0,))
    desk.reaper(3.0)
    assert desk.clock.source == "reaper"
    desk.clock.choose("internal")
    desk.clock.receive_osc(HostTime(desk.now), "/stop", (1.0,))
    desk.reaper(4.0)
    desk.now += 60
    desk.clock.choose("auto")
    assert desk.clock.source == "reaper"
    assert not desk.clock.transport.playing
    assert desk.clock.transport.seconds == pytest.approx(4.0)


@pytest.mark.parametrize("name", ["midi", "reaper"])
def test_naming_a_source_and_leaving_the_choice_to_us_again_loses_no_roll(desk: Desk, name: str) -> None:
    def roll() -> None:
        if name == "midi":
            desk.roll_midi(1)
        else:
            desk.now += 0.1
            desk.reaper(desk.now - 490)

    desk.clock.receive_midi(HostTime(desk.now), b"\xfa") if name == "midi" else desk.clock.receive_osc(
        HostTime(desk.now), "/play", (1.0,)
    )
    roll()
    for wish in (name, "auto"):
        desk.clock.choose(wish)
        roll()
    assert desk.clock.source == name
    assert desk.clock.transport.playing


def test_a_source_that_fails_is_given_up_and_the_others_go_on(desk: Desk) -> None:
    class Failing(Listener):
        name = "jack"
        label = "JACK transport"
        ticks = 0

        def tick(self, now: HostTime) -> None:
            self.ticks += 1
            raise ZeroDivisionError

    failing = Failing()
    clock = ProjectClock(Bpm(120.0), lambda: HostTime(desk.now), lambda _: None, lambda *_: None, [failing])
    clock.start()
    clock.tick()
    clock.tick()
    assert failing.ticks == 1
    assert clock.source == "internal"


def test_whom_we_lead_does_not_lead_us(desk: Desk) -> None:
    desk.clock.bar("midi", on=True)
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(4)
    assert desk.clock.source == "internal"
    desk.clock.bar("midi", on=False)
    desk.roll_midi(1)
    assert desk.clock.source == "midi"


def test_a_tempo_that_is_said_for_time_code_is_nobody_elses(desk: Desk) -> None:
    desk.clock.choose("mtc")
    assert not desk.clock.knows_tempo
    desk.clock.set_tempo(Bpm(97.0))
    assert desk.clock.bpm == 97
    assert desk.clock.knows_tempo
    desk.clock.choose("auto")
    desk.clock.receive_midi(HostTime(desk.now), b"\xfa")
    desk.roll_midi(16, bpm=60)
    assert desk.clock.bpm == pytest.approx(60, abs=0.1)


def test_a_map_that_is_withdrawn_leaves_the_tempo_as_it_is(desk: Desk) -> None:
    tempo = TempoMap((TempoPoint(Seconds(0.0), Beats(0.0)), TempoPoint(Seconds(4.0), Beats(8.0))), Bpm(90.0))
    desk.clock.set_map(tempo)
    desk.clock.locate(Beats(12.0))
    desk.clock.set_map(None)
    assert desk.clock.bpm == 90
    desk.clock.locate(Beats(2.0))
    assert desk.clock.bpm == 90

"""Notes of the running daemon against the time of real peers: who leads, what is told of it, and where the notes fall."""

import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Self

import mido
import pytest

from bridge.clock.ableton import ANSWERS, AbletonSource
from bridge.midi.file_read import read_notes
from bridge.osc.codec import OscMessage, decode, encode
from tests.app.studio import Studio
from tests.clock.jack_roller import Roller
from tests.jack_peer import JackServer, MidiReceiver
from tests.midi.jack_sender import MidiSender

TICK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"
INPUT = "Studio in:in"


@pytest.fixture(autouse=True)
def settled(studio: Studio) -> Iterator[None]:
    """The ear has heard how things stand, so what comes from here on is news; afterwards things stand so again."""
    ear = studio.ear
    ear.ask("/bridge/ping", answer="pong")
    yield
    ear.send("/bridge/clock/out", "midi", 0)
    ear.send("/bridge/clock/source", "internal")
    ear.send("/bridge/transport/stop")
    ear.send("/bridge/clock/map")
    ear.send("/bridge/transport/loop", 0, 0, 0)
    ear.send("/bridge/transport/tempo", 120)
    ear.send("/bridge/transport/locate", 0)
    ear.send("/bridge/clock/source", "auto")


@pytest.fixture
def loaded(studio: Studio) -> tuple[Studio, list[float]]:
    """A studio with a melody that lies on the project from beat 0 on, and its onsets in project seconds."""
    ear = studio.ear
    ear.start_job("a", studio.song(9), sync="transport", at=0)
    midi_path = ear.wait("job/result", "a").arguments[3]
    ear.wait("job/done", "a")
    return studio, [note.onset for note in read_notes(Path(str(midi_path)))]


def lateness(studio: Studio, onsets: list[float], second_of: Callable[[float], float | None]) -> list[float]:
    """How much later than its place on the timeline each note arrived, in seconds."""
    places = [(second_of(on.host), on) for on in list(studio.synth.ons)]
    return [place - min(onsets, key=lambda o, p=place: abs(o - p)) for place, _ in places if place is not None]


def median(values: list[float]) -> float:
    return sorted(map(abs, values))[len(values) // 2]


class Teller:
    """A DAW that tells so many times a second how its project is, from a thread of its own; `tell` takes the project's second."""

    def __init__(self, rate: float, tell: Callable[[float], None]) -> None:
        self._rate, self._tell = rate, tell
        self._end = Event()
        self.begun = 0.0
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self.begun = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def seconds(self, host: float) -> float:
        return host - self.begun

    def _run(self) -> None:
        while not self._end.wait(1 / self._rate):
            self._tell(self.seconds(time.perf_counter()))


def test_the_clock_is_told_and_a_wrong_name_explained(studio: Studio) -> None:
    ear = studio.ear
    assert ear.ask("/bridge/clock/source", answer="clock") == ("internal", 1, "auto")
    ear.send("/bridge/clock/source", "midy")
    assert "did you mean midi?" in str(ear.wait("error").arguments[3])
    assert ear.ask("/bridge/clock/source", "mtc", answer="clock") == ("mtc", 0, "mtc")
    assert ear.ask("/bridge/clock/source", "auto", answer="clock")[2] == "auto"
    ear.wait_until(lambda: studio.daemon.status()["midi_input_available"])
    status = studio.daemon.status()
    assert (status["clock"], status["clock_locked"], status["clock_chosen"]) == ("internal", 1, "auto")
    assert (status["midi_input"], status["midi_input_available"]) == (INPUT, 1)


def test_any_script_is_a_clock_and_its_end_is_a_loss_that_is_played_on_for_2_s(loaded) -> None:
    studio, onsets = loaded
    ear, synth = studio.ear, studio.synth
    ear.send("/bridge/clock/source", "auto")
    with Teller(30, lambda s: ear.send("/bridge/clock/observe", s, s * 2, 120.0, 1)) as script:
        assert synth.wait_for(lambda: len(synth.ons) >= 5)
        assert ear.of("clock")[-1].arguments == ("osc", 1, "auto")
    ended = time.perf_counter()
    ear.wait_until(lambda: ear.of("clock")[-1].arguments[:2] == ("osc", 0))
    ear.wait_until(lambda: not ear.of("transport")[-1].arguments[3], 10)
    stopped = ear.of("transport")[-1].host - ended
    assert 1.9 < stopped < 3.6, "silence counts as a loss after a second, and 2 s are played on"
    assert synth.wait_for(lambda: not synth.sounding(), 1)
    late = lateness(studio, onsets, script.seconds)
    assert len(late) >= 8
    assert median(late) < 0.01
    assert max(map(abs, late)) < 0.05


def test_midi_clock_at_the_input_leads_pauses_and_goes_on(loaded, server: JackServer) -> None:
    studio, onsets = loaded
    ear, synth = studio.ear, studio.synth
    ear.send("/bridge/clock/source", "auto")
    beat = 60 / 120
    with MidiSender(server, INPUT) as daw:
        ticks = [(0.2 + n * beat / 24, TICK) for n in range(24 * 8)]
        daw.send((0.198, START), *ticks, (0.2 + 8 * beat, STOP))
        assert daw.wait_for(lambda: daw.left and daw.left[-1].data == STOP, 10)
        ear.wait_until(lambda: ("midi", 1, "auto") in [h.arguments for h in ear.of("clock")])
        first = next(left.host for left in daw.left if left.data == TICK)
        assert synth.wait_for(lambda: not synth.sounding(), 1)
        heard = len(synth.ons)
        late = lateness(studio, onsets, lambda host: host - first)
        assert heard == len([o for o in onsets if o < 8 * beat])
        assert median(late) < 0.005
        # A pointer to beat 4, and on from there.
        again = [(0.3 + n * beat / 24, TICK) for n in range(24 * 4)]
        daw.send((0.0, bytes((0xF2, 16, 0))), (0.29, CONTINUE), *again, (0.3 + 4 * beat, STOP))
        assert daw.wait_for(lambda: [left.data for left in daw.left].count(STOP) == 2, 10)
        assert synth.wait_for(lambda: not synth.sounding(), 1)
        onward = daw.left[[left.data for left in daw.left].index(CONTINUE) + 1].host
        synth.events[:] = [e for e in synth.events if e.host > onward - 0.05]
        late = lateness(studio, onsets, lambda host: host - onward + 4 * beat)
        assert len(late) == len([o for o in onsets if 4 * beat - 0.001 <= o < 8 * beat])
        assert median(late) < 0.005


def test_jack_transport_leads_to_the_millisecond(loaded, server: JackServer) -> None:
    studio, onsets = loaded
    ear, synth = studio.ear, studio.synth
    with Roller(server) as roller:
        ear.send("/bridge/clock/source", "jack")
        ear.wait_until(lambda: ear.of("clock")[-1].arguments[:2] == ("jack", 1))
        ear.send("/bridge/transport/locate", 0)
        ear.send("/bridge/transport/play")
        assert synth.wait_for(lambda: len(synth.ons) >= 8, 10)
        ear.send("/bridge/transport/stop")
        assert roller.wait_for(lambda: not roller.cycles[-1][2])
        late = lateness(studio, onsets, roller.seconds)
        assert len(late) >= 7
        assert median(late) < 0.002
        roller.say("locate", 0)


def test_what_reaper_sends_leads_and_is_no_error(loaded) -> None:
    studio, _ = loaded
    ear, synth = studio.ear, studio.synth
    ear.send("/bridge/clock/source", "reaper")

    def tell(seconds: float) -> None:
        for address, value in (("/time", seconds), ("/track/1/vu", 0.3), ("/play", 1.0)):
            ear.send(address, value)

    with Teller(11, tell):
        assert synth.wait_for(lambda: len(synth.ons) >= 3, 10)
    ear.send("/play", 0.0)
    ear.send("/stop", 1.0)
    assert synth.wait_for(lambda: not synth.sounding(), 1)
    assert not ear.of("error")
    ear.send("/bridge/transport/tempo", 90)
    assert "follows REAPER" in str(ear.wait("error").arguments[3])


class AbletonOsc:
    """Listens where AbletonOSC does, and answers as it does: to a port of its own choice, whoever asks."""

    def __init__(self, bpm: float) -> None:
        self._bpm = bpm
        self.asked: list[str] = []
        self.begun: float | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", AbletonSource.port))
        self._socket.settimeout(0.05)
        self._end = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()

    def beats(self, host: float) -> float:
        return 0.0 if self.begun is None else (host - self.begun) * self._bpm / 60

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                packet = self._socket.recv(4096)
            except TimeoutError:
                packet = b""
            for timed in decode(packet) if packet else ():
                for message in timed.messages:
                    self._answer(message.address)
            if self.begun is not None:
                self._say("get/current_song_time", self.beats(time.perf_counter()))

    def _answer(self, address: str) -> None:
        self.asked.append(address)
        match address:
            case "/live/test":
                self._send("/live/test", "ok")
            case "/live/song/start_listen/tempo":
                self._say("get/tempo", self._bpm)
            case "/live/song/start_listen/is_playing":
                self._say("get/is_playing", 0)
            case "/live/song/continue_playing":
                self.begun = time.perf_counter()
                self._say("get/is_playing", 1)

    def _say(self, what: str, value: float) -> None:
        self._send(f"/live/song/{what}", value)

    def _send(self, address: str, value: float | str) -> None:
        self._socket.sendto(encode(OscMessage(address, (value,))), ("127.0.0.1", ANSWERS))


def test_ableton_osc_is_asked_and_answers_to_its_own_port(loaded) -> None:
    studio, onsets = loaded
    ear, synth = studio.ear, studio.synth
    with AbletonOsc(120.0) as live:
        ear.send("/bridge/clock/source", "ableton")
        ear.wait_until(lambda: ear.of("clock")[-1].arguments[:2] == ("ableton", 1))
        ear.send("/bridge/transport/play")
        assert synth.wait_for(lambda: len(synth.ons) >= 6, 10)
        late = lateness(studio, onsets, lambda host: live.beats(host) / 2)
        assert median(late[2:]) < 0.01
        ear.send("/bridge/clock/source", "internal")
        ear.wait_until(lambda: "/live/song/stop_listen/tempo" in live.asked)
    assert synth.wait_for(lambda: not synth.sounding(), 1)


def test_followers_are_led_by_midi_clock_on_the_port(studio: Studio, server: JackServer) -> None:
    ear, synth = studio.ear, studio.synth
    ear.send("/bridge/clock/source", "internal")
    ear.send("/bridge/transport/tempo", 100)
    ear.send("/bridge/transport/locate", 0)
    assert ear.ask("/bridge/clock/out", "midi", 1, answer="clock/out") == ("midi", 1)
    ear.send("/bridge/transport/play")
    assert synth.wait_for(lambda: ticks(synth) >= 48, 10)
    ear.send("/bridge/transport/stop")
    assert synth.wait_for(lambda: synth.events[-1].data == STOP)
    words = [e for e in synth.events if e.data[0] >= 0xF0]
    assert [e.data for e in words[:3]] == [START, TICK, TICK]
    # A cycle that JACK misses may cost a tick, and nothing else does.
    ticks_apart = [(b.host - a.host) / (60 / 100 / 24) for a, b in pairwise(words[2:-1])]
    assert max(abs(gap - round(gap)) for gap in ticks_apart) < 0.08
    assert sum(round(gap) - 1 for gap in ticks_apart) <= int(studio.daemon.status()["xruns"])
    assert ear.ask("/bridge/clock/out", "midi", 0, answer="clock/out") == ("midi", 0)


def ticks(synth: MidiReceiver) -> int:
    return sum(event.data == TICK for event in list(synth.events))


def test_what_a_clock_does_not_tell_is_refused_by_its_name(studio: Studio, server: JackServer) -> None:
    ear = studio.ear
    with MidiSender(server, INPUT) as daw:
        # It rolled, was silent for over 2 s, and ticks again: nobody knows where.
        daw.send((0.01, START), *((0.02 + n * 0.02, TICK) for n in range(5)), (2.5, TICK), (2.52, TICK))
        assert daw.wait_for(lambda: [left.data for left in daw.left].count(TICK) == 7, 10)
    ear.send("/bridge/clock/source", "midi")
    ear.wait_until(lambda: ear.of("clock")[-1].arguments[0] == "midi")
    ear.start_job("a", studio.song(9), sync="transport", at=0)
    assert "the clock source midi tells none yet" in str(ear.wait("error").arguments[3])
    ear.send("/bridge/clock/source", "mtc")
    ear.start_job("b", studio.song(9), sync="bar")
    assert "mtc tells no tempo" in str(ear.wait("error", count=2).arguments[3])
    ear.send("/bridge/transport/tempo", 97)
    ear.start_job("b", studio.song(9), sync="bar")
    ear.wait("job/accepted", "b")
    ear.send("/bridge/job/cancel")
    ear.wait("job/unloaded", "b")


def test_no_garbage_of_a_clock_ends_the_daemon(studio: Studio, server: JackServer) -> None:
    ear = studio.ear
    ear.send("/bridge/clock/source", "auto")
    ear.send("/bridge/clock/observe", -5.0, -10.0, 120.0, 1)
    ear.send("/bridge/clock/observe", 1e-30, 0.1, 121.0, 1)
    for address, text in (
        ("/position/bbt", "001|99|99999"),
        ("/position/bbt", "9" * 5000 + "|1|1"),
        ("/beat/str", "9" * 5000),
    ):
        ear.send(address, text)
    with MidiSender(server, INPUT) as keyboard:
        keyboard.flood(2000, 1.0)
        assert keyboard.wait_for(lambda: keyboard.flooded > 1500, 10)
    assert ear.ask("/bridge/ping", "there", answer="pong") == ("there",)
    assert studio.daemon.process.poll() is None


def test_who_is_led_by_our_clock_is_not_followed(studio: Studio) -> None:
    ear = studio.ear
    ear.send("/bridge/clock/out", "midi", 1)
    ear.send("/bridge/clock/source", "midi")
    assert "leads by midi itself" in str(ear.wait("error").arguments[3])
    ear.send("/bridge/clock/out", "midi", 0)
    ear.send("/bridge/clock/source", "midi")
    ear.wait_until(lambda: ear.of("clock")[-1].arguments[0] == "midi")
    ear.send("/bridge/clock/out", "midi", 1)
    assert "follows the clock midi" in str(ear.wait("error", count=2).arguments[3])


def test_the_tempi_of_a_midi_file_are_the_projects(studio: Studio) -> None:
    ear = studio.ear
    ear.send("/bridge/clock/source", "internal")
    path = studio.folder / "tempi.mid"
    file = mido.MidiFile()
    changes = [mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(60), time=0)]
    changes.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(150), time=4 * file.ticks_per_beat))
    file.tracks.append(mido.MidiTrack(changes))
    file.save(path)
    assert ear.ask("/bridge/clock/map", str(path), answer="clock/map") == (str(path), 2)
    ear.send("/bridge/transport/locate", 8)
    ear.wait_until(lambda: ear.of("transport")[-1].arguments[:3] == pytest.approx((4 + 4 * 60 / 150, 8.0, 150.0)))
    ear.send("/bridge/clock/map", str(path) + "x")
    assert ear.wait("error").arguments[1:3] == ("/bridge/clock/map", "file_not_found")
    assert ear.ask("/bridge/clock/map", answer="clock/map") == ("", 0)

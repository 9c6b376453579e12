"""What happens is said as the table has it, and read back whole."""

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.quality import Measure, QualityReport
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap, Transport
from bridge.osc import codec, encode
from bridge.osc.codec import OscMessage
from bridge.osc.encode import Published
from bridge.osc.parse import parse
from bridge.osc.rows import Kind
from bridge.osc.table import OUTGOING
from bridge.session import events
from bridge.session.commands import ClockOut, Select
from bridge.session.events import JobState, Stage
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import InputChanged, PortChanged, SentNote
from bridge.session.request import Follow, JobRequest, Sync, TranscriberName

NONE = Measure(None, None)
REPORT = QualityReport(
    0.0, 11.5, 42, Measure(0.75, 0.25), Measure(0.5, 0.1), -3.5, NONE, Measure(0.125, 0.0), None, NONE
)
EVENTS = [
    events.Accepted("id"),
    events.Progress("id", Stage.SEPARATING, 0.5),
    events.Ready("id", 4.5, 2.25),
    events.Behind("id", 1.5),
    events.Result("id", Stem.BASS, 12, Path("/out/bass.mid"), Path("/out/bass.wav"), "htdemucs"),
    events.Quality("id", Stem.BASS, REPORT),
    events.TempoFound("id", BeatTrack((0.5, 1.0), (0,), 0.5)),
    events.KeyFound("id", KeyEstimate(21, 0.97)),
    events.Done("id"),
    events.Failed("id", ErrorCode.NO_MODEL, "no weights"),
    events.Cancelled("id"),
    events.Unloaded("id", "played"),
]
TRANSPORT = Transport(100.0, 2.0, playing=True, tempo=TempoMap.constant(90.0))
NOTE = SentNote(("id", Stem.DRUMS), on=True, channel=10, pitch=36, velocity=100, due=1.0, lateness=0.0005)
PORT = PortChanged("jack", "StemBridge", available=True, message="open")
INPUT = InputChanged("jack", "StemBridge in:in", available=False, message="lost")
SELECTED = JobRequest(
    "",
    Path("/music/a.wav"),
    path2=Path("/music/b.wav"),
    stems=(Stem.BASS, Stem.VOCALS),
    start=2.5,
    end=9.0,
    at=-16.0,
    rate=0.5,
    bpm=97.5,
    follow=Follow.TEMPO,
    sync=Sync.TRANSPORT,
    loop=True,
    model="htdemucs_ft",
    transcriber=TranscriberName.MONO,
    parameters={"channel": 5.0, "threshold": 0.375, "swing": 0.625},
)
PUBLISHED = [
    *(encode.job_event(e) for e in EVENTS),
    encode.transport(TRANSPORT, 101.0),
    *(encode.parameter(name, p.default) for name, p in PARAMETERS.items()),
    encode.parameter("threshold", 0.25, "id"),
    encode.note(NOTE),
    encode.clock("midi", locked=False, chosen="auto"),
    *(encode.clock_out(out, on=True) for out in ClockOut),
    encode.tempo_map(Path("/song.mid"), TempoMap.constant(90.0)),
    encode.tempo_map(None, None),
    encode.port(PORT),
    encode.port(INPUT),
    encode.panic(),
    encode.selection(SELECTED),
    encode.selection(JobRequest("", Path("/music/a.wav"))),
]
ANSWERS = [
    encode.job_state("id", JobState.RUNNING, Stage.SEPARATING, 0.5),
    encode.error("id", "/bridge/job/start", BridgeError(ErrorCode.BUSY, "eight jobs wait already")),
    encode.version("1.2.3"),
    encode.hello("1.2.3"),
    encode.status({"jobs": 1, "lateness_ms": 0.5, "midi": "jack"}),
    OscMessage("/bridge/pong", (7,)),
    OscMessage("/bridge/bye"),
]


@pytest.mark.parametrize("message", [*(p.message for p in PUBLISHED), *ANSWERS], ids=lambda m: m.address)
def test_every_outgoing_message_comes_back_as_it_left_and_as_the_table_says(message):
    packet = codec.encode(message)
    ((_, (back,)),) = codec.decode(packet)
    assert back.address == message.address
    assert back.arguments == pytest.approx(message.arguments)
    assert len(packet) <= 1472
    row = OUTGOING[message.address]
    fixed = message.arguments[: len(row.arguments)]
    assert len(fixed) >= sum(not a.optional for a in row.arguments)
    for a, value in zip(row.arguments, fixed, strict=False):
        if a.kind is Kind.CHOICE:
            assert value in a.choices
        types = {Kind.NUMBER: (float,), Kind.WHOLE: (int,), Kind.SWITCH: (int,), Kind.ANY: (int, float, str)}
        assert isinstance(value, types.get(a.kind, (str,))), a.name
    rest = message.arguments[len(row.arguments) :]
    assert row.open_pairs or rest[::2] == tuple(a.name for a in row.pairs)


def test_every_outgoing_address_is_covered_here():
    assert {m.address for m in (*(p.message for p in PUBLISHED), *ANSWERS)} == set(OUTGOING)


def test_what_is_published_goes_to_the_topic_that_the_table_names():
    for topic, message in PUBLISHED:
        assert OUTGOING[message.address].topic is topic


def test_a_selection_that_is_heard_can_be_sent_back():
    for request in (SELECTED, JobRequest("", Path("/music/a.wav")), replace(SELECTED, at=None, at_s=-8.5)):
        heard = encode.selection(request).message.arguments
        assert parse(OscMessage("/bridge/select", heard)).command == Select(request)


def test_notes_for_the_player_are_not_for_clients():
    stretch = events.StretchNotes("id", Stem.BASS, (), (), (), 1.0, 2.0, complete=False, threshold=0.5)
    with pytest.raises(TypeError, match="StretchNotes"):
        encode.job_event(stretch)


def test_an_undefined_measure_is_said_in_words():
    arguments = encode.job_event(events.Quality("id", Stem.BASS, REPORT)).message.arguments
    assert arguments[:6] == ("id", "bass", 1, 0.0, 11.5, 42)
    pairs = dict(zip(arguments[6::2], arguments[7::2], strict=True))
    assert pairs["pitchgram"] == 0.75
    assert pairs["onset_lag_ms"] == -3.5
    assert pairs["chroma"] == pairs["chroma_null"] == pairs["waveform_lag_ms"] == "undefined"


def test_the_transport_is_said_as_of_the_time_asked_for():
    assert encode.transport(TRANSPORT, 101.0).message.arguments == (3.0, 4.5, 90.0, 1)


def test_a_note_off_has_velocity_0_and_lateness_is_in_milliseconds():
    off = SentNote(("a/b", Stem.VOCALS), on=False, channel=3, pitch=60, velocity=None, due=1.0, lateness=-0.002)
    assert encode.note(off).message.arguments == ("off", "a/b/vocals", 3, 60, 0, -2.0)


def test_a_whole_parameter_travels_as_a_whole_number():
    assert encode.parameter("channel/bass", 4.0).message.arguments == (4,)
    assert type(encode.parameter("channel/bass", 4.0).message.arguments[0]) is int


def test_a_long_explanation_still_fits_one_frame():
    long = "no weights for ünïcödé " * 200
    _, failed = encode.job_event(events.Failed("i" * 128, ErrorCode.NO_MODEL, long))
    refused = encode.error("i" * 128, "/" + "x" * 5000, BridgeError(ErrorCode.BAD_ARGUMENT, long))
    for message in (failed, refused):
        assert len(codec.encode(message)) <= 1472
        assert message.arguments[-1].endswith("...")


def test_published_unpacks_into_topic_and_message():
    topic, message = encode.panic()
    assert Published(topic, message) == encode.panic()

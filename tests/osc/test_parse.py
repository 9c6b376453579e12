"""Messages to commands, and every way of getting one wrong."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.music.tempo import Loop
from bridge.osc.clients import Peer
from bridge.osc.codec import OscMessage
from bridge.osc.parse import Parsed, Ping, ReplyElsewhere, Subscribe, Unsubscribe, parse, request_id
from bridge.osc.rows import Topic
from bridge.osc.table import INCOMING
from bridge.session import commands
from bridge.session.commands import ClockName, ClockOut
from bridge.session.request import Follow, JobRequest, Sync

START = "/bridge/job/start"


def command(address, *arguments):
    return parse(OscMessage(address, arguments)).command


def start(*pairs):
    return command(START, "id", "/music/a.wav", *pairs).request


def refusal(address, *arguments):
    with pytest.raises(BridgeError) as caught:
        parse(OscMessage(address, arguments))
    assert caught.value.code is ErrorCode.BAD_ARGUMENT
    assert address in caught.value.message
    return caught.value.message


def test_a_job_needs_only_its_id_and_path():
    assert start() == JobRequest("id", Path("/music/a.wav"))


def test_a_job_takes_every_pair_in_any_order():
    request = start(
        *("threshold", 0.4, "program", 53, "channel", 5.0, "loop", True, "sync", "transport", "follow", "tempo"),
        *("bpm", 97.5, "rate", 0.5, "at", -8, "end", 30.0, "start", 10, "stem", "bass,vocals", "path2", "/music/b.wav"),
        *("model", "htdemucs_ft", "transcriber", "madmom-rnn"),
    )
    assert request == JobRequest(
        "id",
        Path("/music/a.wav"),
        path2=Path("/music/b.wav"),
        stems=(Stem.BASS, Stem.VOCALS),
        start=10.0,
        end=30.0,
        at=-8.0,
        rate=0.5,
        bpm=97.5,
        follow=Follow.TEMPO,
        sync=Sync.TRANSPORT,
        loop=True,
        model="htdemucs_ft",
        transcriber="madmom-rnn",
        parameters={"channel": 5.0, "program": 53.0, "threshold": 0.4},
    )
    assert start("at_s", 2.5).at_s == 2.5


@pytest.mark.parametrize("one", [1, 1.0, True])
def test_a_number_is_the_same_number_whatever_type_it_came_as(one):
    assert start("start", one, "program", one, "loop", one) == start("start", 1, "program", 1, "loop", 1)
    assert command("/bridge/param/mute/vocals", one) == commands.SetParameter("mute/vocals", 1.0)


def test_stem_takes_one_several_or_all():
    assert start("stem", "drums").stems == (Stem.DRUMS,)
    assert start("stem", "drums, bass,drums").stems == (Stem.DRUMS, Stem.BASS)
    assert start("stem", "all").stems == tuple(Stem)


def test_a_path_in_the_home_folder_is_completed_and_a_relative_one_explained():
    assert command(START, "id", "~/a.wav").request.path == Path.home() / "a.wav"
    message = refusal(START, "id", "songs/a.wav")
    assert "absolute path" in message
    assert "'songs/a.wav'" in message
    assert "does not run in the sender's folder" in message


def test_a_selection_takes_what_a_job_takes_but_for_the_id():
    assert command("/bridge/select", "/music/a.wav") == commands.Select(JobRequest("", Path("/music/a.wav")))
    pairs = ("stem", "bass", "start", 2, "sync", "transport", "at", 16, "rate", 0.5, "threshold", 0.4)
    assert command("/bridge/select", "/music/a.wav", *pairs).request == replace(start(*pairs), id="")
    assert "end must lie after start" in refusal("/bridge/select", "/a.wav", "start", 3, "end", 2)
    assert "path is missing" in refusal("/bridge/select")
    assert "must be an absolute path" in refusal("/bridge/select", "a.wav")


def test_a_button_may_say_where_its_answers_go():
    message = OscMessage("/bridge/play/vocals", (1.0, "reply_to", "127.0.0.1:9000"))
    assert parse(message) == Parsed(commands.PlaySelection((Stem.VOCALS,)), Peer("udp", "127.0.0.1", 9000))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "request_id is missing"),
        (("id",), "path is missing, an absolute path"),
        ((7, "/a.wav"), "request_id must be text, not the number 7"),
        (("", "/a.wav"), "1 to 128 printable characters, not ''"),
        (("x" * 129, "/a.wav"), "1 to 128"),
        (("a\nb", "/a.wav"), "printable"),
        (("id", "/a.wav", "stme", "bass"), "no key 'stme'; did you mean stem?"),
        (("id", "/a.wav", "zzz", "bass"), "there are: path2, stem"),
        (("id", "/a.wav", 3, "bass"), "the number 3 stands where a key was expected"),
        (("id", "/a.wav", "stem"), "the key stem has no value, one or more of vocals"),
        (("id", "/a.wav", "stem", "bass", 5), "the number 5 is left over"),
        (("id", "/a.wav", "stem", "bass", "stem", "drums"), "stem is given twice"),
        (("id", "/a.wav", "stem", "vocal"), "did you mean vocals?"),
        (("id", "/a.wav", "stem", "bass,"), "not ''"),
        (("id", "/a.wav", "start", -1), "start must be a number from 0 to 1000000 (s), not the number -1"),
        (("id", "/a.wav", "start", "1"), "start must be a number from 0 to 1000000 (s), not '1'"),
        (("id", "/a.wav", "start", math.nan), "argument 4 is nan"),
        (("id", "/a.wav", "start", math.inf), "argument 4 is inf"),
        (("id", "/a.wav", "start", b"12345"), "not 5 bytes"),
        (("id", "/a.wav", "start", None), "not nil"),
        (("id", "/a.wav", "start", 5, "end", 5), "end must lie after start, 5 s, not at 5 s"),
        (("id", "/a.wav", "at", 1, "at_s", 1), "give one"),
        (("id", "/a.wav", "sync", "bars"), "did you mean bar?"),
        (
            ("id", "/a.wav", "channel", 0),
            "channel must be a whole number from 1 to 16 (MIDI channel), not the number 0",
        ),
        (("id", "/a.wav", "channel", 2.5), "a whole number"),
        (("id", "/a.wav", "program", 128), "from 0 to 127"),
        (("id", "/a.wav", "threshold", 1.01), "from 0 to 1"),
        (("id", "/a.wav", "rate", 0), "from 0.05 to 20"),
        (("id", "/a.wav", "loop", 2), "loop must be 0 or 1, not the number 2"),
        (("id", "/a.wav", "model", "../evil"), "named in the settings only"),
        (("id", "/a.wav", "path2", "b.wav"), "path2 must be an absolute path"),
        (("id", "/a.wav", "reply_to", "9000"), "host:port"),
        (("id", "/a.wav", "reply_to", "example.com:9000"), "IP address"),
        (("id", "/a.wav", "reply_to", "127.0.0.1:0"), "host:port"),
        (("id", "/a.wav", "reply_to", "127.0.0.1:65536"), "host:port"),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected(arguments, said):
    assert said in refusal(START, *arguments)


def test_an_unknown_address_is_told_the_nearest_one():
    with pytest.raises(BridgeError, match=r"'/bridge/job/strat'; did you mean /bridge/job/start\?") as caught:
        parse(OscMessage("/bridge/job/strat"))
    assert caught.value.code is ErrorCode.UNKNOWN_ADDRESS


def test_a_refusal_that_nobody_will_read_is_the_same_without_the_hint():
    with pytest.raises(BridgeError, match=r"no key 'stme'$"):
        parse(OscMessage(START, ("id", "/a.wav", "stme", 1)), hints=False)


@pytest.mark.parametrize(
    ("address", "means"),
    [
        ("/bridge/job/cancel", commands.CancelJob(None)),
        ("/bridge/transport/play", commands.PlayTransport()),
        ("/bridge/transport/stop", commands.StopTransport()),
        ("/bridge/panic", commands.Panic()),
        ("/bridge/play/bass", commands.PlaySelection((Stem.BASS,))),
        ("/bridge/play/all", commands.PlaySelection(tuple(Stem))),
    ],
)
def test_a_trigger_takes_a_press_and_ignores_its_release(address, means):
    assert INCOMING[address].trigger
    for press in ((), (1,), (1.0,), (True,), (0.3,)):
        assert command(address, *press) == means
    for release in (0, 0.0, False):
        assert parse(OscMessage(address, (release,))) == Parsed(None)


def test_for_all_that_is_no_trigger_zero_is_data():
    assert command("/bridge/param/mute/bass", 0) == commands.SetParameter("mute/bass", 0.0)
    assert command("/bridge/transport/locate", 0) == commands.Locate(0.0)
    assert "text" in refusal("/bridge/job/unload", 0)
    assert {row.address for row in INCOMING.values() if row.trigger} == {
        "/bridge/job/cancel",
        "/bridge/transport/play",
        "/bridge/transport/stop",
        "/bridge/panic",
        *(f"/bridge/play/{what}" for what in ("vocals", "drums", "bass", "other", "all")),
    }


def test_transport_and_parameter_values_are_checked():
    assert command("/bridge/transport/tempo", 120) == commands.SetTempo(120.0)
    assert command("/bridge/transport/loop", 4, 8.0, True) == commands.SetLoop(4.0, 8.0, True)
    assert command("/bridge/transport/loop", 0, 0, 0) == commands.SetLoop(0.0, 0.0, False)
    assert "end must lie after start" in refusal("/bridge/transport/loop", 8, 4, 1)
    assert "from 20 to 999" in refusal("/bridge/transport/tempo", 0)
    assert "beats is missing" in refusal("/bridge/transport/locate")
    assert "one argument too many" in refusal("/bridge/transport/locate", 1, 2)
    assert "from -48 to 48" in refusal("/bridge/param/transpose", 49)
    assert command("/bridge/param/threshold", 0.5, "job") == commands.SetParameter("threshold", 0.5, "job")
    assert command("/bridge/param/threshold") == commands.AskParameter("threshold")


def test_a_script_says_what_it_knows_of_its_project():
    observe = "/bridge/clock/observe"
    assert command(observe, 1.5, 3.0, 120, 1) == commands.ObserveClock(1.5, 3.0, 120.0, playing=True, loop=None)
    assert command(observe, None, 3, None, False) == commands.ObserveClock(None, 3.0, None, playing=False, loop=None)
    looping = commands.ObserveClock(1.5, 3.0, 120.0, playing=True, loop=Loop(0.0, 4.0))
    assert command(observe, 1.5, 3, 120, 1, 0, 4, 1) == looping
    assert command(observe, 1.5, 3, 120, 1, 0, 4, 0).loop is None
    assert "end must lie after start, beat 4, not at beat 4" in refusal(observe, 1.5, 3, 120, 1, 4, 4, 1)
    assert "bpm must be a number from 1 to 2000 (quarter notes a minute) or nil" in refusal(observe, 1, 3, "fast", 1)
    assert "playing must be 0 or 1, not nil" in refusal(observe, 1, 3, 120, None)


def test_the_clock_is_chosen_sent_and_mapped():
    assert command("/bridge/clock/source", "midi") == commands.ChooseClock(ClockName.MIDI)
    assert command("/bridge/clock/source") == commands.ChooseClock(None)
    assert "did you mean midi?" in refusal("/bridge/clock/source", "mido")
    assert command("/bridge/clock/out", "link", 1) == commands.SendClock(ClockOut.LINK, on=True)
    assert command("/bridge/clock/map", "/song.mid") == commands.UseTempoMap(Path("/song.mid"))
    assert command("/bridge/clock/map") == commands.UseTempoMap(None)


def test_an_optional_id_and_pairs_are_told_apart():
    here = Peer("udp", "127.0.0.1", 9000)
    address = "/bridge/job/unload"
    assert parse(OscMessage(address, ("reply_to", "127.0.0.1:9000"))) == (commands.UnloadJob(None), here)
    assert parse(OscMessage(address, ("id", "reply_to", "localhost:9000"))) == (commands.UnloadJob("id"), here)
    assert parse(OscMessage(address, ("id",))) == (commands.UnloadJob("id"), None)


def test_what_the_edge_does_itself():
    assert command("/bridge/subscribe", "all") == Subscribe(frozenset(Topic))
    assert command("/bridge/unsubscribe", "note") == Unsubscribe(frozenset({Topic.NOTE}))
    assert command("/bridge/reply_to", "::1", 9000.0) == ReplyElsewhere(Peer("udp", "::1", 9000))
    assert command("/bridge/ping", "x") == Ping(("x",))
    assert parse(OscMessage("/bridge/subscribe", ("job", "reply_to", "[::1]:9000"))).reply_to == ("udp", "::1", 9000)
    assert "one of job, quality" in refusal("/bridge/subscribe", "notes")
    assert "IP address" in refusal("/bridge/reply_to", "studio.example", 9000)


def test_the_request_id_of_a_refused_message_is_found():
    assert request_id(OscMessage(START, ("mine", 3))) == "mine"
    assert request_id(OscMessage("/bridge/param/threshold", (0.5, "mine"))) == "mine"
    assert request_id(OscMessage(START, (3,))) == ""
    assert request_id(OscMessage("/nothing", ("mine",))) == ""


def outcome(address, *arguments):
    """What parsing gives: the command, or the code of its refusal."""
    try:
        return parse(OscMessage(address, arguments))
    except BridgeError as error:
        return error.code


VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.none(), st.binary(max_size=5), st.text(max_size=8)
)
KEYS = st.sampled_from([a.name for a in INCOMING[START].pairs])


@settings(max_examples=300)
@given(st.sampled_from(sorted(INCOMING)), st.lists(st.one_of(VALUES, KEYS), max_size=8))
def test_any_arguments_give_a_command_or_a_refusal(address, arguments):
    found = outcome(address, *arguments)
    assert found is ErrorCode.BAD_ARGUMENT or isinstance(found, Parsed)


@settings(max_examples=300)
@given(st.lists(st.tuples(KEYS, VALUES), max_size=5))
def test_any_pairs_of_a_job_give_a_request_or_a_refusal(pairs):
    found = outcome(START, "id", "/a.wav", *(x for pair in pairs for x in pair))
    assert found is ErrorCode.BAD_ARGUMENT or isinstance(found.command, commands.StartJob)

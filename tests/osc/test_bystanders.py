"""Messages that came another way than over OSC, at a running server."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.bystanders import Bystanders
from bridge.osc.client import message_from_words
from bridge.osc.codec import OscMessage
from bridge.osc.codec import encode as packed
from bridge.osc.limit import ERROR_BURST
from bridge.osc.parse import parse
from bridge.osc.table import INCOMING
from bridge.session import commands


@pytest.fixture
def obey(running):
    """Carry out a message that nobody sent over OSC."""
    bystanders = Bystanders(running.server, running.daemon)
    return lambda address, *arguments: running.do(bystanders.obey, OscMessage(address, arguments))


@pytest.fixture
def listener(peer):
    """A peer that hears of jobs."""
    peer.send(packed(OscMessage("/bridge/subscribe", ("job",))))
    return peer


def settled(peer):
    """What comes before the answer to a ping."""
    peer.send(packed(OscMessage("/bridge/ping", ("only this",))))
    heard = []
    while (message := peer.hear()).address != "/bridge/pong":
        heard.append(message)
    return heard


def test_it_is_carried_out_and_answered_to_nobody(running, obey, listener):
    settled(listener)
    obey("/bridge/param/threshold", 0.3)
    obey("/bridge/version")
    obey("/bridge/panic", 0)
    assert running.daemon.commands == [commands.SetParameter("threshold", 0.3), commands.AskVersion()]
    assert settled(listener) == []


def test_its_answers_go_where_it_says(obey, listener, other):
    obey("/bridge/job/start", "id", "/a.wav", "reply_to", f"127.0.0.1:{other.port}")
    assert other.hear() == OscMessage("/bridge/job/accepted", ("id",))
    assert settled(listener) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (("/bridge/job/start", "id", "a.wav"), ErrorCode.BAD_ARGUMENT),
        (("/bridge/job/start", "refuse", "/a.wav"), ErrorCode.BUSY),
        (("/bridge/job/start", "crash", "/a.wav"), ErrorCode.INTERNAL),
        (("/bridge/nothing",), ErrorCode.UNKNOWN_ADDRESS),
        (("no address",), ErrorCode.UNKNOWN_ADDRESS),
        (("/bridge/subscribe", "job"), ErrorCode.NOT_SUPPORTED),
        (("/bridge/reply_to", "127.0.0.1", 9000), ErrorCode.NOT_SUPPORTED),
    ],
)
def test_what_is_refused_those_who_listen_to_jobs_hear_and_nobody_else(obey, listener, other, message, code):
    settled(listener)
    other.send(packed(OscMessage("/bridge/subscribe", ("param",))))
    settled(other)
    obey(*message)
    (refusal,) = settled(listener)
    assert refusal.address == "/bridge/error"
    assert refusal.arguments[1:3] == (message[0], code)
    assert settled(other) == []


def test_a_refusal_that_comes_later_goes_to_them_too(running, listener):
    settled(listener)
    error = BridgeError(ErrorCode.FILE_NOT_FOUND, "gone")
    running.do(running.server.reporter(None).refuse, "id", "/bridge/job/start", error)
    (refusal,) = settled(listener)
    assert refusal.arguments == ("id", "/bridge/job/start", "file_not_found", "gone")


def test_a_flood_of_refusals_has_its_share(obey, listener):
    settled(listener)
    for _ in range(200):
        obey("/bridge/nothing")
    assert ERROR_BURST <= len(settled(listener)) < 100


@given(
    st.sampled_from(sorted(INCOMING)) | st.text(max_size=20),
    st.lists(
        st.text(max_size=8) | st.integers().map(str) | st.floats().map(str) | st.sampled_from(["9" * 400, "9" * 5000]),
        max_size=6,
    ),
)
def test_any_words_are_a_command_or_refused(address, words):
    with suppress(BridgeError):
        assert parse(message_from_words(address, words)).command is None or address in INCOMING

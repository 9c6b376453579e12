"""What DAWs send of their own, to addresses that are none of ours."""

import socket

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.codec import OscMessage
from bridge.osc.codec import encode as packed
from bridge.osc.encode import panic as encode_panic
from tests.osc.peers import UdpPeer


def say(peer: UdpPeer, address: str, *arguments: object) -> None:
    peer.send(packed(OscMessage(address, arguments)))


def test_what_a_daw_says_is_handed_on_and_what_else_it_says_is_no_error(running, peer, other):
    say(peer, "/tempo/raw", 97.0)
    say(peer, "/track/1/vu", 0.5)
    say(peer, "/bridge/ping", "only this")
    assert peer.hear() == OscMessage("/bridge/pong", ("only this",))
    assert running.daemon.foreign == [OscMessage("/tempo/raw", (97.0,))]
    say(other, "/track/1/vu", 0.5)
    assert other.hear().arguments[2] == "unknown_address"


def test_a_daw_that_mistypes_an_address_of_ours_is_told(running, peer):
    say(peer, "/tempo/raw", 97.0)
    say(peer, "/bridge/job/strat", "id", "/a.wav")
    assert peer.hear().arguments[1:3] == ("/bridge/job/strat", "unknown_address")


def test_two_subscribers_that_repeat_what_they_hear_do_not_answer_each_other_for_ever(running, peer, other):
    for each in (peer, other):
        say(each, "/bridge/subscribe", "midi")
        say(each, "/bridge/ping", "subscribed")
        each.hear()
    said = encode_panic().message
    running.do(running.server.publish, *encode_panic())
    for each in (peer, other):
        assert each.hear() == said
    running.do(running.server.publish, *encode_panic())
    say(peer, "/bridge/ping", "only this")
    assert peer.hear() == OscMessage("/bridge/pong", ("only this",)), "the same again, a moment later, is an echo"


@pytest.fixture
def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_another_door_is_opened_once_and_closed(running, peer, free_port):
    for _ in range(2):
        running.do(running.server.open_door, free_port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daw:
        daw.settimeout(5)
        daw.sendto(packed(OscMessage("/tempo/raw", (97.0,))), ("127.0.0.1", free_port))
        daw.sendto(packed(OscMessage("/bridge/ping")), ("127.0.0.1", free_port))
        assert daw.recv(1024).startswith(b"/bridge/pong")
    assert running.daemon.foreign == [OscMessage("/tempo/raw", (97.0,))]
    running.do(running.server.close_door, free_port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", free_port))


def test_a_door_that_somebody_holds_is_refused_by_its_number(running, free_port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", free_port))
        with pytest.raises(BridgeError, match=f":{free_port}, UDP: .*another program listens there") as refusal:
            running.do(running.server.open_door, free_port)
    assert refusal.value.code is ErrorCode.UNREACHABLE

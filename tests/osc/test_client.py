"""Our own client, as `stembridge send` uses it."""

import socket

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.client import OscClient, message_from_words
from bridge.osc.codec import OscMessage
from bridge.session.parameters import PARAMETERS


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_it_asks_and_hears(running, transport):
    with OscClient(port=running.port, transport=transport) as client:
        client.send("/bridge/ping", 5)
        assert client.receive(5.0) == OscMessage("/bridge/pong", (5,))
        client.send("/bridge/subscribe", "param")
        heard = [next(client.messages(5.0)) for _ in PARAMETERS]
        assert {m.address for m in heard} == {f"/bridge/param/{name}" for name in PARAMETERS}
        assert list(client.messages(0.02)) == []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_where_nobody_listens_it_says_so(transport):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]

        def ask() -> None:
            with OscClient(port=port, transport=transport) as client:
                client.send("/bridge/ping")
                client.receive(5.0)

        with pytest.raises(BridgeError, match=f"nobody answers OSC on 127.0.0.1:{port}") as caught:
            ask()
    assert caught.value.code is ErrorCode.UNREACHABLE


def test_a_server_that_leaves_is_noticed(running):
    with OscClient(port=running.port, transport="tcp") as client:
        client.send("/bridge/ping")
        client.receive(5.0)
        running.do(running.server.close)
        with pytest.raises(BridgeError, match="closed"):
            client.receive(5.0)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("/bridge/job/start 1 /a.wav start 2 stem all", ("1", "/a.wav", "start", 2, "stem", "all")),
        (
            "/bridge/job/start 1 /a.wav reply_to 127.0.0.1:9 rate 0.5",
            ("1", "/a.wav", "reply_to", "127.0.0.1:9", "rate", 0.5),
        ),
        ("/bridge/job/start 1 /a.wav odd", ("1", "/a.wav", "odd")),
        ("/bridge/job/cancel 7", ("7",)),
        ("/bridge/job/cancel reply_to 127.0.0.1:9", ("reply_to", "127.0.0.1:9")),
        ("/bridge/param/transpose -3", (-3,)),
        ("/bridge/param/threshold 0.5 1", (0.5, "1")),
        ("/bridge/transport/loop 0 4 1", (0, 4, 1)),
        ("/bridge/transport/locate 1 2", (1, 2)),
        ("/some/thing 1 1.5 x", (1, 1.5, "x")),
        ("/bridge/ping", ()),
    ],
)
def test_words_become_what_the_address_takes(words, arguments):
    address, *rest = words.split()
    message = message_from_words(address, rest)
    assert message == OscMessage(address, arguments)
    assert [type(a) for a in message.arguments] == [type(a) for a in arguments]

"""The same server over TCP: both framings, cut anywhere, slow readers, noise."""

import asyncio
import select
import socket
import statistics
import struct
import sys
import threading
import time
from contextlib import closing

import pytest

from bridge.errors import ErrorCode
from bridge.osc import encode
from bridge.osc.codec import OscMessage, decode
from bridge.osc.codec import encode as packed
from bridge.osc.framing import Deframer, Framing, frame
from bridge.osc.tcp import MAX_CONNECTIONS, MAX_UNSENT
from bridge.session.events import Failed
from tests.osc.peers import DEADLINE, UdpPeer, until

PING = packed(OscMessage("/bridge/ping", ("token",)))
PONG = OscMessage("/bridge/pong", ("token",))


class TcpPeer:
    def __init__(self, port: int, framing: Framing = Framing.SLIP) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.framing = framing
        self._deframer = Deframer(framing)

    def send(self, packet: bytes) -> None:
        self.socket.sendall(frame(packet, self.framing))

    def hear(self) -> OscMessage | None:
        """The next message; None when the server has hung up."""
        while (packet := self._deframer.next()) is None:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._deframer.feed(data)
        ((_, (message,)),) = decode(packet)
        return message

    def heard_so_far(self) -> list[OscMessage]:
        """The messages that have come, without waiting."""
        while select.select([self.socket], [], [], 0)[0]:
            self._deframer.feed(self.socket.recv(65536))
        packets = iter(self._deframer.next, None)
        return [message for packet in packets for _, messages in decode(packet) for message in messages]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize("framing", Framing)
def test_a_question_is_answered_in_its_own_framing(running, framing):
    with TcpPeer(running.port, framing) as peer:
        peer.send(PING)
        assert peer.hear() == PONG
        peer.send(packed(OscMessage("/bridge/nothing")))
        assert peer.hear().arguments[2] == "unknown_address"


@pytest.mark.parametrize("framing", Framing)
def test_a_frame_split_at_any_byte_is_answered_once(running, framing):
    stream = frame(PING, framing)
    with TcpPeer(running.port, framing) as peer:
        for cut in range(1, len(stream)):
            peer.socket.sendall(stream[:cut])
            peer.socket.sendall(stream[cut:])
            assert peer.hear() == PONG
        for byte in stream:
            peer.socket.sendall(bytes([byte]))
        assert peer.hear() == PONG


@pytest.mark.parametrize("framing", Framing)
def test_many_frames_in_one_write_are_all_answered_in_order(running, framing):
    questions = [packed(OscMessage("/bridge/ping", (n,))) for n in range(2000)]
    with TcpPeer(running.port, framing) as peer:
        peer.socket.sendall(b"".join(frame(q, framing) for q in questions))
        assert [peer.hear().arguments[0] for _ in questions] == list(range(2000))


def test_a_client_that_stops_talking_still_hears_the_answers(running):
    with TcpPeer(running.port) as peer:
        for _ in range(50):
            peer.send(PING)
        peer.socket.shutdown(socket.SHUT_WR)
        assert [peer.hear() for _ in range(51)] == [PONG] * 50 + [None]


def test_an_oversize_frame_is_refused_and_the_connection_ends(running):
    with TcpPeer(running.port, Framing.LENGTH) as peer:
        peer.socket.sendall(struct.pack(">I", 2**24))
        error = peer.hear()
        assert error.arguments[2] == "bad_message"
        assert "16777216 bytes" in error.arguments[3]
        assert peer.hear() is None


def test_a_web_browser_is_sent_away(running):
    with TcpPeer(running.port, Framing.LENGTH) as peer:
        peer.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.hear().address == "/bridge/error"
        assert peer.hear() is None


def test_subscriptions_end_with_the_connection(running):
    with TcpPeer(running.port) as peer:
        peer.send(packed(OscMessage("/bridge/subscribe", ("job",))))
        peer.send(PING)
        assert peer.hear() == PONG
        assert running.do(running.server.counters)["osc_subscribers"] == 1
    until(lambda: running.do(running.server.counters)["osc_subscribers"] == 0, "forgetting the client")
    assert running.do(running.server.counters)["osc_tcp_clients"] == 0


def test_a_subscriber_that_never_reads_is_hung_up_on_and_others_hear_on(running, peer, caplog):
    with TcpPeer(running.port) as slow, TcpPeer(running.port) as quick:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for subscriber in (slow, quick):
            subscriber.send(packed(OscMessage("/bridge/subscribe", ("job",))))
            subscriber.send(PING)
            assert subscriber.hear() == PONG
        news = encode.job_event(Failed("id", ErrorCode.INTERNAL, "x" * 300))

        def publish() -> int:
            for _ in range(100):
                running.server.publish(*news)
            return max(c._transport.get_write_buffer_size() for c in running.server._tcp._connections.values())

        deadline = time.monotonic() + 30
        while len(running.server._tcp) == 2:
            assert time.monotonic() < deadline
            assert running.do(publish) <= MAX_UNSENT + 100 * 500
            for _ in range(100):
                assert quick.hear().address == "/bridge/job/failed"
        quick.send(PING)
        while quick.hear() != PONG:
            pass
    assert "does not read" in caplog.text
    peer.send(PING)
    assert peer.hear() == PONG


def test_connections_are_bounded_and_one_more_is_sent_away(running):
    peers = [TcpPeer(running.port) for _ in range(MAX_CONNECTIONS)]
    try:
        until(lambda: running.do(running.server.counters)["osc_tcp_clients"] == MAX_CONNECTIONS, "all let in")
        with TcpPeer(running.port) as late:
            try:
                late.send(PING)
                assert late.hear() is None
            except ConnectionError:
                pass
        peers[0].send(PING)
        assert peers[0].hear() == PONG
    finally:
        for p in peers:
            p.socket.close()


@pytest.fixture
def _short_turns():
    """Server and peers share one interpreter here; at Python's 5 ms a turn it would be the lock that keeps a ping waiting."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-4)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_short_turns")
def test_a_flood_over_tcp_does_not_delay_a_ping_over_udp(running):
    flood = frame(b"/x\0\0,\0\0\0", Framing.LENGTH) * 300_000 + frame(PING, Framing.LENGTH)
    rounds = []
    with TcpPeer(running.port, Framing.LENGTH) as flooder, closing(UdpPeer(running.port)) as peer:
        sender = threading.Thread(target=flooder.socket.sendall, args=(flood,))
        sender.start()
        while PONG not in flooder.heard_so_far():
            begin = time.perf_counter()
            peer.send(PING)
            assert peer.hear() == PONG
            rounds.append(time.perf_counter() - begin)
        sender.join()
    assert statistics.median(rounds) < 0.05
    assert len(rounds) > 10, "the flood was not over before it was noticed"


def test_a_reporter_of_a_client_that_hung_up_says_nothing_and_raises_nothing(running):
    with TcpPeer(running.port) as peer:
        peer.send(packed(OscMessage("/bridge/job/start", ("id", "/a.wav"))))
        assert peer.hear().address == "/bridge/job/accepted"
    until(lambda: running.do(running.server.counters)["osc_tcp_clients"] == 0, "noticing that it hung up")
    running.do(running.daemon.reporters[0].send, OscMessage("/bridge/job/done", ("id",)))


def test_closing_the_server_hangs_up(running):
    with TcpPeer(running.port) as peer:
        peer.send(packed(OscMessage("/bridge/subscribe", ("job",))))
        peer.send(PING)
        assert peer.hear() == PONG
        running.do(running.server.close)
        running.call(asyncio.sleep(0))
        assert peer.hear() == OscMessage("/bridge/bye")
        assert peer.hear() is None

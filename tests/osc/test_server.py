"""The running server against plain sockets: answers, subscriptions, bundles, errors, bad neighbours."""

import asyncio
import logging
import socket
import time

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.osc import encode
from bridge.osc.clients import Peer
from bridge.osc.codec import OscMessage
from bridge.osc.codec import encode as packed
from bridge.osc.limit import ERROR_BURST
from bridge.osc.schedule import FURTHEST_AHEAD, MAX_SCHEDULED_EACH
from bridge.osc.server import OscServer, ServerOptions
from bridge.osc.words import nearest
from bridge.session import commands
from bridge.session.events import Accepted, Done
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import SentNote
from tests.osc.peers import UdpPeer, bundle, until


def say(peer, address, *arguments):
    peer.send(packed(OscMessage(address, arguments)))


def ask(peer, address, *arguments):
    say(peer, address, *arguments)
    return peer.hear()


def nothing_but_pong(peer):
    """Everything sent before has been answered by now, and there was no answer."""
    return ask(peer, "/bridge/ping", "only this") == OscMessage("/bridge/pong", ("only this",))


def test_a_job_is_handed_over_and_answered_at_the_senders_port(running, peer, other):
    assert ask(peer, "/bridge/job/start", "id", "/a.wav") == OscMessage("/bridge/job/accepted", ("id",))
    assert isinstance(running.daemon.commands[0], commands.StartJob)
    assert nothing_but_pong(other)


def test_a_reporter_goes_on_reporting(running, peer):
    ask(peer, "/bridge/job/start", "id", "/a.wav")
    reporter = running.daemon.reporters[0]
    running.do(reporter.send, encode.job_event(Done("id")).message)
    assert peer.hear().address == "/bridge/job/done"


def test_a_reply_to_pair_sends_this_jobs_answers_and_refusals_elsewhere(running, peer, other):
    there = f"127.0.0.1:{other.port}"
    say(peer, "/bridge/job/start", "id", "/a.wav", "reply_to", there)
    assert other.hear().address == "/bridge/job/accepted"
    say(peer, "/bridge/job/start", "id2", "a.wav", "reply_to", there)
    assert other.hear().arguments[:3] == ("id2", "/bridge/job/start", "bad_argument")
    assert nothing_but_pong(peer)


def test_reply_to_moves_everything_for_one_client(running, peer, other):
    say(peer, "/bridge/subscribe", "note")
    say(peer, "/bridge/reply_to", "127.0.0.1", other.port)
    say(peer, "/bridge/ping", 1)
    assert other.hear() == OscMessage("/bridge/pong", (1,))
    note = SentNote(("id", Stem.BASS), on=True, channel=1, pitch=40, velocity=90, due=0.0, lateness=0.0)
    running.do(running.server.publish, *encode.note(note))
    assert other.hear().address == "/bridge/note"


def test_an_ipv6_reply_address_is_refused_by_an_ipv4_server(running, peer):
    error = ask(peer, "/bridge/reply_to", "::1", 9000)
    assert "IPv4 and IPv6 do not mix" in error.arguments[3]


def test_the_server_never_talks_to_itself(running, peer):
    error = ask(peer, "/bridge/reply_to", "127.0.0.1", running.port)
    assert "is StemBridge itself" in error.arguments[3]
    error = ask(peer, "/bridge/job/start", "id", "/a.wav", "reply_to", f"127.0.0.2:{running.port}")
    assert "is StemBridge itself" in error.arguments[3]
    assert running.daemon.commands == []


def test_subscribing_gives_the_values_as_they_are_and_then_changes_once(running, peer, other):
    say(peer, "/bridge/subscribe", "param")
    snapshot = [peer.hear() for _ in PARAMETERS]
    assert {m.address for m in snapshot} == {f"/bridge/param/{name}" for name in PARAMETERS}
    assert ask(other, "/bridge/param/transpose", 5) == OscMessage("/bridge/param/transpose", (5,))
    assert peer.hear() == OscMessage("/bridge/param/transpose", (5,))
    assert ask(peer, "/bridge/param/transpose", 7.0) == OscMessage("/bridge/param/transpose", (7,))
    assert nothing_but_pong(peer), "the sender who also subscribes hears its own change once"
    say(peer, "/bridge/unsubscribe", "all")
    ask(other, "/bridge/param/transpose", 9)
    assert nothing_but_pong(peer)


def test_a_reporter_that_also_subscribes_hears_its_job_once(running, peer, other):
    say(peer, "/bridge/subscribe", "job")
    say(other, "/bridge/subscribe", "all")
    other.hear_until(f"/bridge/param/{list(PARAMETERS)[-1]}")
    ask(peer, "/bridge/job/start", "id", "/a.wav")
    reporter = running.daemon.reporters[0]
    running.do(running.server.publish, *encode.job_event(Accepted("id")), reporter)
    assert peer.hear().address == other.hear().address == "/bridge/job/accepted"
    assert nothing_but_pong(peer)


def test_two_surfaces_that_repeat_what_they_hear_fall_silent(running, peer, other):
    for surface in (peer, other):
        say(surface, "/bridge/subscribe", "param")
        for _ in PARAMETERS:
            surface.hear()
    say(peer, "/bridge/param/velocity", 2.0)
    for surface in (peer, other):
        echo = surface.hear()
        assert echo == OscMessage("/bridge/param/velocity", (2.0,))
        surface.send(packed(echo))
    assert nothing_but_pong(peer)
    assert nothing_but_pong(other)


def test_a_value_asked_for_twice_is_said_twice(running, peer):
    first = ask(peer, "/bridge/param/velocity")
    assert ask(peer, "/bridge/param/velocity") == first


def test_a_refusal_goes_to_the_requester_only(running, peer, other):
    say(other, "/bridge/subscribe", "all")
    other.hear_until(f"/bridge/param/{list(PARAMETERS)[-1]}")
    error = ask(peer, "/bridge/job/start", "refuse", "/a.wav")
    assert error == OscMessage(
        "/bridge/error", ("refuse", "/bridge/job/start", ErrorCode.BUSY.value, "eight jobs wait already")
    )
    assert nothing_but_pong(other)


def test_a_refusal_decided_later_goes_to_the_requester_with_its_id(running, peer, other):
    ask(peer, "/bridge/job/start", "id", "/a.wav")
    reporter = running.daemon.reporters[0]
    problem = BridgeError(ErrorCode.FILE_NOT_FOUND, "there is no file /a.wav")
    running.do(reporter.refuse, "id", "/bridge/job/start", problem)
    assert peer.hear().arguments == ("id", "/bridge/job/start", "file_not_found", "there is no file /a.wav")
    assert nothing_but_pong(other)


def test_a_fault_in_the_daemon_is_logged_and_answered(running, peer, caplog):
    with caplog.at_level(logging.ERROR):
        error = ask(peer, "/bridge/job/start", "crash", "/a.wav")
    assert error.arguments[:3] == ("crash", "/bridge/job/start", "internal")
    assert "ZeroDivisionError" in caplog.text
    assert nothing_but_pong(peer)


@pytest.mark.parametrize(
    "packet",
    [
        packed(OscMessage("/bridge/error", ("", "", "busy", "no"))),
        packed(OscMessage("/bridge/job/done", ("id",))),
        bundle(None, packed(OscMessage("/bridge/error", ("", "", "busy", "no"))), b"broken!!"),
        b"/bridge/error\0\0\0,zzz",
        b"/bridge/pong\0\0\0\0,zz",
    ],
)
def test_an_error_or_an_answer_that_comes_back_is_not_answered(running, peer, packet):
    peer.send(packet)
    assert nothing_but_pong(peer)


def test_a_flood_of_errors_is_answered_with_a_burst_and_one_word_about_the_rest(running, peer):
    for _ in range(200):
        peer.send(b"garbage!")
    say(peer, "/bridge/ping", "end")
    heard = peer.hear_until("/bridge/pong")
    errors = [m for m in heard if m.address == "/bridge/error"]
    assert ERROR_BURST + 1 <= len(errors) < 100
    assert sum("left out" in m.arguments[3] for m in errors) == 1
    assert running.do(running.server.counters)["osc_errors_left_out"] >= 100


def test_no_hint_is_looked_for_once_errors_are_left_out(running, peer, monkeypatch):
    looked_for = []

    def count(word, valid):
        looked_for.append(word)
        return nearest(word, valid)

    monkeypatch.setattr("bridge.osc.parse.nearest", count)
    for number in range(300):
        say(peer, f"/bridge/job/strat{number}")
    say(peer, "/bridge/ping", "end")
    assert len(peer.hear_until("/bridge/pong")) < 100
    assert ERROR_BURST <= len(looked_for) < 100


def test_a_bundle_is_handled_whole_and_in_order_and_one_refusal_does_not_stop_it(running, peer):
    values = [packed(OscMessage("/bridge/param/transpose", (n,))) for n in (1, 99, 2)]
    peer.send(bundle(None, *values))
    heard = [peer.hear() for _ in range(3)]
    assert [m.arguments[0] for m in heard] == [1, "", 2]


def test_a_bundle_with_one_broken_element_does_nothing(running, peer):
    peer.send(bundle(None, packed(OscMessage("/bridge/panic")), b"/x\0\0,i\0\0"))
    assert peer.hear().arguments[2] == "bad_message"
    assert running.daemon.commands == []


def test_a_bundle_from_the_past_takes_effect_now(running, peer):
    peer.send(bundle(time.time() - 100, packed(OscMessage("/bridge/ping", ("late",)))))
    assert peer.hear() == OscMessage("/bridge/pong", ("late",))


def test_a_bundle_from_the_future_waits_while_others_are_answered(running, peer):
    due = time.time() + 0.3
    peer.send(bundle(due, packed(OscMessage("/bridge/ping", ("later",)))))
    assert ask(peer, "/bridge/ping", "now") == OscMessage("/bridge/pong", ("now",))
    assert peer.hear() == OscMessage("/bridge/pong", ("later",))
    assert time.time() >= due - 0.01


def test_a_bundle_too_far_ahead_is_refused_and_says_how_far(running, peer):
    peer.send(bundle(time.time() + FURTHEST_AHEAD + 60, packed(OscMessage("/bridge/panic"))))
    error = peer.hear()
    assert error.arguments[1:3] == ("/bridge/panic", "bad_message")
    assert "clocks" in error.arguments[3]


def test_waiting_bundles_of_one_sender_are_bounded_and_leave_room_for_another(running, peer, other):
    later = bundle(time.time() + 50, packed(OscMessage("/bridge/panic")))
    for _ in range(MAX_SCHEDULED_EACH):
        peer.send(later)
    assert nothing_but_pong(peer)
    peer.send(later)
    assert peer.hear().arguments[2] == "busy"
    other.send(later)
    assert nothing_but_pong(other)
    assert running.do(running.server.counters)["osc_scheduled"] == MAX_SCHEDULED_EACH + 1


def test_the_release_of_a_button_is_not_even_an_error(running, peer):
    say(peer, "/bridge/panic", 0)
    assert nothing_but_pong(peer)
    assert running.daemon.commands == []
    assert ask(peer, "/bridge/panic", 1.0) == OscMessage("/bridge/panic", (1,))


def test_the_largest_datagram_is_read(running, peer):
    peer.send(packed(OscMessage("/bridge/ping", ("x" * 4000,))))
    assert len(peer.hear().arguments[0]) == 4000
    peer.send(b"/a\0\0,b\0\0" + (65000).to_bytes(4, "big") + b"\0" * 65000)
    assert peer.hear().arguments[2] == "unknown_address"


def test_sending_to_whom_has_gone_or_cannot_be_reached_raises_nothing(running):
    gone = UdpPeer(running.port)
    say(gone, "/bridge/subscribe", "job")
    ask(gone, "/bridge/job/start", "id", "/a.wav")
    gone.close()
    for _ in range(3):
        running.do(running.server.publish, *encode.job_event(Done("id")))
    running.do(running.server.send, Peer("udp", "255.255.255.255", 9), OscMessage("/bridge/pong"))
    running.do(running.server.send, Peer("tcp", "127.0.0.1", 9), OscMessage("/bridge/pong"))
    running.do(running.server.send, Peer("udp", "127.0.0.1", 9), OscMessage("/bridge/pong", ("x" * 70000,)))
    assert running.do(running.server.counters)["osc_unsent"] >= 1


def test_subscribers_hear_when_the_server_leaves(running, peer):
    say(peer, "/bridge/subscribe", "midi")
    assert nothing_but_pong(peer)
    running.do(running.server.close)
    assert peer.hear().address == "/bridge/bye"


def test_a_closed_server_frees_its_port_at_once():
    async def start_and_close(port: int) -> int:
        server = OscServer(ServerOptions(port=port), handler=None)
        await server.start()
        server.close()
        await asyncio.sleep(0)
        return server.port

    port = asyncio.run(start_and_close(0))
    assert asyncio.run(start_and_close(port)) == port


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_taken_port_is_an_error_that_names_it_and_says_what_to_do(kind):
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(BridgeError, match=f"127.0.0.1:{port}.*osc.port") as caught:
            asyncio.run(OscServer(ServerOptions(port=port), handler=None).start())
        assert caught.value.code is ErrorCode.UNREACHABLE


def test_whom_the_options_name_hears_hello_without_asking():
    async def greet() -> None:
        server = OscServer(ServerOptions(port=0, announce=(f"localhost:{listener.getsockname()[1]}",)), handler=None)
        await server.start()
        server.broadcast(encode.hello("1.2.3"))
        server.close()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        asyncio.run(greet())
        assert listener.recv(1000).startswith(b"/bridge/hello\0")
        assert listener.recv(1000).startswith(b"/bridge/bye\0")
    with pytest.raises(BridgeError, match="no host:port"):
        OscServer(ServerOptions(announce=("nowhere",)), handler=None)


def test_ipv6_is_served_alike():
    async def ping() -> bytes:
        server = OscServer(ServerOptions(host="::1", port=0), handler=None)
        await server.start()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
            peer.setblocking(False)
            peer.bind(("::1", 0))
            peer.sendto(packed(OscMessage("/bridge/ping")), ("::1", server.port))
            answer = await asyncio.wait_for(loop.sock_recv(peer, 1000), 5)
        server.close()
        return answer

    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert asyncio.run(ping()).startswith(b"/bridge/pong\0")


def test_two_senders_take_turns(running, peer, other):
    """A hundred waiting questions of one sender do not stand before the one question of another."""
    order = []

    def note_down(packet, sender):
        order.append(sender.port)

    def fill():
        inbox = running.server._inbox
        inbox._receive = note_down
        udp = running.server._udp
        for _ in range(100):
            udp._put(b"x", "127.0.0.1", 1)
        udp._put(b"y", "127.0.0.1", 2)

    running.do(fill)
    until(lambda: len(order) == 101, "everything handled")
    assert order.index(2) == 1

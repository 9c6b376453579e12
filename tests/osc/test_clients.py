"""The client table: who hears of what, for how long, and how many there may be."""

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.clients import EXPIRY, MAX_KEPT, MAX_PASSING, Clients, Peer
from bridge.osc.limit import ERROR_BURST, ERRORS_PER_SECOND, ErrorLimit
from bridge.osc.rows import Topic

A, B, C = (Peer("udp", "127.0.0.1", port) for port in (1, 2, 3))
T = Peer("tcp", "127.0.0.1", 1)


def hearing(clients, topic):
    return set(clients.subscribers(topic))


def test_two_ports_of_one_machine_and_two_transports_are_different_clients():
    clients = Clients()
    clients.subscribe(A, {Topic.JOB}, 0)
    clients.subscribe(T, {Topic.NOTE}, 0)
    assert hearing(clients, Topic.JOB) == {A}
    assert hearing(clients, Topic.NOTE) == {T}
    assert set(clients.subscribers()) == {A, T}


def test_unsubscribing_ends_one_topic_only():
    clients = Clients()
    clients.subscribe(A, {Topic.JOB, Topic.NOTE}, 0)
    clients.unsubscribe(A, {Topic.JOB})
    clients.unsubscribe(B, {Topic.NOTE})
    assert hearing(clients, Topic.JOB) == set()
    assert hearing(clients, Topic.NOTE) == {A}


def test_a_reply_address_takes_the_subscriptions_with_it_and_back():
    clients = Clients()
    clients.subscribe(A, {Topic.JOB}, 0)
    clients.redirect(A, B, 0)
    assert (clients.target(A), hearing(clients, Topic.JOB)) == (B, {B})
    clients.redirect(A, C, 0)
    assert (clients.target(A), hearing(clients, Topic.JOB)) == (C, {C})
    clients.redirect(A, A, 0)
    assert (clients.target(A), hearing(clients, Topic.JOB)) == (A, {A})


def test_reply_addresses_that_point_at_each_other_do_not_go_in_circles():
    clients = Clients()
    clients.redirect(A, B, 0)
    clients.redirect(B, A, 0)
    assert clients.target(A) == B
    assert clients.target(B) == A


def test_a_subscription_ends_an_hour_after_the_last_message_and_any_message_renews_it():
    clients = Clients()
    clients.subscribe(A, {Topic.JOB}, 0)
    clients.subscribe(B, {Topic.JOB}, 0)
    clients.subscribe(T, {Topic.JOB}, 0)
    clients.seen(A, EXPIRY - 1)
    clients.expire(EXPIRY + 1)
    assert hearing(clients, Topic.JOB) == {A, T}


def test_a_client_that_listens_elsewhere_renews_what_is_heard_there():
    clients = Clients()
    clients.redirect(A, B, 0)
    clients.subscribe(B, {Topic.JOB}, 0)
    clients.seen(A, EXPIRY - 1)
    clients.expire(EXPIRY + 1)
    assert hearing(clients, Topic.JOB) == {B}
    assert clients.target(A) == B


def test_subscribers_are_bounded_and_an_expired_one_makes_room():
    clients = Clients()
    for port in range(1, MAX_KEPT + 1):
        clients.subscribe(Peer("udp", "127.0.0.1", port), {Topic.JOB}, 0)
    with pytest.raises(BridgeError, match=str(MAX_KEPT)) as caught:
        clients.subscribe(Peer("udp", "127.0.0.1", 999), {Topic.JOB}, 1)
    assert caught.value.code is ErrorCode.BUSY
    clients.subscribe(Peer("udp", "127.0.0.1", 999), {Topic.JOB}, EXPIRY + 1)
    assert len(clients) == 1


def test_a_reply_address_refused_for_lack_of_room_changes_nothing():
    clients = Clients()
    for port in range(1, MAX_KEPT + 1):
        clients.subscribe(Peer("udp", "127.0.0.1", port), {Topic.JOB}, 0)
    with pytest.raises(BridgeError):
        clients.redirect(A, Peer("udp", "127.0.0.1", 999), 0)
    assert clients.target(A) == A
    assert A in hearing(clients, Topic.JOB)


def test_passers_by_are_forgotten_and_subscribers_are_not():
    clients = Clients()
    clients.subscribe(A, {Topic.JOB}, 0)
    for port in range(10, 10 + 3 * MAX_PASSING):
        clients.seen(Peer("udp", "10.0.0.1", port), 0)
    assert hearing(clients, Topic.JOB) == {A}
    assert len(clients._passing) == MAX_PASSING


def test_a_client_that_hangs_up_is_forgotten():
    clients = Clients()
    clients.subscribe(T, {Topic.JOB}, 0)
    clients.drop(T)
    assert hearing(clients, Topic.JOB) == set()


def test_errors_come_in_a_burst_then_a_trickle_and_the_client_is_told_once():
    limit = ErrorLimit(updated=0.0)
    told = sum(limit.take(0.0) for _ in range(1000))
    assert told == ERROR_BURST
    assert limit.announce()
    assert not limit.announce()
    told = sum(limit.take(now / 1000) for now in range(10_000))
    assert told == pytest.approx(10 * ERRORS_PER_SECOND, abs=1)
    assert not limit.announce()
    calm = 10 + ERROR_BURST / ERRORS_PER_SECOND
    assert limit.take(calm)
    assert not limit.announce(), "there is room again, nothing is left out"

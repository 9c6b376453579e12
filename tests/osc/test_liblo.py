"""liblo's own programs as peers: oscsend, which is gone before the answer comes, and oscdump."""

import pytest

from bridge.osc import encode
from bridge.session import commands
from bridge.session.events import Done
from bridge.session.parameters import PARAMETERS
from tests.osc.peers import OscDump, oscsend, until


@pytest.fixture
def dump():
    dump = OscDump()
    yield dump
    dump.close()


def test_oscsend_starts_a_job_and_oscdump_hears_of_it(running, dump):
    words = ("sssfsiss", "job1", "/music/a.wav", "start", "1.5", "channel", "4", "reply_to", f"127.0.0.1:{dump.port}")
    oscsend(running.port, "/bridge/job/start", *words)
    until(lambda: dump.heard("/bridge/job/accepted s", "job1"), "the acceptance")
    request = running.daemon.commands[0].request
    assert (request.start, request.parameters) == (1.5, {"channel": 4.0})
    running.do(running.daemon.reporters[0].send, encode.job_event(Done("job1")).message)
    until(lambda: dump.heard("/bridge/job/done s", "job1"), "the end")


def test_a_refused_oscsend_is_explained_at_its_reply_address(running, dump):
    oscsend(running.port, "/bridge/job/start", "ssss", "job1", "a.wav", "reply_to", f"127.0.0.1:{dump.port}")
    until(lambda: dump.heard("/bridge/error ssss", "job1", "bad_argument", "absolute path"), "the refusal")


def test_oscsend_subscribes_for_oscdump(running, dump):
    oscsend(running.port, "/bridge/subscribe", "sss", "param", "reply_to", f"127.0.0.1:{dump.port}")
    until(lambda: all(dump.heard(f"/bridge/param/{name}") for name in PARAMETERS), "the snapshot")
    oscsend(running.port, "/bridge/param/transpose", "f", "3")
    until(lambda: dump.heard("/bridge/param/transpose i 3"), "the change")
    oscsend(running.port, "/bridge/unsubscribe", "sss", "all", "reply_to", f"127.0.0.1:{dump.port}")
    until(lambda: running.do(running.server.counters)["osc_subscribers"] == 0, "the end of it")


@pytest.mark.parametrize(("types", "words"), [("i", ["1"]), ("h", ["1"]), ("f", ["1"]), ("d", ["1"]), ("T", [])])
def test_every_number_type_of_liblo_is_a_press(running, types, words):
    oscsend(running.port, "/bridge/panic", types, *words)
    until(lambda: running.daemon.commands == [commands.Panic()], "the panic")


@pytest.mark.parametrize(("types", "words"), [("i", ["0"]), ("f", ["0"]), ("F", [])])
def test_every_release_of_liblo_is_ignored(running, types, words):
    oscsend(running.port, "/bridge/panic", types, *words)
    oscsend(running.port, "/bridge/version")
    until(lambda: running.daemon.commands == [commands.AskVersion()], "the question after it")


def test_oscsend_over_tcp_is_heard(running):
    oscsend(0, "/bridge/param/threshold", "d", "0.25", url=f"osc.tcp://127.0.0.1:{running.port}")
    until(lambda: running.daemon.commands == [commands.SetParameter("threshold", 0.25)], "the value")
    oscsend(running.port, "/bridge/version")
    until(lambda: running.daemon.commands[-1] == commands.AskVersion(), "the server going on")

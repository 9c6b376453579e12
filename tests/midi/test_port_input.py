"""The MIDI input beside the output, with real senders on real servers."""

import asyncio
import time
from pathlib import Path
from statistics import median

import pytest
import rtmidi

from bridge.errors import BridgeError, ErrorCode
from bridge.midi import port_input_keeper
from bridge.midi.options import PlayerOptions
from bridge.midi.port_input import InputReports
from bridge.midi.port_input_keeper import InputKeeper
from bridge.midi.port_input_rtmidi import RtmidiInput
from bridge.session.playback import InputChanged, MidiReceived, PartPlayed, PlayerStatistics
from tests.jack_peer import JackServer, MidiReceiver
from tests.midi.conftest import Played, arrives
from tests.midi.jack_sender import MidiSender
from tests.midi.rig import VOCALS, note

EXCLUSIVE = bytes((0xF0, 0x7F, 0x7F, 0x01, 0x01, 0x21, 0x02, 0x03, 0x04, 0xF7))


def received(played: Played):
    return [message for event in played.of(MidiReceived) for message in event.messages]


async def input_port(played: Played) -> str:
    await played.until(lambda: played.of(InputChanged) and played.of(InputChanged)[-1].available)
    return played.of(InputChanged)[-1].name


@pytest.fixture
async def sender(server: JackServer, played: Played):
    with await asyncio.to_thread(MidiSender, server, await input_port(played)) as sender:
        yield sender


async def all_left(sender: MidiSender, count: int) -> None:
    assert await asyncio.to_thread(sender.wait_for, lambda: len(sender.left) >= count)


async def test_what_comes_in_is_reported_whole_in_order_and_with_the_time_of_its_very_frame(played, sender):
    ticks = [(k * 0.0083, (0xF8,)) for k in range(40)]
    between = [
        (0.0, (0xF2, 5, 1)),
        (0.05, (0xFB,)),
        (0.1, (0x93, 60, 80)),
        (0.11, EXCLUSIVE),
        (0.12, (0xFE,)),
        (0.3, (0xFC,)),
    ]
    sender.send(*sorted(ticks + between))
    await all_left(sender, 46)
    await played.until(lambda: len(received(played)) >= 46)
    heard = received(played)
    assert [data for _, data in heard] == [left.data for left in sender.left]
    # A frame is 21 microseconds; each process measures for itself how far JACK's clock is from the system's.
    assert max(abs(host - left.host) for (host, _), left in zip(heard, sender.left, strict=True)) < 0.0005


GRID = [note(k * 0.02, 30 + k, 0.01) for k in range(50)]


async def plays_its_grid(played: Played, receiver: MidiReceiver) -> None:
    """A second of notes; each arrives, where it was written."""
    begun = len(receiver.events)
    played.play(VOCALS, GRID, length=1.0)
    await arrives(receiver, lambda: any(e.is_on and e.place[1] == 79 for e in receiver.events[begun:]))
    await arrives(receiver, lambda: not receiver.sounding())
    ons = [e for e in receiver.events[begun:] if e.is_on]
    assert [e.place for e in ons] == [(3, 30 + k) for k in range(50)]
    assert median(abs(e.host - ons[0].host - k * 0.02) for k, e in enumerate(ons)) < 0.001
    played.player.unload([VOCALS])


async def cycles_missed(played: Played) -> int:
    reports = len(played.of(PlayerStatistics))
    played.player.report_statistics()
    return (await played.until_event(PlayerStatistics, reports + 1)).xruns


async def test_a_flood_of_messages_and_garbage_makes_no_note_late_and_costs_none(played, receiver, sender):
    for last in (False, False, True):
        missed, before = await cycles_missed(played), sender.flooded
        sender.flood(10_000, 1.5)
        await played.until(lambda: len(received(played)) > 1000)
        try:
            await plays_its_grid(played, receiver)
        except AssertionError:
            # Where JACK itself missed a cycle, what arrives shows what JACK did.
            if last or await cycles_missed(played) == missed:
                raise
        await arrives(sender, lambda: sender.flooded >= before + 14_900)  # noqa: B023
        if await cycles_missed(played) == missed:
            break
    await played.until(lambda: len(received(played)) > 10_000)
    assert played.of(PlayerStatistics)[-1].lateness_median < 0.001


async def test_a_sender_that_hangs_or_dies_leaves_the_notes_alone_and_the_next_one_is_heard(
    played, receiver, sender, server
):
    sender.flood(2000, 60.0)
    await played.until(lambda: len(received(played)) > 100)
    sender.hang()
    await plays_its_grid(played, receiver)
    # JACK counts a cycle as missed for as long as somebody hangs; what it may have cost is not said again in every one of them.
    assert len(receiver.offs) < 3000
    sender.kill()
    await plays_its_grid(played, receiver)
    with await asyncio.to_thread(MidiSender, server, await input_port(played)) as another:
        another.send((0.0, (0xF2, 1, 2)))
        await played.until(lambda: received(played)[-1][1] == bytes((0xF2, 1, 2)))


async def test_a_daemon_that_does_not_read_does_not_hold_up_the_notes_though_much_comes_in(played, receiver, sender):
    sender.flood(10_000, 1.0)
    played.play(VOCALS, [*(note(k * 0.005, 60 + k % 20, 0.004) for k in range(200)), note(1.0, 100)], length=1.2)
    # Not awaited: the loop stays here, so no report is handled until the last note has arrived.
    assert receiver.wait_for(lambda: any(e.place[1] == 100 for e in receiver.ons))
    assert receiver.ons[-1].host - receiver.ons[0].host == pytest.approx(1.0, abs=0.01)


async def test_an_input_without_a_name_is_none(server):
    async with Played(PlayerOptions(backend="jack", jack_server=server.name, input="")) as played:
        await played.port()
        played.play(VOCALS, [note(0.0, 60, 0.2)], length=0.3)
        await played.until_event(PartPlayed)
        assert not played.of(InputChanged)


async def test_a_recording_has_no_input(tmp_path):
    async with Played(PlayerOptions(backend="recording", recording=tmp_path / "r.jsonl")) as played:
        played.play(VOCALS, [note(0.0, 60, 0.2)], length=0.3)
        await played.until_event(PartPlayed)
        assert not played.of(InputChanged)


async def test_the_input_goes_and_comes_back_with_its_jack_server(own_server):
    async with Played(PlayerOptions(jack_server=own_server.name)) as played:
        assert await input_port(played) == "StemBridge in:in"
        own_server.kill()
        lost = await played.until_event(InputChanged, available=False)
        assert lost.backend == "jack"
        own_server.start()
        await played.until_event(InputChanged, number=2, available=True)
        with await asyncio.to_thread(MidiSender, own_server, await input_port(played)) as sender:
            # Again and again: JACK may miss the first cycles of a connection.
            sender.send(*((k * 0.02, (0xFA,)) for k in range(20)))
            await played.until(lambda: received(played))


def test_a_problem_that_goes_on_is_said_once(monkeypatch):
    monkeypatch.setattr(port_input_keeper, "RETRY_EVERY", 0.01)
    said: list[InputChanged] = []
    keeper = InputKeeper(PlayerOptions(jack_server="stembridge-test-no-such-server"), lambda *_: None, said.append)
    attempts, deadline = set(), time.monotonic() + 10
    while len(attempts) < 3 and time.monotonic() < deadline:
        keeper.tend("jack")
        if keeper._attempt is not None:
            attempts.add(keeper._attempt)
    assert len(attempts) == 3
    assert [(e.available, e.name) for e in said] == [(False, "StemBridge in")]
    assert "no-such-server" in said[0].message


def test_what_waits_for_a_reader_that_is_held_up_has_a_bound():
    went_on, reports = [], []
    import threading

    gate, entered = threading.Event(), threading.Event()

    def say(report):
        reports.append(report)
        entered.set()
        gate.wait(10)

    inputs = InputReports(say)
    inputs.take(0.0, b"\xf8")
    assert entered.wait(10)
    for k in range(20_000):
        inputs.take(float(k), b"\xf8")
        went_on.append(k)
    gate.set()
    inputs.close(10.0)
    assert len(went_on) == 20_000
    assert 1 < sum(len(report.messages) for report in reports) < 10_000


@pytest.fixture
def through_jack(server: JackServer, monkeypatch):
    """RtMidi's own way to JACK, the one system that every machine can have for a test."""
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    return rtmidi.API_UNIX_JACK


async def test_a_port_through_rtmidi_hears_clock_exclusives_and_active_sensing_when_they_come(server, through_jack):
    heard: list[tuple[float, bytes]] = []
    port = RtmidiInput("alsa", through_jack, "Into", lambda host, data: heard.append((host, data)), existing=False)
    try:
        with await asyncio.to_thread(MidiSender, server, "Into:Into") as sender:
            messages = [(0xF8,), (0xFE,), EXCLUSIVE, (0x90, 60, 80), (0xFA,), (0xF2, 1, 2)]
            sender.send(*((k * 0.01, message) for k, message in enumerate(messages)))
            await all_left(sender, 6)
            deadline = time.monotonic() + 5
            while len(heard) < 6 and time.monotonic() < deadline:
                await asyncio.sleep(0.001)
        assert [data for _, data in heard] == [bytes(message) for message in messages]
        assert [host for host, _ in heard] == sorted(host for host, _ in heard)
        # RtMidi on JACK says no frame: what a cycle brings, it hands on when the cycle begins.
        assert all(-0.03 < host - left.host < 0.2 for (host, _), left in zip(heard, sender.left, strict=True))
        assert port.tend() is None
    finally:
        port.close()


async def test_an_existing_port_is_heard_by_the_beginning_of_its_name_and_missed_when_it_goes(
    through_jack, monkeypatch
):
    monkeypatch.setattr("bridge.midi.port_rtmidi._LOOK_EVERY", 0.01)
    keyboard = rtmidi.MidiOut(through_jack, name="Keys in")
    keyboard.open_virtual_port("out")
    shorter = rtmidi.MidiOut(through_jack, name="Keys")
    shorter.open_virtual_port("out")
    heard: list[bytes] = []
    port = RtmidiInput("windows", through_jack, "keys IN", lambda _, data: heard.append(data), existing=True)
    assert port.name == "Keys in:out"
    deadline = time.monotonic() + 5
    while not heard and time.monotonic() < deadline:
        keyboard.send_message([0x90, 60, 80])
        await asyncio.sleep(0.01)
    assert heard[0] == bytes((0x90, 60, 80))
    named_alike = RtmidiInput("windows", through_jack, "Keys", lambda *_: None, existing=True)
    assert named_alike.name == "Keys:out"
    named_alike.close()
    keyboard.close_port()
    keyboard.delete()
    while port.tend() is None and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert port.tend() == "the port 'Keys in:out' is no longer there"
    port.close()
    shorter.delete()


def test_an_existing_port_that_is_not_there_is_refused_with_the_names_of_those_that_are(through_jack):
    with pytest.raises(BridgeError, match="no MIDI port is named 'loopMIDI'") as refused:
        RtmidiInput("windows", through_jack, "loopMIDI", lambda *_: None, existing=True)
    assert refused.value.code is ErrorCode.MIDI_UNAVAILABLE


@pytest.mark.skipif(Path("/dev/snd/seq").exists(), reason="this machine has an ALSA sequencer")
def test_where_alsa_has_no_sequencer_that_is_what_is_said():
    with pytest.raises(BridgeError, match="modprobe snd-seq"):
        RtmidiInput("alsa", rtmidi.API_LINUX_ALSA, "Into", lambda *_: None, existing=False)

"""The player process on a real JACK server, heard by a real receiver."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.options import PlayerOptions
from bridge.music.tempo import Transport
from bridge.session.playback import Part, PartPlayed, PlayerLost, PlayerStatistics, PortChanged
from bridge.session.request import Follow, Sync
from tests.jack_peer import MidiReceiver, jack_server
from tests.midi.conftest import Played, arrives, chord
from tests.midi.rig import OTHER_JOB, VOCALS, known, note

ROOT = Path(__file__).parents[2]


async def test_notes_arrive_in_order_and_on_the_grid_they_were_written_on(played, receiver):
    notes = [note(k * 0.02, 30 + k, 0.01) for k in range(50)]
    played.play(VOCALS, notes, length=1.0)
    await arrives(receiver, lambda: len(receiver.offs) == 50)
    assert [e.place for e in receiver.ons] == [(3, 30 + k) for k in range(50)]
    assert not receiver.sounding()
    first = receiver.ons[0].host
    late = sorted(abs(e.host - first - k * 0.02) for k, e in enumerate(receiver.ons))
    assert late[25] < 0.001


async def cycles_missed(played: Played) -> int:
    """How many JACK has missed so far, as the player knows now."""
    reports = len(played.of(PlayerStatistics))
    played.player.report_statistics()
    return (await played.until_event(PlayerStatistics, reports + 1)).xruns


async def test_what_is_reported_as_sent_is_what_arrives(played, receiver):
    for _ in range(3):
        missed = await cycles_missed(played)
        played.events.clear()
        receiver.events.clear()
        played.play(VOCALS, [note(k * 0.03, 60 + k, 0.02) for k in range(10)], length=0.4)
        await played.until_event(PartPlayed, part=VOCALS, reason="played")
        await arrives(receiver, lambda: len(receiver.events) >= 20)
        if await cycles_missed(played) == missed:
            break  # Where JACK has missed a cycle, messages are lost and repeated: that play shows nothing.
    assert [(n.on, n.channel, n.pitch) for n in played.notes] == [(e.is_on, *e.place) for e in receiver.events]
    assert all(n.part == VOCALS for n in played.notes)
    for sent, event in zip(played.notes, receiver.events, strict=True):
        # Frames are a good 20 microseconds; the two clocks are read in different processes.
        assert sent.due + sent.lateness == pytest.approx(event.host, abs=0.001)


async def test_cancel_releases_only_its_own_notes_and_at_once(played, receiver, server):
    played.play(VOCALS, chord(60, 64, 67))
    played.play(OTHER_JOB, chord(60, 72))
    await arrives(receiver, lambda: len(receiver.ons) == 5)
    asked = time.perf_counter()
    played.player.unload([VOCALS])
    await arrives(receiver, lambda: len(receiver.sounding()) == 2)
    assert receiver.sounding() == {(3, 60), (3, 72)}
    assert max(e.seen for e in receiver.offs if e.place[1] in (64, 67)) - asked < (0.020 if server.realtime else 0.100)


async def test_notes_that_become_known_while_their_part_plays_sound_in_it_and_withdrawn_ones_do_not(played, receiver):
    played.player.load(Part(VOCALS, 2.0, 0.5))
    played.player.update(VOCALS, [note(0.0, 60, None), note(0.45, 61)], (), known(0.5), complete=False)
    played.player.launch([VOCALS])
    await arrives(receiver, lambda: receiver.ons)
    played.player.update(VOCALS, [note(0.0, 60, 0.4), note(0.5, 62, 0.1)], [(0.45, 61)], known(2.0), complete=True)
    await arrives(receiver, lambda: len(receiver.offs) == 2)
    first = receiver.ons[0].host
    assert [round(e.host - first, 2) for e in receiver.events] == [0.0, 0.4, 0.5, 0.6]


async def test_a_rolling_transport_plays_what_lies_on_the_timeline_and_stopping_it_releases(played, receiver):
    played.player.load(Part(VOCALS, 60.0, 0.5, Sync.TRANSPORT, at_s=2.0))
    played.player.update(VOCALS, [note(0.2, 60, 50.0)], (), known(60.0), complete=True)
    rolled = time.perf_counter()
    played.player.set_transport(Transport(rolled, 2.0, True))
    await arrives(receiver, lambda: receiver.ons)
    assert receiver.ons[0].host == pytest.approx(rolled + 0.2, abs=0.002)
    played.player.set_transport(Transport(time.perf_counter(), 2.3, False))
    await arrives(receiver, lambda: receiver.offs)


@pytest.fixture
def hanging():
    """A server of the test's own: one that has hung is not quite what it was."""
    with jack_server() as server:
        yield server


async def test_a_jack_server_that_hangs_is_said_and_taken_again_when_it_goes_on(hanging):
    async with Played(PlayerOptions(backend="jack", jack_server=hanging.name)) as played:
        await played.port()
        hanging.suspend()
        said = await played.until_event(PortChanged, available=False)
        assert "hung" in said.message
        played.play(VOCALS, chord(60), length=1.0)
        await played.until_event(PartPlayed, part=VOCALS)
        played.player.report_statistics()
        await played.until(lambda: any(s.dropped_port == 1 for s in played.of(PlayerStatistics)))
        hanging.resume()
        with MidiReceiver(hanging, await played.port()) as receiver:
            await asyncio.to_thread(receiver.wait_connected)
            played.play(VOCALS, chord(64), length=1.0)
            await arrives(receiver, lambda: receiver.ons)


async def test_a_player_leaves_though_its_jack_server_hangs(hanging):
    async with Played(PlayerOptions(backend="jack", jack_server=hanging.name)) as played:
        await played.port()
        pid = played.player.pid
        hanging.suspend()
    assert not psutil.pid_exists(pid)


async def test_no_note_is_left_sounding_in_a_receiver_that_missed_cycles(played, receiver):
    played.play(VOCALS, [note(k * 0.002, k % 128, 0.001) for k in range(400)], length=0.85)
    await arrives(receiver, lambda: receiver.ons)
    for _ in range(10):
        await asyncio.to_thread(receiver.stall, 0.03)
        heard = len(receiver.events)
        await arrives(receiver, lambda: len(receiver.events) > heard)  # noqa: B023
    await played.until_event(PartPlayed)
    await arrives(receiver, lambda: not receiver.sounding())
    assert played.of(PlayerStatistics)


async def test_more_messages_than_a_cycle_holds_all_arrive_in_order(played, receiver):
    played.play(VOCALS, chord(*range(128)))
    await arrives(receiver, lambda: len(receiver.ons) == 128)
    played.player.panic()
    await arrives(receiver, lambda: len(receiver.events) == 128 + 128 + 48)
    assert [e.is_off for e in receiver.events[128:]] == [True] * 128 + [False] * 48
    assert not receiver.sounding()


async def test_panic_releases_all_and_resets_every_channel(played, receiver):
    played.play(VOCALS, [*chord(60, 64), note(1.0, 67)])
    await arrives(receiver, lambda: len(receiver.ons) == 2)
    played.player.panic()
    await arrives(receiver, lambda: len(receiver.events) == 2 + 2 + 48)
    after = [e.data for e in receiver.events[2:]]
    assert sorted(after[:2]) == [bytes((0x82, 60, 64)), bytes((0x82, 64, 64))]
    assert after[2:] == [bytes((0xB0 | c, n, 0)) for c in range(16) for n in (64, 123, 120)]
    # The part is gone: what comes after the panic is only what was asked for after it.
    played.play(OTHER_JOB, [note(0.0, 50, 0.01)], length=0.1)
    await played.until_event(PartPlayed, part=OTHER_JOB)
    assert {e.place[1] for e in receiver.ons} == {60, 64, 50}


async def test_closing_releases_every_note_and_lifts_the_pedal_on_the_channels_used(server):
    async with Played(PlayerOptions(backend="jack", jack_server=server.name)) as played:
        with MidiReceiver(server, await played.port()) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            played.play(VOCALS, chord(60, 64))
            await arrives(receiver, lambda: len(receiver.ons) == 2)
            await played.player.close()
            await arrives(receiver, lambda: len(receiver.events) == 6)
            assert not receiver.sounding()
            assert [e.data for e in receiver.events[4:]] == [bytes((0xB2, 64, 0)), bytes((0xB2, 123, 0))]


async def test_when_the_daemon_is_killed_mid_note_every_note_ends_within_a_tenth_of_a_second(server):
    daemon = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "tests.midi.daemon_to_kill", server.name], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        with MidiReceiver(server, daemon.stdout.readline().strip()) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            daemon.send_signal(signal.SIGUSR1)
            await arrives(receiver, lambda: len(receiver.ons) >= 8)
            killed = time.perf_counter()
            daemon.kill()
            await arrives(receiver, lambda: not receiver.sounding())
            assert max(e.seen for e in receiver.offs) - killed < 0.100
            await arrives(receiver, lambda: bytes((0xB2, 123, 0)) in [e.data for e in receiver.events])
            assert len(receiver.ons) == len(receiver.offs)
    finally:
        daemon.kill()
        daemon.wait()


async def test_an_interrupt_typed_at_the_terminal_does_not_end_the_player(played, receiver):
    os.kill(played.player.pid, signal.SIGINT)
    played.play(VOCALS, chord(60))
    await arrives(receiver, lambda: receiver.ons)


async def test_a_terminated_player_releases_its_notes(played, receiver):
    played.play(VOCALS, chord(60))
    await arrives(receiver, lambda: receiver.ons)
    os.kill(played.player.pid, signal.SIGTERM)
    await arrives(receiver, lambda: receiver.offs)


async def test_a_player_that_dies_is_reported_and_started_again_with_what_was_set(played, server):
    played.player.set_parameter("channel/vocals", 9)
    before = played.player.pid
    os.kill(before, signal.SIGKILL)
    await played.until_event(PlayerLost)
    await played.until_event(PortChanged, number=2, available=True)
    assert played.player.pid not in (None, before)
    with MidiReceiver(server, await played.port()) as receiver:
        await arrives(receiver, lambda: receiver.connected)
        played.play(VOCALS, chord(60))
        await arrives(receiver, lambda: receiver.ons)
        assert receiver.ons[0].place == (9, 60)


async def test_a_player_that_cannot_start_is_refused_to_whoever_starts_it():
    with pytest.raises(BridgeError, match="the player process ended at once") as refused:
        async with Played(PlayerOptions(backend="recording", lookahead_ms="soon")):
            pass
    assert refused.value.code is ErrorCode.INTERNAL


async def test_a_jack_server_that_dies_is_noticed_and_its_port_opened_again_when_it_is_back(own_server):
    async with Played(PlayerOptions(jack_server=own_server.name)) as played:
        assert (await played.until_event(PortChanged)).backend == "jack"
        with MidiReceiver(own_server, await played.port()) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            played.play(VOCALS, chord(60), loop=True)
            await played.until(lambda: played.notes)
            own_server.kill()
            await played.until_event(PortChanged, available=False)
        # Notes that have no port to go to are counted, and none of them comes out when there is one again.
        played.play(OTHER_JOB, [note(0.0, 40, 0.05), note(0.1, 41, 0.05)], length=0.2)
        await played.until_event(PartPlayed, part=OTHER_JOB)
        own_server.start()
        await played.until_event(PortChanged, number=2, available=True)
        played.player.report_statistics()
        statistics = await played.until_event(PlayerStatistics, sounding=0, dropped_port=2)
        assert statistics.sent == 1
        with MidiReceiver(own_server, await played.port()) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            # Again and again: JACK may miss the first cycles of a connection, and what it loses in them is not sent again.
            played.play(OTHER_JOB, [note(0.0, 72, 0.05)], length=0.1, loop=True)
            await arrives(receiver, lambda: {e.place for e in receiver.ons} >= {(3, 72)})
            assert {e.place for e in receiver.events} == {(3, 72)}


async def test_statistics_count_what_was_sent_and_how_late(played, receiver):
    played.play(VOCALS, [note(k * 0.01, 60, 0.005) for k in range(20)], length=0.3)
    await played.until_event(PartPlayed)
    played.player.report_statistics()
    statistics = await played.until_event(PlayerStatistics, sent=40)
    assert statistics.sounding == statistics.dropped_late == statistics.dropped_range == statistics.dropped_port == 0
    assert statistics.lateness_median <= statistics.lateness_p99 <= statistics.lateness_max
    assert abs(statistics.lateness_median) < 0.001


async def test_calls_return_at_once_though_the_player_does_not_read(played):
    os.kill(played.player.pid, signal.SIGSTOP)
    try:
        notes = [note(k * 0.001, k % 128) for k in range(5000)]
        played.player.load(Part(VOCALS, 60.0, 0.5))
        for _ in range(10):  # Several megabytes: far more than a pipe holds.
            played.player.update(VOCALS, notes, (), known(60.0), complete=False)
    finally:
        os.kill(played.player.pid, signal.SIGCONT)
    played.player.update(VOCALS, [note(0.0, 1, 0.01)], (), known(0.05), complete=True)
    played.player.load(Part(OTHER_JOB, 0.1, 0.5))
    played.player.update(OTHER_JOB, [note(0.0)], (), known(0.1), complete=True)
    played.player.launch([OTHER_JOB])
    await played.until_event(PartPlayed, part=OTHER_JOB)


async def test_a_daemon_that_does_not_read_does_not_hold_up_the_notes(played, receiver):
    played.play(VOCALS, [*(note(k * 0.005, 60 + k % 20, 0.004) for k in range(300)), note(1.5, 100)], length=1.7)
    # Not awaited: the loop stays here, so no report is handled until the last note has arrived.
    assert receiver.wait_for(lambda: any(e.place[1] == 100 for e in receiver.ons))
    assert receiver.ons[-1].host - receiver.ons[0].host == pytest.approx(1.5, abs=0.01)


async def test_what_a_player_cannot_understand_is_refused_where_it_is_said(played):
    for call in (
        lambda: played.player.override(VOCALS, "loudness", 1.0),
        lambda: played.player.set_parameter("channel", 1.0),
        lambda: played.player.load(Part(VOCALS, 1.0, 0.5, follow=Follow.TEMPO)),
    ):
        with pytest.raises(BridgeError) as refused:
            call()
        assert refused.value.code is ErrorCode.BAD_ARGUMENT


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no SCHED_FIFO")
@pytest.mark.parametrize("asked", [True, False])
async def test_real_time_priority_is_reported_as_it_was_granted(asked, tmp_path):
    async with Played(PlayerOptions(backend="recording", recording=tmp_path / "r.jsonl", realtime=asked)) as played:
        policy = os.sched_getscheduler(played.player.pid)
        assert played.player.realtime is (policy == os.SCHED_FIFO)
        assert asked or not played.player.realtime
        await asyncio.sleep(0)


async def test_a_key_that_becomes_known_reaches_the_player(played, receiver):
    played.player.set_parameter("snap", 1)
    played.play(VOCALS, [note(0.3, 61, 0.1)], length=0.6)
    played.player.set_key([VOCALS], 0)
    await arrives(receiver, lambda: len(receiver.events) >= 2)
    assert [event.place[1] for event in receiver.events] == [60, 60]

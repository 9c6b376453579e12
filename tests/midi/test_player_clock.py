"""Clock messages and the port's offset, on a real JACK server."""

import asyncio
import time
from statistics import median

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.options import PlayerOptions
from bridge.music.tempo import Transport
from bridge.session.playback import Part, PartPlayed, PlayerStatistics
from bridge.session.request import Sync
from tests.jack_peer import MidiReceiver
from tests.midi.conftest import Played, arrives
from tests.midi.rig import OTHER_JOB, VOCALS, known, note

TICK, START, STOP = (bytes((b,)) for b in (0xF8, 0xFA, 0xFC))


def pointer(number: int) -> bytes:
    return bytes((0xF2, number & 0x7F, number >> 7))


def of_the_system(receiver):
    return [event for event in list(receiver.events) if event.data[0] >= 0xF0]


async def test_clock_messages_leave_at_their_very_times_with_notes_between_them(played, receiver):
    start = time.perf_counter() + 0.1
    # Numbered, so that each can be told from the others.
    sent = [(start + k * 60 / 24 / 300, pointer(k)) for k in range(120)]
    played.player.send_clock(sent[:60])
    played.play(VOCALS, [note(k * 0.02, 30 + k, 0.01) for k in range(40)], length=0.85)
    played.player.send_clock(sent[60:])
    await arrives(receiver, lambda: len(of_the_system(receiver)) >= 120)
    await played.until_event(PartPlayed)
    await arrives(receiver, lambda: not receiver.sounding())
    heard = of_the_system(receiver)
    assert [event.data for event in heard] == [data for _, data in sent]
    # A frame is 21 microseconds; each process measures for itself how far JACK's clock is from the system's.
    assert median(abs(event.host - host) for event, (host, _) in zip(heard, sent, strict=True)) < 0.0005
    assert len(receiver.ons) == 40
    assert all(n.pitch >= 30 for n in played.notes)
    assert len(played.notes) == 80


async def test_what_is_cleared_does_not_leave_and_what_is_too_late_is_counted(played, receiver):
    now = time.perf_counter()
    played.player.send_clock([(now - 1.0, TICK), (now + 60.0, TICK), (now + 0.2, pointer(1))])
    played.player.clear_clock()
    played.player.send_clock([(now - 1.0, TICK), (now - 1.0, STOP), (now + 0.3, pointer(2))])
    await arrives(receiver, lambda: any(event.data == pointer(2) for event in receiver.events))
    played.player.report_statistics()
    statistics = (await played.until_event(PlayerStatistics)).dropped_clock
    # The first one may have been found too late before it was taken back.
    assert statistics in (1, 2)
    assert [event.data for event in of_the_system(receiver)] == [STOP, pointer(2)]


async def test_a_receiver_that_missed_cycles_gets_no_clock_message_twice(played, receiver):
    start = time.perf_counter() + 0.1
    played.player.send_clock([(start + k * 0.005, pointer(k)) for k in range(300)])
    played.play(VOCALS, [note(k * 0.005, 30 + k % 90, 0.004) for k in range(300)], length=1.6)
    await arrives(receiver, lambda: len(of_the_system(receiver)) > 10)
    for _ in range(5):
        await asyncio.to_thread(receiver.stall, 0.03)
        heard = len(receiver.events)
        await arrives(receiver, lambda: len(receiver.events) > heard)  # noqa: B023
    await played.until_event(PartPlayed)
    await arrives(receiver, lambda: not receiver.sounding())
    numbers = [event.data for event in of_the_system(receiver)]
    assert len(numbers) == len(set(numbers))


async def test_slaves_that_roll_are_stopped_when_the_player_leaves(server):
    async with Played(PlayerOptions(backend="jack", jack_server=server.name)) as played:
        with MidiReceiver(server, await played.port()) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            now = time.perf_counter()
            played.player.send_clock([(now, START), *((now + 0.1 + k * 0.02, TICK) for k in range(1000))])
            await arrives(receiver, lambda: len(of_the_system(receiver)) > 3)
            await played.player.close()
            await arrives(receiver, lambda: of_the_system(receiver)[-1].data == STOP)


async def test_only_short_system_messages_are_clock_messages(played):
    for data in (bytes((0x90, 60, 80)), b"", bytes((0xF0, *range(40), 0xF7))):
        with pytest.raises(BridgeError, match="is no clock message: expected a system message") as refused:
            played.player.send_clock([(time.perf_counter(), data)])
        assert refused.value.code is ErrorCode.BAD_ARGUMENT


async def test_clock_messages_reach_a_recording_too(tmp_path):
    path = tmp_path / "r.jsonl"
    async with Played(PlayerOptions(backend="recording", recording=path)) as played:
        await played.port()
        played.player.send_clock([(time.perf_counter() + 0.01, TICK)])
        deadline = time.monotonic() + 5
        while not path.read_text() and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
    assert '"bytes": [248]' in path.read_text()


@pytest.mark.parametrize("offset_ms", [-120.0, 80.0])
async def test_the_port_s_offset_moves_every_note_and_the_live_ones_come_on_top(server, offset_ms):
    options = PlayerOptions(backend="jack", jack_server=server.name, offset_ms=offset_ms)
    async with Played(options) as played:
        with MidiReceiver(server, await played.port()) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            for part, overrides in ((VOCALS, {}), (OTHER_JOB, {"offset_ms": 100.0, "channel": 5})):
                played.player.load(Part(part, 60.0, 0.5, Sync.TRANSPORT, at_s=0.0, overrides=overrides))
                played.player.update(part, [note(k, 60 + k, 0.1) for k in (1, 2)], (), known(60.0), complete=True)
            rolled = time.perf_counter()
            played.player.set_transport(Transport(rolled, 0.6, True))
            await arrives(receiver, lambda: len(receiver.ons) == 2)
            played.player.set_parameter("offset_ms", 20.0)
            played.player.override(OTHER_JOB, "offset_ms", -30.0)
            await arrives(receiver, lambda: len(receiver.ons) == 4)
    heard = {event.place: event.host - rolled + 0.6 - offset_ms / 1000 for event in receiver.ons}
    assert heard == pytest.approx({(3, 61): 1.0, (5, 61): 1.1, (3, 62): 2.02, (5, 62): 1.97}, abs=0.002)


async def test_a_part_that_starts_now_waits_for_a_port_that_must_be_told_early(server):
    # More than the tolerance: else the first notes would be found too late.
    options = PlayerOptions(backend="jack", jack_server=server.name, offset_ms=-150.0)
    async with Played(options) as played:
        with MidiReceiver(server, await played.port()) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            played.play(VOCALS, [note(0.0, 60, 0.01), note(0.1, 61, 0.01)], length=0.2)
            await played.until_event(PartPlayed)
            await arrives(receiver, lambda: len(receiver.offs) == 2)
    assert [event.place for event in receiver.ons] == [(3, 60), (3, 61)]
    assert receiver.ons[1].host - receiver.ons[0].host == pytest.approx(0.1, abs=0.001)

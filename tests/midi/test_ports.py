import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import rtmidi

from bridge.errors import BridgeError, ErrorCode
from bridge.midi import ports
from bridge.midi.messages import RELEASE, NoteOff, NoteOn, Silence
from bridge.midi.options import PlayerOptions
from bridge.midi.port_jack import JackPort
from bridge.midi.port_recording import RecordingPort
from bridge.midi.port_rtmidi import RtmidiPort
from bridge.session.playback import PartPlayed, PortChanged
from tests.jack_peer import JackServer, MidiReceiver, jack_server
from tests.midi.conftest import Played, arrives, chord
from tests.midi.rig import OTHER_JOB, VOCALS, note

NOWHERE = "stembridge-test-no-such-server"


def recorded(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def without_jack(monkeypatch):
    """Clients of this process and its children look for a server that does not run."""
    monkeypatch.setenv("JACK_DEFAULT_SERVER", NOWHERE)


def two_notes(start):
    return [NoteOn(1, start, VOCALS, 3, 60, 80), NoteOff(1, start + 0.02), NoteOn(2, start + 0.04, VOCALS, 3, 64, 80)]


def test_a_recording_holds_every_message_with_the_time_it_was_due(tmp_path):
    path = tmp_path / "new folder" / "recording.jsonl"
    port = RecordingPort(path, 0.05)
    start = time.perf_counter() + 0.02
    port.post(two_notes(start))
    deadline = time.monotonic() + 5
    while len(recorded(path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    port.post([Silence(RELEASE, every_channel=False)])
    assert port.drain(5.0)
    port.close()
    lines = recorded(path)
    assert [bytes(line["bytes"]) for line in lines] == [
        bytes((0x92, 60, 80)),
        bytes((0x82, 60, 64)),
        bytes((0x92, 64, 80)),
        bytes((0x82, 64, 64)),
        bytes((0xB2, 64, 0)),
        bytes((0xB2, 123, 0)),
    ]
    for line, due in zip(lines, (start, start + 0.02, start + 0.04), strict=False):
        assert 0 <= line["host"] - due < 0.05
    assert [sent.emission.data for sent in port.sent()] == [bytes(line["bytes"]) for line in lines]


def test_a_recording_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BridgeError, match="cannot write the recording") as refused:
        RecordingPort(tmp_path / "file" / "recording.jsonl", 0.05)
    assert refused.value.code is ErrorCode.DISK


def test_a_port_whose_system_fails_says_that_it_is_lost(tmp_path):
    port = RecordingPort(tmp_path / "recording.jsonl", 0.05)
    port._file.close()
    port.post(two_notes(time.perf_counter()))
    deadline = time.monotonic() + 5
    while port.tend() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert port.tend().startswith("sending failed: ValueError")


async def test_a_port_through_rtmidi_sends_on_time_and_in_order(server: JackServer, monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    port = RtmidiPort("alsa", rtmidi.API_UNIX_JACK, "Through", 0.05, existing=False)
    try:
        with MidiReceiver(server, port.name) as receiver:
            await arrives(receiver, lambda: receiver.connected)
            start = time.perf_counter() + 0.02
            port.post(two_notes(start))
            await arrives(receiver, lambda: len(receiver.events) == 3)
            assert [e.data[1] for e in receiver.events] == [60, 60, 64]
            port.post([Silence(RELEASE, every_channel=False)])
            await arrives(receiver, lambda: len(receiver.events) == 6)
            assert not receiver.sounding()
            assert all(s.at >= s.emission.due for s in port.sent() if s.emission.note and s.emission.on)
    finally:
        port.close()


async def test_an_existing_port_is_opened_by_the_beginning_of_its_name(server: JackServer, monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    synth = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="Synth")
    synth.open_virtual_port("in")
    try:
        port = RtmidiPort("windows", rtmidi.API_UNIX_JACK, "synth", 0.05, existing=True)
        assert port.name == "Synth:in"
        port.post(two_notes(time.perf_counter()))
        heard, deadline = [], time.monotonic() + 5
        while len(heard) < 3 and time.monotonic() < deadline:
            if (message := synth.get_message()) is not None:
                heard.append(message[0][1])
        assert heard == [60, 60, 64]
        port.close()
    finally:
        synth.close_port()
        synth.delete()


def test_a_port_that_does_not_exist_is_refused_with_the_names_of_those_that_do(server: JackServer, monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    with pytest.raises(BridgeError, match="no MIDI port is named 'loopMIDI'") as refused:
        RtmidiPort("windows", rtmidi.API_UNIX_JACK, "loopMIDI", 0.05, existing=True)
    assert refused.value.code is ErrorCode.MIDI_UNAVAILABLE


def test_no_jack_server_is_started_for_a_user(without_jack):
    with pytest.raises(BridgeError, match="no JACK server answers"):
        JackPort("StemBridge", None, 0.05)


def test_a_backend_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(BridgeError, match="'jakc'; there are: auto, jack, alsa"):
        PlayerOptions(backend="jakc")


def test_auto_takes_a_running_jack_server(server: JackServer):
    port = ports.open_port(PlayerOptions(jack_server=server.name))
    assert port.backend == "jack"
    port.close()


def test_the_list_of_systems_names_jack_s_ports_and_says_why_another_is_missing(server: JackServer, tmp_path):
    with MidiReceiver(server, "nothing"):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            systems = {s.backend: s for s in ports.list_systems(PlayerOptions(jack_server=server.name))}
            if "receiver:in" in systems["jack"].inputs:
                break
    assert systems["jack"].available
    assert "receiver:in" in systems["jack"].inputs
    missing = {s.backend: s for s in ports.list_systems(PlayerOptions(jack_server=NOWHERE))}["jack"]
    assert not missing.available
    assert NOWHERE in missing.detail
    assert systems["recording"].available


@pytest.mark.skipif(Path("/dev/snd/seq").exists(), reason="this machine has an ALSA sequencer")
async def test_a_machine_without_midi_records_and_says_so_and_changes_to_jack_when_it_appears(without_jack, tmp_path):
    path = tmp_path / "recording.jsonl"
    with jack_server() as server:
        server.stop()
        async with Played(PlayerOptions(jack_server=server.name, recording=path)) as played:
            event = await played.until_event(PortChanged)
            assert (event.backend, event.name, event.available) == ("recording", str(path), True)
            assert "nothing sounds" in event.message
            played.play(VOCALS, [note(0.0, 60, 0.01)], length=0.05)
            await played.until_event(PartPlayed)
            assert [line["bytes"][1] for line in recorded(path)] == [60, 60]
            server.start()
            assert (await played.until_event(PortChanged, number=2, available=True)).backend == "jack"
            with MidiReceiver(server, await played.port()) as receiver:
                await arrives(receiver, lambda: receiver.connected)
                played.play(VOCALS, chord(72))
                await arrives(receiver, lambda: receiver.ons)


async def test_a_named_backend_that_is_not_there_is_waited_for(tmp_path):
    with jack_server() as server:
        server.stop()
        async with Played(PlayerOptions(backend="jack", jack_server=server.name)) as played:
            event = await played.until_event(PortChanged)
            assert not event.available
            assert server.name in event.message
            server.start()
            await played.until_event(PortChanged, available=True)


async def test_a_receiver_that_missed_cycles_is_left_with_every_channel_centred(played, receiver):
    bent = [
        replace(note(k * 0.03, 60, 0.02), bend=tuple((n / 200, 50.0 * (-1) ** n + k) for n in range(4)))
        for k in range(30)
    ]
    played.play(VOCALS, bent, length=0.95, overrides={"bend": 1})
    played.play(OTHER_JOB, bent, length=0.95, overrides={"bend": 2})
    await arrives(receiver, lambda: receiver.ons)
    for _ in range(10):
        await asyncio.to_thread(receiver.stall, 0.03)
        heard = len(receiver.events)
        await arrives(receiver, lambda: len(receiver.events) > heard)  # noqa: B023
    await played.until_event(PartPlayed, part=VOCALS)
    await played.until_event(PartPlayed, part=OTHER_JOB)

    def bends():
        return {e.data[0] & 15: e.data[1] | e.data[2] << 7 for e in list(receiver.events) if e.data[0] & 0xF0 == 0xE0}

    await arrives(receiver, lambda: not receiver.sounding() and set(bends().values()) == {8192})

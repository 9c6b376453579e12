"""Keys, knobs and system exclusives of a real JACK sender at the running daemon's input."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.studio import VOCALS, OpenStudio, Studio
from tests.jack_peer import JackServer
from tests.midi.exclusives import exclusive
from tests.midi.jack_sender import MidiSender

INPUT = "Pads in:in"
TRIGGERS = [
    {"on": "note 60 ch 16", "do": "play vocals"},
    {"on": "note 61 ch 16", "do": "panic"},
    {"on": "note 62 ch 16", "do": "transport play"},
    {"on": "note 63 ch 16", "do": "transport stop"},
    {"on": "note 64 ch 16", "do": "param mute/bass"},
    {"on": "cc 20", "do": "param threshold"},
    {"on": "sysex 7d 53 42 01", "do": "cancel"},
]
CANCEL = bytes.fromhex("f07d534201f7")


@pytest.fixture(scope="module")
def pads(server: JackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("pads")
    with OpenStudio(folder, server, "Pads", {"triggers": {"midi": TRIGGERS}}) as studio:
        yield studio


@pytest.fixture
def keys(pads: Studio, server: JackServer) -> Iterator[MidiSender]:
    pads.synth.events.clear()
    with (
        pads.daemon.ear("job", "transport", "param", "midi", "selection", "note") as ear,
        MidiSender(server, INPUT) as keys,
    ):
        pads.ear = ear
        ear.ask("/bridge/ping", answer="pong")
        yield keys
        ear.send("/bridge/panic")
        ear.wait("panic")
    assert pads.synth.wait_for(lambda: not pads.synth.sounding())


def tap(keys: MidiSender, key: int) -> None:
    """Press and release a key on channel 16; returns when it has left."""
    press, release = bytes((0x9F, key, 100)), bytes((0x8F, key, 0))

    def releases() -> int:
        return sum(left.data == release for left in list(keys.left))

    before = releases()
    keys.send((0.0, press), (0.03, release))
    assert keys.wait_for(lambda: releases() > before)


def test_without_a_selection_the_key_is_refused_and_those_who_listen_hear_why(pads: Studio, keys: MidiSender) -> None:
    tap(keys, 60)
    _, address, code, message = pads.ear.wait("error").arguments
    assert (address, code) == ("/bridge/play/vocals", "no_selection")
    assert "nothing is selected" in str(message)


def test_an_exclusive_selects_a_key_plays_and_another_exclusive_cancels(
    pads: Studio, keys: MidiSender, tmp_path: Path
) -> None:
    ear, synth = pads.ear, pads.synth
    song = tmp_path / "Flügel & Bass 100%.wav"
    song.write_bytes(pads.song(20).read_bytes())
    keys.send((0.0, exclusive("/bridge/select", song, "start", 0.5, "model", "copy")))
    assert ear.wait("selection").arguments[0] == str(song)
    tap(keys, 60)
    job = ear.wait("job/accepted").arguments[0]
    assert synth.wait_for(lambda: len(synth.ons) >= 3, 20)
    assert {on.data[0] & 0x0F for on in synth.ons} == {VOCALS - 1}
    began = time.perf_counter()
    keys.send((0.0, CANCEL))
    assert ear.wait("job/unloaded").arguments == (job, "cancelled")
    assert time.perf_counter() - began < 1.0
    assert synth.wait_for(lambda: not synth.sounding(), 1)
    assert len(ear.of("job/accepted")) == 1, "the key's release started a second job"
    assert not ear.of("error")


def test_a_knob_turns_and_a_key_switches(pads: Studio, keys: MidiSender) -> None:
    ear = pads.ear
    keys.send(*((n * 0.002, bytes((0xB3, 20, n))) for n in range(128)))
    ear.wait_until(lambda: ear.of("param/threshold")[-1].arguments[0] == 1.0)
    heard = [h.arguments[0] for h in ear.of("param/threshold")][1:]
    assert len(heard) == 128
    assert heard == sorted(heard)
    assert heard[64] == pytest.approx(64 / 127)
    tap(keys, 64)
    ear.wait_until(lambda: ear.of("param/mute/bass")[-1].arguments == (1,))
    tap(keys, 64)
    ear.wait_until(lambda: ear.of("param/mute/bass")[-1].arguments == (0,))
    assert ear.ask("/bridge/param/threshold", answer="param/threshold") == (1.0,)


def test_keys_move_the_transport_and_silence_everything(pads: Studio, keys: MidiSender) -> None:
    ear = pads.ear
    tap(keys, 62)
    ear.wait_until(lambda: ear.of("transport")[-1].arguments[3] == 1)
    tap(keys, 63)
    ear.wait_until(lambda: ear.of("transport")[-1].arguments[3] == 0)
    tap(keys, 61)
    ear.wait("panic")
    ear.send("/bridge/transport/locate", 0)


def test_what_is_wrong_in_an_exclusive_is_said(pads: Studio, keys: MidiSender) -> None:
    ear = pads.ear
    keys.send((0.0, exclusive("/bridge/select", "song.wav")))
    assert "must be an absolute path" in str(ear.wait("error").arguments[3])
    keys.send((0.0, exclusive("/bridge/subscribe", "job")))
    assert ear.wait("error", count=2).arguments[1:3] == ("/bridge/subscribe", "not_supported")
    keys.send((0.0, exclusive("/bridge/transport/tempo", "9" * 400)))
    assert "more than 64 bits" in str(ear.wait("error", count=3).arguments[3])
    keys.send((0.0, exclusive("/bridge/ping", "reply_to", f"127.0.0.1:{ear.port}")))
    assert ear.wait("error", count=4).arguments[2] == "not_supported"
    keys.send((0.0, exclusive("/bridge/version", "reply_to", f"127.0.0.1:{ear.port}")))
    assert ear.wait("version").arguments[1] == 1


def test_a_keyboard_that_has_lost_its_mind_starts_nothing_that_is_not_configured(
    pads: Studio, keys: MidiSender
) -> None:
    ear = pads.ear
    keys.send(*((n * 0.001, bytes((0x90 | n % 15, n % 128, 100))) for n in range(400)))
    assert keys.wait_for(lambda: len(keys.left) == 400, 10)
    ear.ask("/bridge/ping", answer="pong")
    assert not ear.of("job/accepted")
    assert not ear.of("error")
    assert not ear.of("panic")

"""What a message at the MIDI input does: words, and the desk that acts on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.app.settings import parse_settings
from bridge.app.trigger_desk import TriggerDesk
from bridge.app.triggers import read_trigger
from bridge.errors import BridgeError
from bridge.osc.codec import OscMessage
from bridge.osc.parse import parse
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import MidiReceived
from tests.midi.exclusives import exclusive


class Desk:
    """A desk, and what it has carried out."""

    def __init__(self, *entries: tuple[str, str], words: bool = True, **present: float) -> None:
        self.done: list[tuple] = []
        self._present = present
        triggers = [read_trigger(on, do) for on, do in entries]
        self._desk = TriggerDesk(triggers, words=words, obey=self._obey, present=self._get)

    def _obey(self, message: OscMessage) -> None:
        self.done.append((message.address.removeprefix("/bridge/"), *message.arguments))
        name = message.address.removeprefix("/bridge/param/")
        if name in self._present:
            self._present[name] = float(message.arguments[0])

    def _get(self, name: str) -> float:
        return self._present.get(name, PARAMETERS[name].default)

    def receive(self, *messages: bytes | tuple[int, ...]) -> list[tuple]:
        """Return what these cause."""
        self.done.clear()
        self._desk.take_midi(MidiReceived(tuple((0.0, bytes(message)) for message in messages)))
        return list(self.done)


@pytest.mark.parametrize(
    ("do", "done"),
    [
        ("play vocals", ("play/vocals",)),
        ("play all", ("play/all",)),
        ("cancel", ("job/cancel",)),
        ("unload", ("job/unload",)),
        ("panic", ("panic",)),
        ("transport play", ("transport/play",)),
        ("transport  stop", ("transport/stop",)),
        ("param threshold 0.3", ("param/threshold", 0.3)),
        ("param mute/bass 1", ("param/mute/bass", 1)),
    ],
)
def test_a_key_does_what_it_is_there_for_and_its_release_nothing(do: str, done: tuple) -> None:
    desk = Desk(("note 60 ch 16", do))
    assert desk.receive((0x9F, 60, 100)) == [done]
    assert desk.receive((0x8F, 60, 0), (0x9F, 60, 0), (0x9E, 60, 100), (0xF8,)) == []


def test_a_controller_turns_a_parameter_over_its_whole_range() -> None:
    desk = Desk(("cc 20", "param threshold"), ("cc 21", "param transpose"), ("cc 22", "param mute/drums"))
    assert desk.receive((0xB0, 20, 0), (0xB5, 20, 127)) == [("param/threshold", 0.0), ("param/threshold", 1.0)]
    assert desk.receive((0xB0, 21, 0), (0xB0, 21, 127)) == [("param/transpose", -48), ("param/transpose", 48)]
    assert desk.receive((0xB0, 22, 63), (0xB0, 22, 64)) == [("param/mute/drums", 0), ("param/mute/drums", 1)]


@given(st.sampled_from(sorted(PARAMETERS)), st.integers(0, 127), st.integers(0, 127))
def test_every_value_of_a_controller_is_one_that_the_parameter_takes_and_more_is_not_less(name, value, other):
    trigger = read_trigger("cc 1", f"param {name}")
    low, high = (trigger.carried_out(v, 0.0) for v in sorted((value, other)))
    assert parse(low).command.name == name
    assert parse(low).command.value <= parse(high).command.value


def test_a_key_is_a_switch() -> None:
    desk = Desk(("note 1", "param snap"), snap=0.0)
    press, release = (0x90, 1, 1), (0x80, 1, 0)
    assert desk.receive(press, release, press, release, press) == [("param/snap", n) for n in (1, 0, 1)]


def test_a_fader_on_its_way_up_presses_once_and_a_button_as_often_as_it_is_pressed() -> None:
    desk = Desk(("cc 30", "play bass"))
    assert desk.receive(*((0xB0, 30, value) for value in range(128))) == [("play/bass",)]
    assert desk.receive(*((0xB0, 30, value) for value in reversed(range(127)))) == []
    assert desk.receive((0xB0, 30, 127), (0xB0, 30, 0), (0xB0, 30, 127)) == [("play/bass",)] * 2
    assert desk.receive((0xB0, 30, 127), (0xB0, 30, 127)) == [("play/bass",)] * 2
    assert desk.receive((0xB1, 30, 100), (0xB1, 30, 101)) == [("play/bass",)]


def test_exclusives_press_and_turn() -> None:
    desk = Desk(("sysex 7d 53 42 01", "cancel"), ("sysex 7d 01 xx", "param velocity"), ("sysex 7d 02 xx", "panic"))
    assert desk.receive(bytes.fromhex("f07d534201f7")) == [("job/cancel",)]
    assert desk.receive(bytes.fromhex("f07d017ff7")) == [("param/velocity", 4.0)]
    assert desk.receive(bytes.fromhex("f07d0200f7"), bytes.fromhex("f07d0201f7")) == [("panic",)]


def test_one_message_may_do_several_things_in_their_order() -> None:
    desk = Desk(("note 5", "cancel"), ("note 5", "play drums"))
    assert desk.receive((0x90, 5, 9)) == [("job/cancel",), ("play/drums",)]


def test_words_in_an_exclusive_are_a_message_unless_the_settings_say_no() -> None:
    select = exclusive("/bridge/select", "/a b.wav", "stem", "bass", "start", 1.5)
    assert Desk().receive(select) == [("select", "/a b.wav", "stem", "bass", "start", 1.5)]
    assert Desk().receive(exclusive("/bridge/job/start", "7", "/7.wav")) == [("job/start", "7", "/7.wav")]
    assert Desk(words=False).receive(select) == []
    assert Desk().receive(bytes.fromhex("f07d53420025f7"), bytes.fromhex("f07d534200f7"))[0] == ("%",)


def test_without_triggers_nothing_is_done() -> None:
    messages = [(status, 60, 100) for status in range(0x80, 0xC0)] + [(0xC0, 60), (0xFA,), (0xF0, 0x7E, 0xF7)]
    assert Desk().receive(*messages) == []
    assert parse_settings("", "x").midi_triggers == []


@pytest.mark.parametrize(
    ("on", "do", "said"),
    [
        ("note 60", "paly vocals", "'paly vocals' is nothing to do: expected one of cancel, unload, panic"),
        ("note 60", "", "'' is nothing to do"),
        ("note 60", "play vocal", "did you mean /bridge/play/vocals?"),
        ("note 60", "param treshold", "no live parameter 'treshold'; did you mean threshold?"),
        ("note 60", "param threshold", "'note 60' switches, and threshold takes a value from 0 to 1"),
        ("note 60", "param threshold 2", "value must be a number from 0 to 1 (confidence), not the number 2"),
        ("note 60", "param threshold high", "not 'high'"),
        ("cc 20", "param nothing 1", "'param nothing 1' cannot be done"),
        ("note 600", "panic", "note takes a whole number from 0 to 127, not '600'"),
    ],
)
def test_a_wrong_trigger_is_an_error_in_the_settings_that_names_it(on: str, do: str, said: str) -> None:
    text = f'[triggers]\nmidi = [{{on = "cc 1", do = "panic"}}, {{on = "{on}", do = "{do}"}}]'
    with pytest.raises(BridgeError) as refusal:
        parse_settings(text, "mine.toml")
    assert refusal.value.message.startswith("mine.toml: triggers.midi.1 = ")
    assert said in refusal.value.message


def test_a_trigger_has_two_keys_and_no_other() -> None:
    with pytest.raises(BridgeError, match=r"triggers.midi.0.dont = 'x': there is no such key"):
        parse_settings('[triggers]\nmidi = [{on = "cc 1", do = "panic", dont = "x"}]', "mine.toml")
    with pytest.raises(BridgeError, match=r"triggers.midi.0.do"):
        parse_settings('[triggers]\nmidi = [{on = "cc 1"}]', "mine.toml")

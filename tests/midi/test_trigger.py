"""Words for MIDI messages, and which messages they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.trigger import MidiPattern, read_pattern

DATA = st.integers(0, 127)
CHANNELS = st.integers(1, 16)


def test_a_note_is_its_velocity_and_its_end_0() -> None:
    pattern = read_pattern("note 60 ch 16")
    assert pattern == MidiPattern("note", 60, 16)
    assert pattern.value(bytes((0x9F, 60, 99))) == 99
    assert pattern.value(bytes((0x9F, 60, 0))) == 0
    assert pattern.value(bytes((0x8F, 60, 64))) == 0
    for other in ((0x9E, 60, 99), (0x9F, 61, 99), (0xBF, 60, 99), (0xF0, 60, 0xF7), (0xCF, 60), (0xF8,)):
        assert pattern.value(bytes(other)) is None


def test_a_controller_without_a_channel_is_heard_on_any() -> None:
    pattern = read_pattern(" CC  20 ")
    assert [pattern.value(bytes((0xB0 | channel, 20, 5))) for channel in range(16)] == [5] * 16
    assert pattern.value(bytes((0xB0, 21, 5))) is None
    assert pattern.value(bytes((0x90, 20, 5))) is None
    assert pattern.has_value


def test_an_exclusive_is_its_bytes_whether_its_frame_is_written_or_not() -> None:
    pattern = read_pattern("sysex 7d 53 42 01")
    assert pattern == read_pattern("sysex F0 7D 53 42 01 F7")
    assert pattern.value(bytes.fromhex("f07d534201f7")) == 127
    assert not pattern.has_value
    for other in ("f07d534202f7", "f07d5342f7", "f07d53420101f7", "907d53"):
        assert pattern.value(bytes.fromhex(other)) is None


def test_one_byte_of_an_exclusive_may_be_its_value() -> None:
    pattern = read_pattern("sysex 7d xx 02")
    assert pattern.value(bytes.fromhex("f07d0502f7")) == 5
    assert pattern.value(bytes.fromhex("f07d0503f7")) is None
    assert pattern.has_value


@given(
    st.tuples(st.sampled_from(["note", "cc"]), DATA, CHANNELS | st.none()),
    st.tuples(st.integers(0x80, 0xEF), DATA, DATA),
)
def test_a_channel_message_is_taken_where_kind_number_and_channel_agree(words, sent):
    (kind, number, channel), (status, first, second) = words, sent
    pattern = read_pattern(f"{kind} {number}" + ("" if channel is None else f" ch {channel}"))
    kinds = {"note": (0x80, 0x90), "cc": (0xB0,)}[kind]
    agree = status & 0xF0 in kinds and first == number and channel in (None, (status & 0x0F) + 1)
    value = pattern.value(bytes((status, first) if status & 0xE0 == 0xC0 else (status, first, second)))
    assert (value is not None) == agree
    if agree:
        assert value == (0 if status & 0xF0 == 0x80 else second)


@given(st.lists(DATA, min_size=1, max_size=20), st.lists(DATA, max_size=20))
def test_an_exclusive_is_taken_where_all_bytes_agree(wanted, sent):
    pattern = read_pattern("sysex " + bytes(wanted).hex(" "))
    assert (pattern.value(bytes((0xF0, *sent, 0xF7))) is not None) == (wanted == sent)
    assert pattern.value(bytes((0xF0, *wanted, 0xF7))) == 127


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected `note 60`"),
        ("note", "expected `note 60`"),
        ("pitch 60", "expected `note 60`"),
        ("note 60 channel 2", "expected `note 60`"),
        ("note 128", "note takes a whole number from 0 to 127, not '128'"),
        ("note C4", "not 'c4'"),
        ("note -1", "not '-1'"),
        ("note ²", "not '²'"),
        ("cc 20 ch 0", "ch takes a whole number from 1 to 16, not '0'"),
        ("cc 20 ch 17", "not '17'"),
        ("sysex", "one byte or more"),
        ("sysex f0 f7", "one byte or more"),
        ("sysex 80", "bytes from 00 to 7f in hexadecimal, xx for the value, not '80'"),
        ("sysex 7d 5", "not '5'"),
        ("sysex 0x7d", "not '0x7d'"),
        ("sysex xx xx", "at most one is xx"),
    ],
)
def test_wrong_words_are_named_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(BridgeError) as refusal:
        read_pattern(text)
    assert refusal.value.code is ErrorCode.BAD_ARGUMENT
    assert refusal.value.message.startswith(f"{text!r} is no MIDI message to wait for: ")
    assert said in refusal.value.message


@given(st.text(max_size=300) | st.lists(st.sampled_from(["note", "cc", "ch", "sysex", "60", "7d", "xx", "f0", "f7"])))
def test_any_words_are_read_or_refused(words):
    text = words if isinstance(words, str) else " ".join(words)
    try:
        pattern = read_pattern(text)
    except BridgeError:
        return
    assert pattern.kind in text.lower()
    assert all(byte is None or byte < 0x80 for byte in pattern.data)

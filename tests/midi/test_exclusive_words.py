"""Words through seven bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.exclusive_words import read_words
from tests.midi.exclusives import exclusive

PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Co", "Cn", "Zs", "Zl", "Zp")) | st.just(" "))


def test_the_documented_bytes() -> None:
    written = bytes.fromhex("f0 7d 53 42 00") + b"/bridge/select /Klang/Fl%C3%BCgel%20100%25.wav at 16" + b"\xf7"
    assert read_words(written) == ["/bridge/select", "/Klang/Flügel 100%.wav", "at", "16"]
    assert exclusive("/bridge/select", "/Klang/Flügel 100%.wav", "at", 16) == written


@given(st.lists(PRINTABLE.filter(bool), min_size=1, max_size=8))
def test_what_is_written_is_read_whatever_it_is(words):
    message = exclusive(*words)
    assert max(message[1:-1]) < 0x80
    assert read_words(message) == words


@pytest.mark.parametrize("other", ["f07d534201f7", "f07e534200f7", "f043f7", "f0f7", "f07d5342f7"])
def test_what_is_not_ours_is_left_alone(other: str) -> None:
    assert read_words(bytes.fromhex(other)) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"", "without words"), (b"   ", "without words"), (b"/a %ff", "no UTF-8"), (b"/a %00", "cannot be printed")],
)
def test_what_is_ours_and_wrong_is_said(text: bytes, said: str) -> None:
    with pytest.raises(BridgeError, match=said) as refusal:
        read_words(bytes.fromhex("f07d534200") + text + b"\xf7")
    assert refusal.value.code is ErrorCode.BAD_MESSAGE


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    try:
        words = read_words(bytes.fromhex("f07d534200") + bytes(b & 0x7F for b in data) + b"\xf7")
    except BridgeError:
        return
    assert words
    assert all(word.isprintable() for word in words)

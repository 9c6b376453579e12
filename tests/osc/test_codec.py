"""Bytes to messages and back, with python-osc as the independent other side, and with everything that breaks readers."""

import math
import random
import re
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage as TheirMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.codec import MAX_ARGUMENTS, MAX_DEPTH, MAX_MESSAGES, OscMessage, decode, encode
from tests.osc.peers import bundle


def theirs(address: str, *arguments: tuple[object, str]) -> bytes:
    builder = OscMessageBuilder(address)
    for value, tag in arguments:
        builder.add_arg(value, tag)
    return builder.build().dgram


def one(packet: bytes) -> OscMessage:
    ((due, (message,)),) = decode(packet)
    assert due is None
    return message


def refused(packet: bytes) -> str:
    with pytest.raises(BridgeError) as caught:
        decode(packet)
    assert caught.value.code is ErrorCode.BAD_MESSAGE
    return caught.value.message


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (-(2**31), "i"),
        (2**62, "h"),
        (0.25, "f"),
        (0.1, "d"),
        (True, "T"),
        (False, "F"),
        (None, "N"),
        ("Ölfaß", "s"),
        ("", "s"),
        ("four", "s"),
        (b"\0\1\2", "b"),
    ],
)
def test_what_python_osc_writes_is_read(value, tag):
    assert one(theirs("/a/b", ("x", "s"), (value, tag), (7, "i"))) == OscMessage("/a/b", ("x", value, 7))


def test_every_number_tag_gives_the_same_number():
    for tag in "ihfd":
        assert one(theirs("/a", (3, tag))).arguments[0] == 3


def test_tags_that_no_address_takes_are_read_past():
    packet = b"/a\0\0,tmrcSI\0" + b"\1" * 8 + b"\2" * 4 + b"\3" * 4 + b"\0\0\0x" + b"sym\0"
    assert one(packet).arguments == (b"\1" * 8, b"\2" * 4, b"\3" * 4, "x", "sym", True)


def test_a_message_without_type_tags_is_read():
    assert one(b"/bridge/ping\0\0\0\0") == OscMessage("/bridge/ping")


@given(
    st.lists(
        st.one_of(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
        ),
        max_size=12,
    )
)
def test_what_is_written_is_read_by_both_sides(arguments):
    packet = encode(OscMessage("/bridge/x", tuple(arguments)))
    assert list(one(packet).arguments) == arguments
    assert TheirMessage(packet).params == arguments
    assert set(packet.split(b",")[1].split(b"\0")[0]) <= set(b"ihfs")


def test_booleans_are_written_as_whole_numbers():
    assert TheirMessage(encode(OscMessage("/a", (True, False)))).params == [1, 0]
    assert b",ii\0" in encode(OscMessage("/a", (True, False)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, b"blob", None])
def test_a_value_that_our_four_types_cannot_hold_is_never_written(value):
    with pytest.raises(ValueError, match="cannot be sent"):
        encode(OscMessage("/a", (value,)))


def test_a_file_name_that_is_no_unicode_and_one_with_nul_are_written_all_the_same():
    assert one(encode(OscMessage("/a", ("song\udcff.wav", "a\0b")))).arguments == ("song?.wav", "ab")


def test_a_float_beyond_single_precision_is_written_as_the_largest():
    assert one(encode(OscMessage("/a", (1e300,)))).arguments[0] == pytest.approx(3.4e38, rel=0.01)


def test_a_bundle_of_python_osc_comes_in_order_with_its_time():
    now = time.time()
    inner = OscBundleBuilder(now + 2)
    inner.add_content(OscMessageBuilder("/inner").build())
    outer = OscBundleBuilder(now + 1)
    outer.add_content(OscMessageBuilder("/1").build())
    outer.add_content(inner.build())
    outer.add_content(OscMessageBuilder("/2").build())
    first, second = decode(outer.build().dgram)
    assert [m.address for m in first.messages] == ["/1", "/2"]
    assert first.due == pytest.approx(now + 1, abs=1e-3)
    assert [m.address for m in second.messages] == ["/inner"]
    assert second.due == pytest.approx(now + 2, abs=1e-3)


def test_an_immediate_bundle_has_no_time():
    builder = OscBundleBuilder(IMMEDIATELY)
    builder.add_content(OscMessageBuilder("/1").build())
    ((due, messages),) = decode(builder.build().dgram)
    assert due is None
    assert len(messages) == 1


MESSAGE = b"/a\0\0,\0\0\0"


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "not OSC"),
        (b"GET / HTTP/1.1\r\n\r\n", "not OSC"),
        (b"\0" * 100, "not OSC"),
        (b"/a", "no end"),
        (b"/a\0", "padded"),
        (b"/\xff\xfe\0,\0\0\0", "UTF-8"),
        (b"/a\0\0iii\0", "comma"),
        (b"/a\0\0,i\0\0\0\0", "ends within argument 1"),
        (b"/a\0\0,d\0\0\0\0\0\0", "ends within argument 1"),
        (b"/a\0\0,s\0\0abcd", "no end"),
        (b"/a\0\0,i\0\0\0\0\0\1\0\0\0\2", "4 bytes are left over"),
        (b"/a\0\0,Q\0\0", "no type tag 'Q'"),
        (b"/a\0\0,[i]\0\0\0\0\0\0\0\1", r"no type tag '\['"),
        (b"/a\0\0,b\0\0\0\0", "within a blob"),
        (b"/a\0\0,b\0\0" + struct.pack(">i", -8) + b"\0" * 8, "blob of -8 bytes"),
        (b"/a\0\0,b\0\0" + struct.pack(">i", 2**31 - 1) + b"\0" * 8, "blob of 2147483647 bytes"),
        (b"/a\0\0," + b"T" * (MAX_ARGUMENTS + 1) + b"\0" * 2, "257 arguments"),
        (b"#bundle\0\0\0\0", "no time tag"),
        (bundle(None) + b"\0\0", "left over"),
        (bundle(None) + struct.pack(">i", -4), "element of -4 bytes"),
        (bundle(None) + b"\0" * 40000, "element of 0 bytes"),
        (bundle(None) + struct.pack(">i", 2**31 - 4) + MESSAGE, "element of 2147483644 bytes"),
        (bundle(None, MESSAGE, b"junk"), "not OSC"),
        (bundle(None, *[MESSAGE] * (MAX_MESSAGES + 1)), "more than 256"),
        (bundle(None, *[bundle(None, *[MESSAGE] * 20)] * 20), "400 messages|more than 256"),
        (b"/" + b"a" * 70000, "70001 bytes"),
    ],
)
def test_a_broken_packet_is_refused_with_the_reason(packet, reason):
    assert re.search(reason, refused(packet))


def test_nesting_is_limited_long_before_the_stack_is():
    packet = MESSAGE
    for _ in range(MAX_DEPTH):
        packet = bundle(None, packet)
    assert len(decode(packet)) == 1
    assert "inside each other" in refused(bundle(None, packet))
    for _ in range(2000):
        packet = bundle(None, packet)
    assert "inside each other" in refused(packet)


def decodes_or_refuses(packet: bytes) -> None:
    try:
        groups = decode(packet)
    except BridgeError as error:
        groups, code, length = (), error.code, len(error.message)
    else:
        code, length = ErrorCode.BAD_MESSAGE, 0
    assert code is ErrorCode.BAD_MESSAGE
    assert length < 500
    assert sum(len(group.messages) for group in groups) <= MAX_MESSAGES


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda b: b"/x\0\0," + b)))
def test_any_bytes_are_read_or_refused(packet):
    decodes_or_refuses(packet)


VALID = bundle(
    time.time(),
    theirs("/bridge/job/start", ("id", "s"), ("/x.wav", "s"), ("start", "s"), (1.5, "f"), (2, "h"), (b"blob!", "b")),
    bundle(None, theirs("/bridge/param/threshold", (0.5, "d"), (True, "T"))),
)


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(VALID)),
    st.binary(max_size=8),
)
def test_a_mutated_packet_is_read_or_refused(changes, cut, tail):
    packet = bytearray(VALID)
    for at, value in changes:
        packet[at] = value
    decodes_or_refuses(bytes(packet))
    decodes_or_refuses(bytes(packet[:cut]) + tail)


def test_ten_thousand_random_packets_of_every_size_are_read_or_refused():
    random_bytes = random.Random(9)
    heads = (b"", b"/", b"/a\0\0,", b"#bundle\0", b"#bundle\0\0\0\0\0\0\0\0\1\0\0\0", b"/a\0\0,bbbb\0\0\0")
    for number in range(10_000):
        size = random_bytes.choice((4, 40, 400, 4000))
        decodes_or_refuses(heads[number % len(heads)] + random_bytes.randbytes(size))

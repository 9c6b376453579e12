"""Packets on a byte stream, whichever way the stream is cut."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc import slip

from bridge.errors import BridgeError
from bridge.osc.codec import MAX_PACKET
from bridge.osc.framing import Deframer, Framing, frame

PACKETS = [
    b"/ping\0\0\0,\0\0\0",
    b"#bundle\0\xc0\xdb\xdc\xdd\xc0",
    b"/x\0\0,b\0\0\0\0\0\4\xdb\xdd\xdb\xdc",
    b"/a\0\0" * 300,
]


def read(deframer: Deframer) -> list[bytes]:
    packets = []
    while (packet := deframer.next()) is not None:
        packets.append(packet)
    return packets


@pytest.mark.parametrize("framing", Framing)
def test_a_stream_cut_at_any_byte_gives_the_same_packets(framing):
    stream = b"".join(frame(p, framing) for p in PACKETS)
    for cut in range(1, len(stream)):
        deframer = Deframer()
        deframer.feed(stream[:cut])
        packets = read(deframer)
        deframer.feed(stream[cut:])
        assert packets + read(deframer) == PACKETS
        assert deframer.framing is framing


@pytest.mark.parametrize("framing", Framing)
def test_a_stream_sent_byte_by_byte_gives_the_same_packets(framing):
    deframer, packets = Deframer(), []
    for byte in b"".join(frame(p, framing) for p in PACKETS):
        deframer.feed(bytes([byte]))
        packets += read(deframer)
    assert packets == PACKETS


@given(st.binary(min_size=1, max_size=200).filter(bool))
def test_python_osc_and_we_read_each_others_slip(packet):
    deframer = Deframer()
    deframer.feed(slip.encode(packet))
    assert read(deframer) == [packet]
    assert slip.decode(frame(packet, Framing.SLIP)) == packet


def test_slip_with_an_end_only_after_each_packet_is_known_by_its_first_byte():
    deframer = Deframer()
    deframer.feed(b"".join(frame(p, Framing.SLIP)[1:] for p in (PACKETS[1], PACKETS[0])))
    assert read(deframer) == [PACKETS[1], PACKETS[0]]


@pytest.mark.parametrize("size", [MAX_PACKET + 1, 2**31, 2**32 - 1])
def test_a_length_beyond_any_packet_is_refused_before_the_packet_comes(size):
    deframer = Deframer()
    deframer.feed(struct.pack(">I", size))
    with pytest.raises(BridgeError, match=f"{size} bytes"):
        deframer.next()


def test_slip_without_an_end_is_refused_before_it_fills_memory():
    deframer = Deframer()
    deframer.feed(b"\xc0")

    def pour() -> None:
        for _ in range(100):
            deframer.feed(b"/" * 4000)
            deframer.next()

    with pytest.raises(BridgeError, match="at most 65536"):
        pour()


def test_random_bytes_give_packets_or_a_refusal():
    noise = random.Random(4)
    for _ in range(300):
        deframer = Deframer()
        try:
            for _ in range(5):
                deframer.feed(noise.randbytes(noise.randrange(1, 300)))
                read(deframer)
        except BridgeError:
            continue

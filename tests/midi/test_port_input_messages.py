import mido
from hypothesis import given
from hypothesis import strategies as st

from bridge.midi.port_input_messages import LONGEST, MessageReader

data = st.integers(0, 127)
channel_messages = st.tuples(st.integers(0x80, 0xEF), data, data).map(
    lambda m: bytes(m[:2] if m[0] & 0xF0 in (0xC0, 0xD0) else m)
)
common = st.sampled_from([b"\xf1\x35", b"\xf2\x10\x02", b"\xf3\x04", b"\xf6"])
realtime = st.sampled_from([bytes((b,)) for b in (0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF)])
exclusives = st.lists(data, max_size=20).map(lambda body: bytes((0xF0, *body, 0xF7)))
messages = st.one_of(channel_messages, common, realtime, exclusives)


def read(*pieces):
    reader = MessageReader()
    return [message for k, piece in enumerate(pieces) for message in reader.read(float(k), piece)]


@given(st.lists(messages))
def test_a_whole_message_in_each_piece_passes_as_it_is_at_its_own_time(sent):
    assert read(*sent) == [(float(k), message) for k, message in enumerate(sent)]


@given(st.lists(messages))
def test_several_messages_in_one_piece_are_told_apart(sent):
    assert [message for _, message in read(b"".join(sent))] == sent


@given(st.integers(0x80, 0xEF), st.lists(st.tuples(data, data), min_size=1))
def test_running_status_is_spelled_out(status, bodies):
    length = 1 if status & 0xF0 in (0xC0, 0xD0) else 2
    bodies = [body[:length] for body in bodies]
    piece = bytes((status, *(byte for body in bodies for byte in body)))
    assert [message for _, message in read(piece)] == [bytes((status, *body)) for body in bodies]


@given(exclusives, st.data())
def test_an_exclusive_cut_anywhere_and_with_ticks_between_arrives_whole_with_the_time_of_its_beginning(exclusive, draw):
    cuts = sorted(draw.draw(st.lists(st.integers(1, len(exclusive) - 1), max_size=5)))
    pieces, ticks = [], 0
    for begin, end in zip([0, *cuts], [*cuts, len(exclusive)], strict=True):
        pieces += [exclusive[begin:end], b"\xf8"]
        ticks += 1
    heard = read(*pieces)
    assert [message for _, message in heard if message != b"\xf8"] == [exclusive]
    assert heard.count((0.0, exclusive)) == 1
    assert len(heard) == 1 + ticks


def test_a_tick_between_the_bytes_of_a_note_comes_out_beside_it():
    assert [message for _, message in read(b"\x90\x3c\xf8\x40")] == [b"\xf8", b"\x90\x3c\x40"]


def test_an_exclusive_that_another_message_cuts_off_is_left_out_and_what_follows_is_not():
    assert [m for _, m in read(b"\xf0\x01\x02", b"\x90\x3c\x40", b"\x03\xf7", b"\xf8")] == [b"\x90\x3c\x40", b"\xf8"]


def test_data_bytes_that_no_status_precedes_are_no_message():
    assert read(b"\x90\x3c\x40", b"\x3e\x40", b"\x07", b"") == [(0.0, b"\x90\x3c\x40")]


def test_the_longest_exclusive_passes_and_one_without_an_end_takes_no_more_memory_than_that():
    longest = b"\xf0" + b"\x01" * (LONGEST - 2) + b"\xf7"
    assert [message for _, message in read(longest)] == [longest]
    reader = MessageReader()
    reader.read(0.0, b"\xf0" + b"\x01" * (3 * LONGEST))
    assert len(reader._exclusive) <= LONGEST
    assert reader.read(1.0, b"\xf7") == []


@given(st.lists(st.binary(max_size=12)))
def test_whatever_comes_in_only_whole_messages_come_out(pieces):
    for _, message in read(*pieces):
        # An independent reader refuses what is no message; undefined statuses too.
        assert bytes(mido.Message.from_bytes(message).bin()) == message

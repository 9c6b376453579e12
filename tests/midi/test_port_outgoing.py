"""Clock messages beside notes."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.midi.emitter import Emitter
from bridge.midi.messages import PANIC, ClearClock, ClockMessage, NoteOff, NoteOn, Silence
from bridge.midi.port_outgoing import Outgoing
from tests.midi.rig import VOCALS

TICK, START, CONTINUE, STOP = (bytes((b,)) for b in (0xF8, 0xFA, 0xFB, 0xFC))
TOLERANCE = 0.05


def given_all(outgoing, *orders):
    for order in orders:
        outgoing.accept(order)
    return outgoing


def taken(outgoing, until, now=None):
    return [(e.due, e.data) for e in outgoing.take(until, until if now is None else now)]


def test_clock_messages_leave_at_their_times_between_the_notes_and_keep_their_order_at_one_time():
    outgoing = given_all(
        Outgoing(TOLERANCE),
        NoteOn(1, 1.02, VOCALS, 3, 60, 80),
        ClockMessage(1.04, TICK),
        ClockMessage(1.01, b"\xf2\x00\x00"),
        ClockMessage(1.01, START),
        ClockMessage(1.02, TICK),
    )
    assert outgoing.next_due() == 1.01
    assert taken(outgoing, 1.03) == [
        (1.01, b"\xf2\x00\x00"),
        (1.01, START),
        (1.02, TICK),
        (1.02, bytes((0x92, 60, 80))),
    ]
    assert outgoing.next_due() == 1.04
    assert taken(outgoing, 2.0, 1.04) == [(1.04, TICK)]
    assert outgoing.next_due() is None


def test_one_that_is_too_late_is_dropped_and_counted_but_never_a_stop():
    outgoing = given_all(Outgoing(TOLERANCE), *(ClockMessage(1.0, data) for data in (TICK, CONTINUE, STOP)))
    outgoing.accept(ClockMessage(1.96, TICK))
    assert taken(outgoing, 2.0) == [(1.0, STOP), (1.96, TICK)]
    assert outgoing.dropped_clock == 2
    assert outgoing.dropped_late == 0


def test_clearing_takes_back_what_has_not_left_and_no_note():
    outgoing = given_all(
        Outgoing(TOLERANCE),
        *(ClockMessage(k / 10, TICK) for k in range(1, 10)),
        NoteOn(1, 0.9, VOCALS, 3, 60, 80),
    )
    assert len(taken(outgoing, 0.3, 0.1)) == 3
    outgoing.accept(ClearClock())
    assert taken(outgoing, 2.0, 0.9) == [(0.9, bytes((0x92, 60, 80)))]
    assert outgoing.dropped_clock == 0


def test_at_the_end_those_who_were_started_are_stopped_and_nobody_else():
    for last, stops in ((START, 1), (CONTINUE, 1), (STOP, 0), (TICK, 0)):
        outgoing = given_all(Outgoing(TOLERANCE), ClockMessage(1.0, last), ClockMessage(1.5, START))
        outgoing.take(1.0, 1.0)
        outgoing.accept(ClearClock())
        assert taken(outgoing, 1.1) == [(1.1, STOP)] * stops


def test_a_panic_leaves_the_beat_alone():
    outgoing = given_all(Outgoing(TOLERANCE), ClockMessage(1.0, TICK), Silence(PANIC, every_channel=False))
    assert taken(outgoing, 1.0) == [(1.0, TICK)]


times = st.integers(0, 40).map(lambda k: k / 20)


@given(
    st.lists(
        st.tuples(st.just("on"), times, st.sampled_from([60, 61]))
        | st.tuples(st.just("off"), st.integers(1, 20), times)
        | st.tuples(st.just("clock"), times, st.sampled_from([TICK, START, STOP, b"\xf2\x01\x02"]))
        | st.tuples(st.just("clear"))
        | st.tuples(st.just("silence"))
        | st.tuples(st.just("take"), times),
        max_size=40,
    )
)
def test_whatever_clock_messages_come_between_the_notes_leave_as_they_would_without_them(history):
    outgoing, alone, token, now = Outgoing(TOLERANCE), Emitter(TOLERANCE), 0, 0.0
    for what, *values in history:
        match what:
            case "on":
                token += 1
                order = NoteOn(token, now + values[0], VOCALS, 3, values[1], 80)
            case "off":
                order = NoteOff(values[0], now + values[1])
            case "clock":
                order = ClockMessage(now + values[0], values[1])
            case "clear":
                order = ClearClock()
            case "silence":
                order = Silence(PANIC, every_channel=False)
            case "take":
                now += values[0]
                given_out = outgoing.take(now, now)
                assert [e for e in given_out if e.data[0] < 0xF0] == alone.take(now, now)
                continue
        outgoing.accept(order)
        if what not in ("clock", "clear"):
            alone.accept(order)

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.midi.emitter import SHORTEST_NOTE, Emitter
from bridge.midi.messages import PANIC, RELEASE, NoteOff, NoteOn, Program, Release, Silence
from bridge.music.sound import Stem

A, B = ("a", Stem.VOCALS), ("b", Stem.BASS)
ON, OFF = 0x90, 0x80


def on(token, due, pitch=60, channel=1, part=A):
    return NoteOn(token, due, part, channel, pitch, 100)


def given_all(emitter, *commands):
    for command in commands:
        emitter.accept(command)


def bytes_of(emissions):
    return [(e.due, e.data[0] & 0xF0, e.data[1]) for e in emissions]


def test_messages_leave_in_order_of_time_whatever_order_they_came_in():
    emitter = Emitter(0.05)
    given_all(emitter, on(2, 2.0, 62), NoteOff(2, 3.0), on(1, 1.0, 61), NoteOff(1, 1.5))
    assert bytes_of(emitter.take(9.0, 1.0)) == [(1.0, ON, 61), (1.5, OFF, 61), (2.0, ON, 62), (3.0, OFF, 62)]


def test_nothing_leaves_before_it_is_due():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 2.0))
    assert emitter.take(0.999, 0.999) == []
    assert len(emitter.take(1.0, 1.0)) == 1
    assert emitter.next_due() == 2.0


def test_the_same_pitch_again_is_released_before_it_is_struck():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 2.0), on(2, 2.0), NoteOff(2, 3.0))
    assert [k for _, k, _ in bytes_of(emitter.take(9.0, 1.0))] == [ON, OFF, ON, OFF]


def test_overlapping_notes_of_one_pitch_sound_until_the_last_of_them_ends():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 4.0), on(2, 2.0, part=B), NoteOff(2, 3.0))
    assert bytes_of(emitter.take(9.0, 1.0)) == [(1.0, ON, 60), (2.0, OFF, 60), (2.0, ON, 60), (4.0, OFF, 60)]


def test_releasing_one_of_two_that_share_a_pitch_sends_nothing():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), on(2, 1.5, part=B))
    emitter.take(2.0, 1.0)
    emitter.accept(Release(2))
    assert emitter.take(9.0, 2.0) == []
    emitter.accept(Release(1))
    assert bytes_of(emitter.take(9.0, 3.0)) == [(3.0, OFF, 60)]


def test_a_note_taken_back_before_it_began_never_sounds():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 2.0), Release(1))
    assert emitter.take(9.0, 1.0) == []
    assert emitter.next_due() is None


def test_a_released_note_ends_once_and_not_again_at_its_own_end():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 5.0))
    emitter.take(1.0, 1.0)
    emitter.accept(Release(1))
    assert bytes_of(emitter.take(9.0, 2.0)) == [(2.0, OFF, 60)]


def test_a_released_note_ends_now_whatever_is_said_of_its_end_afterwards():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0))
    emitter.take(1.0, 1.0)
    given_all(emitter, Release(1), NoteOff(1, 5.0))
    assert [k for _, k, _ in bytes_of(emitter.take(2.0, 2.0))] == [OFF]


def test_a_later_word_about_an_end_replaces_the_earlier():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 2.0), NoteOff(1, 3.0))
    assert bytes_of(emitter.take(9.0, 1.0)) == [(1.0, ON, 60), (3.0, OFF, 60)]


def test_a_note_on_beyond_the_tolerance_is_dropped_with_its_note_off_and_counted():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 1.2), on(2, 1.06, 61), NoteOff(2, 1.2))
    assert [p for _, _, p in bytes_of(emitter.take(9.0, 1.1))] == [61, 61]
    assert emitter.dropped_late == 1


def test_a_note_off_is_sent_however_late():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 2.0))
    emitter.take(1.0, 1.0)
    assert bytes_of(emitter.take(99.0, 99.0)) == [(2.0, OFF, 60)]


def test_a_late_short_note_still_sounds_for_a_moment():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), NoteOff(1, 1.01))
    assert len(emitter.take(1.04, 1.04)) == 1
    assert emitter.next_due() == 1.04 + SHORTEST_NOTE


def test_a_program_change_leaves_before_the_note_of_the_same_time():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0), Program(1.0, 1, 33))
    assert [e.data[0] & 0xF0 for e in emitter.take(1.0, 1.0)] == [0xC0, ON]


def test_an_ending_player_releases_its_notes_then_lifts_the_pedal_on_the_channels_it_used():
    emitter = Emitter(0.05)
    given_all(emitter, on(1, 1.0, channel=3), on(2, 5.0, channel=4))
    emitter.take(1.0, 1.0)
    emitter.accept(Silence(RELEASE, every_channel=False))
    assert [e.data for e in emitter.take(9.0, 2.0)] == [
        bytes((0x82, 60, 64)),
        bytes((0xB2, 64, 0)),
        bytes((0xB2, 123, 0)),
    ]


def test_panic_reaches_all_sixteen_channels():
    emitter = Emitter(0.05)
    emitter.accept(Silence(PANIC, every_channel=True))
    data = [e.data for e in emitter.take(9.0, 2.0)]
    assert data == [bytes((0xB0 | c, n, 0)) for c in range(16) for n in (64, 123, 120)]


def test_it_knows_which_pitches_sound():
    emitter = Emitter(0.05)
    emitter.accept(on(1, 1.0, 60, channel=3))
    emitter.take(1.0, 1.0)
    sounding = [m for m in (bytes((0x82, 60, 64)), bytes((0x82, 61, 64)), bytes((0x81, 60, 64))) if emitter.sounds(m)]
    assert sounding == [bytes((0x82, 60, 64))]
    assert not emitter.sounds(bytes((0xB2, 60, 0)))


recent = st.integers(0, 5)
soon = st.sampled_from([0.0, 0.01, 0.1, 1.0])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.just("on"), soon, st.sampled_from([60, 61]), st.sampled_from([1, 2]))
        | st.tuples(st.just("off"), recent, soon)
        | st.tuples(st.just("release"), recent)
        | st.tuples(st.just("take"), soon),
        max_size=60,
    )
)
def test_whatever_is_said_each_pitch_alternates_and_ends_silent(history):
    emitter, now, token, out = Emitter(0.05), 1.0, 0, []
    for what, *values in history:
        if what == "on":
            token += 1
            emitter.accept(on(token, now + values[0], values[1], values[2]))
        elif what == "off":
            emitter.accept(NoteOff(token - values[0], now + values[1]))
        elif what == "release":
            emitter.accept(Release(token - values[0]))
        else:
            now += values[0]
            out += emitter.take(now, now)
    emitter.accept(Silence((), every_channel=False))
    out += emitter.take(now, now)
    sounding = {}
    for emission in out:
        place = emission.data[0] & 15, emission.data[1]
        assert sounding.get(place, False) is not emission.on
        sounding[place] = emission.on
    assert not any(sounding.values())
    assert not any(emitter.sounds(emission.data) for emission in out)
    assert emitter.next_due() is None

"""Glides and vibrato: pitch bend on the part's channel, and MPE."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.midi.emitter import Emitter
from bridge.midi.messages import PANIC, Bend, Bending, NoteOff, NoteOn, Release, Silence
from tests.midi.rig import OTHER_JOB, VOCALS, Rig, bends, bent, known, loaded, note, registered, spoken

# On the part's channel


def test_a_bent_note_has_its_range_declared_then_bends_on_time_and_is_centred_after_its_end():
    rig = loaded([bent(0.1, 60, 0.4, (0.0, 50.0), (0.1, -100.0), (0.25, 25.0))], overrides={"bend": 1})
    rig.launch(VOCALS)
    rig.run(1.0)
    assert spoken(rig.out) == [
        *registered(0.1, 3, 0, 2),
        (0.1, 3, "bend", 2048),
        (0.1, 3, "on", 60),
        (0.2, 3, "bend", -4096),
        (0.35, 3, "bend", 1024),
        (0.5, 3, "off", 60),
        (0.5, 3, "bend", 0),
    ]


def test_nothing_is_bent_unless_asked_for():
    rig = loaded([bent(0.1, 60, 0.4, (0.0, 50.0), (0.1, -100.0))])
    rig.launch(VOCALS)
    rig.run(1.0)
    assert spoken(rig.out) == [(0.1, 3, "on", 60), (0.5, 3, "off", 60)]


def test_notes_without_a_bend_are_played_as_ever():
    rig = loaded([note(0.1, 60), note(0.3, 62)], overrides={"bend": 1})
    rig.launch(VOCALS)
    rig.run(1.0)
    assert all(out.emission.note is not None for out in rig.out)


def test_the_range_is_declared_once_and_again_when_it_changes():
    rig = loaded([bent(n / 10, 60, 0.05, (0.0, 100.0)) for n in range(1, 5)], overrides={"bend": 1})
    rig.launch(VOCALS)
    rig.run(0.25)
    rig.set_parameter("bend_range", 12)
    rig.run(0.5)
    assert [(at, value) for at, _, what, value in spoken(rig.out) if what == 6] == [(0.1, 2), (0.3, 12)]
    assert [value for _, _, value in bends(rig)] == [4096, 0, 4096, 0, 683, 0, 683, 0]


def test_another_port_is_told_the_range_anew():
    on = NoteOn(1, 1.0, VOCALS, 3, 60, 80, Bending(9000, 2, mpe=False))
    said = []
    for _ in range(2):
        emitter = Emitter(0.05)
        emitter.accept(on)
        said.append(spoken([e.data for e in emitter.take(1.0, 1.0)]))
    assert said[0] == said[1] == [*registered(None, 3, 0, 2), (None, 3, "bend", 808), (None, 3, "on", 60)]


def test_bends_beyond_the_range_are_clamped_and_their_note_is_counted_once():
    rig = loaded(
        [
            bent(0.1, 60, 0.3, (0.0, 250.0), (0.1, -300.0), (0.2, 200.0)),
            bent(0.5, 62, 0.3, (0.0, 200.0), (0.1, -200.0)),
        ],
        overrides={"bend": 1},
    )
    rig.launch(VOCALS)
    rig.run(1.0)
    assert [value for _, _, value in bends(rig)] == [8191, -8192, 8191, 0, 8191, -8192, 0]
    assert rig.sequencer.clamped == 1


def test_bends_of_a_note_come_at_most_every_5_ms_and_the_last_is_never_left_out():
    points = [(n / 1000, float(n % 90)) for n in range(300)]
    rig = loaded([bent(0.1, 60, 0.5, *points)], overrides={"bend": 1})
    rig.launch(VOCALS)
    rig.run(1.0)
    times = [at for at, _, _ in bends(rig)[:-1]]
    assert all(b - a >= 0.005 - 1e-6 for a, b in pairwise(times))
    assert len(times) == pytest.approx(60, abs=2)
    assert bends(rig)[-2][2] == round(points[-1][1] / 200 * 8192)


def test_what_becomes_known_of_a_sounding_note_s_bend_is_played():
    rig = loaded([replace(note(0.1, 60, None), bend=((0.0, 10.0),))], complete=False, overrides={"bend": 1})
    rig.launch(VOCALS)
    rig.run(0.3)
    rig.update(
        VOCALS, [bent(0.1, 60, 0.5, (0.0, 10.0), (0.1, 20.0), (0.15, 40.0), (0.4, 80.0))], (), known(1.0), complete=True
    )
    rig.run(0.5)
    assert [(at, value) for at, _, value in bends(rig)] == [(0.1, 410), (0.3, 1638), (0.5, 3277), (0.6, 0)]


def test_a_snapped_or_transposed_note_keeps_its_bend():
    rig = loaded([bent(0.1, 61, 0.2, (0.0, 50.0))], overrides={"bend": 1, "snap": 1, "key": 0, "transpose": 12})
    rig.launch(VOCALS)
    rig.run(0.5)
    assert [what for what in spoken(rig.out) if what[2] in ("on", "bend")] == [
        (0.1, 3, "bend", 2048),
        (0.1, 3, "on", 72),
        (0.3, 3, "bend", 0),
    ]


def test_turning_bends_off_centres_what_sounds_and_turning_them_on_bends_it():
    rig = loaded([bent(0.1, 60, 2.0, (0.0, 50.0), (0.5, 100.0), (1.0, 25.0))], overrides={})
    rig.launch(VOCALS)
    rig.run(0.2)
    rig.set_parameter("bend", 1)
    rig.run(0.5)
    rig.set_parameter("bend", 0)
    rig.run(0.02)
    assert [value for _, _, value in bends(rig)] == [2048, 4096, 0]
    assert rig.sounding() == {(3, 60)}


def test_turning_bends_off_centres_also_a_note_that_is_just_about_to_begin():
    rig = loaded([bent(0.1, 60, 2.0, (0.0, 50.0))], overrides={"bend": 1})
    rig.launch(VOCALS)
    rig.run(0.09)
    rig.override(VOCALS, "bend", 0)
    rig.run(0.05)
    assert rig.sounding() == {(3, 60)}
    assert [(at, value) for at, _, value in bends(rig)] == [(0.1, 2048), (0.105, 0)]


def test_releasing_a_bent_note_centres_its_channel():
    rig = loaded([bent(0.1, 60, 2.0, (0.0, 50.0))], overrides={"bend": 1})
    rig.launch(VOCALS)
    rig.run(0.2)
    rig.unload([VOCALS])
    rig.run(0.01)
    assert spoken(rig.out)[-2:] == [(0.2, 3, "off", 60), (0.2, 3, "bend", 0)]


@pytest.mark.parametrize("controllers", [PANIC, (64, 123)])
def test_the_end_of_the_player_and_panic_centre_every_channel(controllers):
    rig = loaded([bent(0.1, 60, 2.0, (0.0, 50.0))], overrides={"bend": 1})
    loaded([bent(0.1, 60, 2.0, (0.0, -50.0))], OTHER_JOB, rig=rig, overrides={"bend": 2})
    rig.launch(VOCALS, OTHER_JOB)
    rig.run(0.2)
    before = len(rig.out)
    rig.emitter.accept(Silence(controllers, every_channel=True))
    rig._emit()
    said = spoken(rig.out[before:])
    assert [what[1:] for what in said[:4]] == [(3, "off", 60), (3, "bend", 0), (2, "off", 60), (2, "bend", 0)]
    assert {what[2] for what in said[4:]} == set(controllers)


def test_a_channel_is_centred_before_a_note_that_has_no_bend_and_its_bend_is_the_last_note_s():
    emitter = Emitter(0.05)
    emitter.accept(NoteOn(1, 1.0, VOCALS, 3, 60, 80, Bending(9000, 2, mpe=False)))
    emitter.accept(NoteOn(2, 2.0, OTHER_JOB, 3, 64, 80))
    emitter.accept(Bend(1, 3.0, Bending(9500, 2, mpe=False)))
    emitter.accept(NoteOff(1, 4.0))
    emitter.accept(NoteOff(2, 5.0))
    assert spoken([e.data for e in emitter.take(9.0, 1.0)])[-5:] == [
        (None, 3, "on", 60),
        (None, 3, "bend", 0),
        (None, 3, "on", 64),
        (None, 3, "off", 60),
        (None, 3, "off", 64),
    ]


def test_a_bend_of_a_note_that_has_ended_or_never_began_is_not_sent():
    emitter = Emitter(0.05)
    for token in (1, 2):
        emitter.accept(NoteOn(token, 1.0, VOCALS, token, 60, 80, Bending(9000, 2, mpe=False)))
        emitter.accept(Bend(token, 3.0, Bending(9500, 2, mpe=False)))
    emitter.accept(Release(2))
    emitter.accept(NoteOff(1, 2.0))
    assert [what for what in spoken([e.data for e in emitter.take(9.0, 1.0)]) if what[2] == "bend"] == [
        (None, 1, "bend", 808),
        (None, 1, "bend", 0),
    ]
    assert emitter.next_due() is None


def test_a_receiver_that_may_have_missed_bends_is_told_what_holds_now():
    emitter = Emitter(0.05)
    emitter.accept(NoteOn(1, 1.0, VOCALS, 3, 60, 80, Bending(9000, 2, mpe=False)))
    emitter.accept(Bend(1, 1.1, Bending(9500, 2, mpe=False)))
    emitter.take(1.2, 1.0)
    assert spoken(emitter.restate([3, 4])) == [*registered(None, 3, 0, 2), (None, 3, "bend", 1308)]


points = st.lists(
    st.tuples(st.integers(0, 400).map(lambda n: n / 1000), st.floats(-300, 300)), max_size=30, unique_by=lambda p: p[0]
).map(sorted)


@settings(deadline=None, max_examples=150)
@given(points, st.sampled_from([0.003, 0.005, 0.015]), st.floats(0.5, 2.0))
def test_a_bend_follows_its_points_to_within_5_ms(points, tick, rate):
    rig = Rig()
    loaded([bent(0.1, 60, 0.5, *points)], rig=rig, rate=rate, overrides={"bend": 1, "bend_range": 3})
    rig.launch(VOCALS)
    rig.run(2.0, tick=tick)
    sent = [(at, value) for at, _, value in bends(rig)]
    begin, end = 0.1 / rate, 0.6 / rate
    for at in (begin + 0.0003 + n * 0.0007 for n in range(int((end - begin) / 0.0007))):
        value = next((v for t, v in reversed(sent) if t <= at + 1e-5), 0)
        # What held at some time of the last 5 ms.
        recent = [i for i, (t, _) in enumerate(points) if (0.1 + t) / rate <= at + 1.1e-5]
        first = [i for i, (t, _) in enumerate(points) if (0.1 + t) / rate <= at - 0.0051]
        held = points[max(first, default=0) : max(recent, default=0) + 1]
        expected = {min(8191, round(cents / 300 * 8192)) for _, cents in held} or {0}
        assert value in expected

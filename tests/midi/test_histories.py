"""Random histories of all that can be said to a player, and one oracle that knows when notes of a locked part are due."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.midi.voicing import PER_STEM
from bridge.music.notes import Note
from bridge.music.sound import Stem
from bridge.music.tempo import Loop, TempoMap, TempoPoint, Transport
from bridge.session.clip_clock import locked
from bridge.session.playback import Part, PartPlayed
from bridge.session.request import Follow, Sync
from tests.midi.rig import START, TOLERANCE, VOCALS, Rig, known
from tests.midi.strategies import examples, extents, keys, loops, notes, overrides, own_tempi, tempi

ids = st.sampled_from([("a", Stem.VOCALS), ("a", Stem.DRUMS), ("b", Stem.VOCALS), ("c", Stem.BASS)])


class Histories(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.rig = Rig()
        self.checked = 0
        self.sounding = {}
        self.bends = {}
        self.began = {}

    @rule(
        part=ids,
        sync=st.sampled_from(Sync),
        follow=st.sampled_from(Follow),
        loop=st.booleans(),
        at=st.sampled_from([None, 0.0, 1.0]),
        rate=st.sampled_from([0.5, 1.0, 3.0]),
        program=st.none() | st.just(5),
        key=st.none() | st.just(9),
        tempo=own_tempi,
    )
    def load(self, part, sync, follow, loop, at, rate, program, key, tempo):  # noqa: PLR0917
        self.rig.load(
            Part(
                part,
                2.0,
                0.5,
                sync,
                follow,
                at,
                rate=rate,
                tempo=tempo,
                loop=loop,
                program=program,
                key=key,
            )
        )

    @rule(
        part=ids,
        notes=st.lists(notes, min_size=3, max_size=8),
        sync=st.sampled_from(Sync),
        loop=st.booleans(),
        shape=st.dictionaries(st.sampled_from(["quantise", "mono", "snap"]), st.just(1.0)),
        legato=st.sampled_from([0.0, 300.0]),
        chase=st.sampled_from([0, 1]),
        bend=st.sampled_from([0, 1, 2]),
    )
    def play(self, part, notes, sync, loop, shape, legato, chase, bend):  # noqa: PLR0917
        overrides = {"channel": 1, "key": 3, "legato_ms": legato, "bend": bend, "chase": chase} | shape
        self.rig.load(Part(part, 2.0, 0.5, sync, loop=loop, overrides=overrides))
        self.rig.update(part, notes, (), known(2.0), complete=True)
        self.rig.launch(part)
        self.rig.run(0.3)

    @rule(
        part=ids,
        notes=st.lists(notes, max_size=6),
        withdrawn=st.lists(keys, max_size=6),
        extents=extents,
        complete=st.booleans(),
    )
    def update(self, part, notes, withdrawn, extents, complete):
        self.rig.update(part, notes, withdrawn, extents, complete=complete)

    @rule(data=st.data(), extents=extents)
    def withdraw_what_sounds(self, data, extents):
        """Random keys seldom are those of a note that sounds just now."""
        parts = [loaded for loaded in self.rig.sequencer._parts.values() if loaded.sounding]
        if parts:
            loaded = data.draw(st.sampled_from(parts))
            key = data.draw(st.sampled_from([sounding.key for sounding in loaded.sounding.values()]))
            self.rig.update(loaded.part.id, [], [key], extents, complete=False)
            assert key not in loaded.order
            assert loaded.order == sorted(loaded.notes)

    @rule(parts=st.lists(ids, min_size=1, max_size=3, unique=True))
    def launch(self, parts):
        self.rig.launch(*parts)

    @rule(parts=st.lists(ids, min_size=1, max_size=2))
    def unload(self, parts):
        self.rig.unload(parts)
        self.rig.run(0.02)
        gone = {t.token for t in self.rig.struck if t.part in parts}
        assert not gone & {token for token, note in self.rig.emitter._notes.items() if note.sounding}

    @rule(part=ids, what=overrides)
    def override(self, part, what):
        self.rig.override(part, *what)

    @rule(stem=st.sampled_from(Stem), what=overrides)
    def set_parameter(self, stem, what):
        name, value = what
        self.rig.set_parameter(f"{name}/{stem}" if name in PER_STEM else name, value)

    @rule(seconds=st.floats(0, 2), playing=st.booleans(), tempo=tempi, loop=loops)
    def locate(self, seconds, playing, tempo, loop):
        self.rig.transport(seconds, playing, tempo=tempo, loop=loop)

    @rule(tempo=tempi)
    def change_tempo(self, tempo):
        """The beat under the playhead stays."""
        old = self.rig.sequencer._transport
        beats = old.beats(self.rig.now)
        self.rig.transport(tempo.seconds_at(beats), old.playing, tempo=tempo, loop=old.loop)

    @rule(error=st.floats(-0.01, 0.01))
    def correct(self, error):
        old = self.rig.sequencer._transport
        if old.playing:
            self.rig.transport(old.position(self.rig.now) + error, tempo=old.tempo, loop=old.loop)

    @rule()
    def clear(self):
        self.rig.clear()

    @rule(seconds=st.sampled_from([0.003, 0.02, 0.3, 1.0]))
    def run(self, seconds):
        self.rig.run(seconds)

    @rule()
    def stall(self):
        self.rig.now += 0.2

    @invariant()
    def every_pitch_is_struck_and_released_in_turn(self):
        for out in self.rig.out[self.checked :]:
            if out.emission.note is None:
                self.take_bend(out)
                continue
            assert (out.place in self.sounding) is not out.on
            if out.on:
                self.sounding[out.place] = out.at
            else:
                assert out.at >= self.sounding.pop(out.place)
            assert out.at >= out.due
            if out.on:
                assert out.at - out.due <= TOLERANCE + 1e-9
        self.checked = len(self.rig.out)

    def take_bend(self, out):
        """A channel is bent only where a note sounds or is about to, and within a declared range."""
        channel = (out.data[0] & 15) + 1
        if out.data[0] & 0xF0 == 0xE0:
            self.bends[channel] = out.data[1] | out.data[2] << 7
            assert any(o.data[:2] == bytes((0xB0 | (channel - 1), 6)) for o in self.rig.out)

    @invariant()
    def channels_without_a_note_are_centred(self):
        sounding = {channel for channel, _ in self.sounding}
        assert all(value == 8192 for channel, value in self.bends.items() if channel not in sounding)

    @invariant()
    def no_pass_strikes_a_note_twice(self):
        for loaded in self.rig.sequencer._parts.values():
            for token, sounding in loaded.sounding.items():
                assert self.began.setdefault((sounding.during, sounding.key), token) == token

    def teardown(self):
        self.rig.clear()
        self.rig.run(0.01)
        self.every_pitch_is_struck_and_released_in_turn()
        assert not self.sounding
        assert set(self.bends.values()) <= {8192}
        assert self.rig.emitter.next_due() is None
        assert self.rig.emitter._notes == {}


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=examples(120), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

some_notes = st.lists(
    st.builds(
        Note,
        st.integers(0, 79).map(lambda n: n / 40 + 0.003),
        st.just(0.02),
        st.integers(40, 80),
        st.just(80),
        st.just(0.9),
    ),
    max_size=15,
    unique_by=lambda n: n.key,
)


@settings(deadline=None, max_examples=examples(150))
@given(
    some_notes,
    st.sampled_from(Follow),
    st.floats(0, 3),
    st.sampled_from([60, 97, 150]),
    st.sampled_from([0.7, 1.0]),
    st.floats(0, 4),
    st.none() | st.tuples(st.floats(0, 3), st.floats(0.3, 2)).map(lambda t: Loop(t[0], sum(t))),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.sampled_from([1, 3, 4]),
    st.sampled_from([0.5, 0.62, 0.75]),
)
def test_a_locked_part_sounds_exactly_where_the_transport_passes_it_or_the_grid_that_it_is_drawn_to(  # noqa: PLR0917
    notes, follow, at, bpm, rate, seconds, loop, strength, grid, swing
):
    tempo = TempoMap((TempoPoint(0.0, 0.0), TempoPoint(1.0, 1.5)), 100)
    transport = Transport(START, seconds, True, tempo, loop)
    drawing = {"quantise": strength, "grid": grid, "swing": swing}
    part = Part(
        VOCALS, 2.0, 0.5, Sync.TRANSPORT, follow, at, rate=rate, tempo=TempoMap.constant(bpm), overrides=drawing
    )
    points = [k / grid + (k % 2) * (swing - 0.5) * 2 / grid * (grid % 2 == 0) for k in range(200)]
    rig = Rig()
    rig.load(part)
    rig.update(VOCALS, notes, (), known(2.0), complete=True)
    rig.set_transport(transport)
    rig.run(4.0)
    expected = []
    for span in transport.spans(START, START + 4.0):
        clock = locked(part, tempo, span.host, span.seconds)
        for note in notes:
            due = clock.host_at(note.onset)
            beats = tempo.beats_at(span.seconds + (due - span.host))
            nearest = min(points, key=lambda point: abs(point - beats))
            due = span.host + tempo.seconds_at(beats + strength * (nearest - beats)) - span.seconds
            if span.host - 1e-6 <= due < span.host + span.length - 1e-6:
                expected.append((due, note.pitch))
    # What is due at the very end may or may not have been handed on by then.
    played = sorted((on.due, on.pitch) for on in rig.struck if on.due < START + 4.0 - 1e-6)
    expected = sorted(e for e in expected if e[0] < START + 4.0 - 1e-6)
    assert [t for t, _ in played] == pytest.approx([t for t, _ in expected], abs=1e-5)
    assert Counter(p for _, p in played) == Counter(p for _, p in expected)


@settings(deadline=None, max_examples=examples(100))
@given(some_notes, st.lists(st.integers(0, 15), max_size=15), st.lists(st.floats(0, 0.5), max_size=6))
def test_a_part_played_once_strikes_each_of_its_notes_once_however_often_it_is_revised(notes, revisions, pauses):
    rig = Rig()
    rig.load(Part(VOCALS, 2.0, 0.5))
    rig.update(VOCALS, notes, (), known(2.0), complete=not pauses)
    rig.launch(VOCALS)
    for pause in pauses:
        rig.run(pause)
        rig.update(VOCALS, [notes[r] for r in revisions if r < len(notes)], (), known(2.0), complete=True)
    rig.run(3.0)
    assert sorted((round(on.due - START, 6), on.pitch) for on in rig.struck) == sorted(
        (round(n.onset, 6), n.pitch) for n in notes
    )
    assert rig.events == [PartPlayed(VOCALS)]
    assert not rig.sounding()

"""Random histories of notes that are given, withdrawn and given again while their part plays."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.midi.loaded import Loaded
from bridge.music.notes import Note
from bridge.session.playback import Part, PartPlayed
from tests.midi.rig import LOOKAHEAD, START, TICK, VOCALS, Rig, known
from tests.midi.strategies import examples, extents, onsets


class Given:
    """What a test has said of one note, and what must come of it."""

    def __init__(self, onset, pitch):
        self.onset, self.pitch = onset, pitch
        self.duration = None
        self.present = False
        self.since = 0.0
        self.struck = 0
        self.released = False

    def note(self):
        return Note(self.onset, self.duration, self.pitch, 80, 0.9)


steps = st.lists(
    st.tuples(
        st.sampled_from([0.004, 0.004, 0.02, 0.1, 0.4]),
        st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from([None, 0.05, 0.3, 1.0]), st.booleans()),
            max_size=4,
            unique_by=lambda change: change[0],
        ),
        extents,
    ),
    min_size=1,
    max_size=15,
)


@settings(deadline=None, max_examples=examples(200))
@given(st.lists(onsets | st.just(0.0), min_size=3, max_size=3), steps)
def test_withdrawn_notes_are_struck_no_more_and_those_that_sound_still_end(onsets, steps):
    rig = Rig()
    rig.load(Part(VOCALS, 2.5, 0.5))
    rig.launch(VOCALS)
    clip = [Given(onset, 50 + i) for i, onset in enumerate(onsets)]
    for pause, changes, analysed in steps:
        given, withdrawn = [], []
        for index, duration, stays in changes:
            note = clip[index]
            if stays:
                note.since = note.since if note.present else rig.now - START
                note.duration = duration
                given.append(note.note())
            elif note.present:
                withdrawn.append((note.onset, note.pitch))
            note.released |= not stays and note.struck > 0 and note.duration is None
            note.present = stays
        rig.update(VOCALS, given, withdrawn, analysed, complete=False)
        before, sounded = len(rig.struck), {pitch for _, pitch in rig.sounding()}
        rig.run(pause)
        now = rig.now - START
        struck = Counter(on.pitch for on in rig.struck[before:])
        sounding = {pitch for _, pitch in rig.sounding()}
        for note in clip:
            assert note.present or not struck[note.pitch]
            note.struck += struck[note.pitch]
            assert note.struck <= 1
            if note.present and note.since < note.onset - LOOKAHEAD - TICK and now > note.onset + TICK:
                assert note.struck == 1
            if note.struck and not note.present:
                end = -1.0 if note.released else note.onset + note.duration
                # Between a note's end and the message of it lies a tick. What has ended is not revived by a later end.
                assert now <= min(end, 2.5) + 2 * TICK or note.pitch not in sounding
                assert now >= min(end, 2.5) - 2 * TICK or note.pitch in sounding or note.pitch not in sounded
    rig.update(VOCALS, [], [(note.onset, note.pitch) for note in clip[::2]], known(2.5), complete=True)
    rig.run(5.0)
    assert rig.events[-1] == PartPlayed(VOCALS)
    assert not rig.sounding()
    assert rig.emitter._notes == {}
    for note in clip:
        played = [out for out in rig.notes if out.data[1] == note.pitch]
        assert [out.on for out in played] in ([], [True, False])
        assert [out.due for out in played] == sorted(out.due for out in played)


@given(extents, onsets)
def test_the_playhead_is_behind_by_what_no_extent_before_it_covers(extents, clip):
    loaded = Loaded(Part(VOCALS, 2.0, 0.5), known=tuple(extents))
    expected = 0.0
    if not any(e.begin <= clip < e.end for e in extents):
        expected = clip - max((e.end for e in extents if e.end <= clip), default=0.0)
    assert loaded.behind(clip) == pytest.approx(expected)

"""What random histories of a player are drawn from."""

import os
from itertools import pairwise

from hypothesis import strategies as st

from bridge.music.beat_track import BeatTrack
from bridge.music.notes import Extent, Note
from bridge.music.ramps import Over
from bridge.music.tempo import Loop, TempoChange, TempoMap


def examples(number: int) -> int:
    """How many random histories to try: so many, or as many times more as STEMBRIDGE_HISTORIES says."""
    return number * int(os.environ.get("STEMBRIDGE_HISTORIES", "1"))


onsets = st.integers(0, 20).map(lambda n: n / 10)
notes = st.builds(
    Note,
    onset=onsets,
    duration=st.none() | st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    pitch=st.sampled_from([0, 60, 61, 127]),
    velocity=st.integers(1, 127),
    confidence=st.sampled_from([0.2, 0.6, 0.9]),
    bend=st.sampled_from(
        [(), ((0.0, 30.0),), ((0.0, -20.0), (0.02, 150.0), (0.022, 0.0), (0.09, -900.0), (0.5, 10.0))]
    ),
)
keys = notes.map(lambda note: note.key)
extents = st.lists(onsets, max_size=6, unique=True).map(
    lambda edges: [Extent(a, b) for a, b in pairwise(sorted(edges))][::2]
)
"""Parts of a clip in any number and place: analysis may reach them in any order."""
overrides = st.one_of(
    st.tuples(st.just("threshold"), st.sampled_from([0.0, 0.5, 0.7, 1.0])),
    st.tuples(st.just("mute"), st.sampled_from([0, 1])),
    st.tuples(st.just("channel"), st.sampled_from([1, 3, 10])),
    st.tuples(st.just("transpose"), st.sampled_from([-12, 0, 1])),
    st.tuples(st.just("velocity"), st.sampled_from([0.0, 1.0, 4.0])),
    st.tuples(st.just("offset_ms"), st.sampled_from([-500.0, -20.0, 0.0, 30.0, 500.0])),
    st.tuples(st.just("min_length_ms"), st.sampled_from([0.0, 50.0, 1000.0])),
    st.tuples(st.just("legato_ms"), st.sampled_from([0.0, 150.0, 2000.0])),
    st.tuples(st.just("mono"), st.sampled_from([0, 1])),
    st.tuples(st.just("low"), st.sampled_from([0, 61, 127])),
    st.tuples(st.just("high"), st.sampled_from([127, 60, 0])),
    st.tuples(st.just("snap"), st.sampled_from([0, 1])),
    st.tuples(st.just("key"), st.sampled_from([-1, 2, 21])),
    st.tuples(st.just("quantise"), st.sampled_from([0.0, 0.5, 1.0])),
    st.tuples(st.just("grid"), st.sampled_from([1, 3, 4])),
    st.tuples(st.just("bend"), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("bend_range"), st.sampled_from([1, 2, 12])),
    st.tuples(st.just("chase"), st.sampled_from([0, 1])),
    st.tuples(st.just("swing"), st.sampled_from([0.5, 0.6, 0.75])),
)
loops = st.none() | st.tuples(st.sampled_from([0.0, 0.5]), st.sampled_from([0.05, 0.5, 1.0])).map(
    lambda t: Loop(t[0], sum(t))
)
tempi = st.sampled_from([60, 97, 240]).map(TempoMap.constant) | st.builds(
    lambda begin, end, over, beats: TempoMap.of_changes(
        [TempoChange(0.0, begin, over), TempoChange(beats, end, over), TempoChange(2 * beats, begin)], 3.0
    ),
    st.sampled_from([50, 120, 240]),
    st.sampled_from([60, 110, 200]),
    st.sampled_from(Over),
    st.sampled_from([0.5, 2.0, 8.0]),
)
"""Steady ones, and ramps up and down."""
own_tempi = st.sampled_from(
    [
        TempoMap.constant(90),
        BeatTrack((0.4, 0.9, 1.4, 1.95, 2.4), (1,), 1.0).tempo_map(),
        TempoMap.of_changes([TempoChange(0.0, 60, Over.BEATS), TempoChange(3.0, 180)]),
    ]
)
"""A clip's: steady, tracked and ramped."""

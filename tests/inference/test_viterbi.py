import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.madmom_models import madmom
from bridge.inference.viterbi import OnlineViterbi

HMM = madmom.features.notes.ADSRNoteTrackingProcessor().hmm
LANES = 9


def observations(seed: int, frames: int, *, hold: int = 1, power: float = 1.0, grid: int | None = None) -> np.ndarray:
    """Random activations that stay for `hold` frames; `grid` rounds them, 0 and 1 included, so that paths tie."""
    random = np.random.default_rng(seed).random((-(-frames // hold), LANES, 3)) ** power
    if grid:
        random = np.round(random * grid) / grid
    return np.repeat(random, hold, axis=0)[:frames].astype(np.float32)


def decode(data: np.ndarray, chunks: list[int], longest: int = 3000) -> np.ndarray:
    """The decided path, shape (frames, lanes), put together from decisions that must follow each other without a gap."""
    viterbi = OnlineViterbi(HMM, LANES, longest)
    paths: list[list[int]] = [[] for _ in range(LANES)]
    begin = 0
    for size in (*chunks, len(data)):
        for decision in viterbi.feed(data[begin : begin + size]):
            collect(decision, paths)
        assert len(viterbi._pointers) <= longest
        begin += size
    collect(viterbi.finish(), paths)
    return np.array(paths).T


def collect(decision, paths):
    for lane, path in enumerate(paths):
        assert decision.begin[lane] == len(path)
        path.extend(decision.lane(lane).tolist())
        assert decision.end[lane] == len(path)


def madmom_decodes(data: np.ndarray) -> np.ndarray | None:
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        paths = [HMM.viterbi(data[:, lane])[0] for lane in range(LANES)]
    return None if any(len(path) != len(data) for path in paths) else np.array(paths).T


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 150),
    st.sampled_from([1, 3, 10]),
    st.sampled_from([0.2, 1.0, 4.0]),
    st.lists(st.integers(0, 40), max_size=8),
)
def test_any_chunking_gives_madmoms_path(seed, frames, hold, power, chunks):
    data = observations(seed, frames, hold=hold, power=power)
    assert np.array_equal(decode(data, chunks), madmom_decodes(data))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([2, 4, 10]))
def test_ties_and_impossible_states_are_decided_as_madmom_decides_them(seed, frames, grid):
    data = observations(seed, frames, hold=4, grid=grid)
    expected = madmom_decodes(data)
    if expected is None:
        # Sure of an onset for longer than an attack lasts: only lanes that madmom gives up may go their own way.
        assert decode(data, []).shape == data.shape[:2]
    else:
        assert np.array_equal(decode(data, [7] * 5), expected)


def test_an_impossible_observation_does_not_silence_the_lane_for_good():
    silent = np.zeros((20, LANES, 3), np.float32)
    impossible = np.tile(np.float32([0, 1, 0]), (5, LANES, 1))
    note = np.concatenate(
        [
            np.tile(np.float32(frame), (count, LANES, 1))
            for frame, count in (((0.5, 0.9, 0), 2), ((0.9, 0.01, 0.01), 20))
        ]
    )
    data = np.concatenate([silent, impossible, silent, note, silent + 0.001])
    assert madmom_decodes(data) is None
    path = decode(data, [])
    assert (path[47:60] >= 3).all()
    assert (path[:20] == 0).all()


def test_what_is_certain_is_decided_before_the_end():
    data = np.tile(np.float32([0.001, 0.001, 0.001]), (100, LANES, 1))
    viterbi = OnlineViterbi(HMM, LANES)
    viterbi.feed(data)
    assert (viterbi.decided > 80).all()
    assert len(viterbi._pointers) < 20


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 60), max_size=8))
def test_a_full_trellis_is_decided_alike_under_any_chunking(seed, chunks):
    data = observations(seed, 120, hold=20)
    assert np.array_equal(decode(data, chunks, longest=8), decode(data, [], longest=8))


def test_a_full_trellis_stays_within_its_bound():
    # Neither a note nor silence: the model can explain both, and goes on doing so.
    data = np.tile(np.float32([0.525, 0.0, 0.0]), (400, LANES, 1))
    data[5:7, :, 1] = 0.6
    unbounded = OnlineViterbi(HMM, LANES)
    unbounded.feed(data)
    assert len(unbounded._pointers) > 100
    assert decode(data, [3] * 50, longest=100).shape == (400, LANES)


@pytest.mark.parametrize("frames", [0, 1])
def test_short_clips_are_decoded(frames):
    data = observations(1, frames)
    assert decode(data, []).shape == (frames, LANES)

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.madmom_models import madmom
from bridge.inference.peaks import FLOOR, PeakPicker


def activations(seed: int, frames: int) -> np.ndarray:
    """Bursts on all keys, some of them a few frames apart."""
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 0.003, (frames, 88))
    data[rng.random(data.shape) < 0.05] += 0.3 * rng.random()
    return data.astype(np.float32)


def pick(data: np.ndarray, chunks=()):
    picker, found, known, begin = PeakPicker(), [], 0, 0
    for size in (*chunks, len(data)):
        new = picker.feed(data[begin : begin + size])
        assert all(onset.frame >= known for onset in new)
        known = picker.known
        found += new
        begin += size
    return sorted(found + picker.finish(), key=lambda onset: (onset.frame, onset.key))


def madmom_picks(data: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    picker = madmom.features.notes.NoteOnsetPeakPickingProcessor(
        threshold=threshold, smooth=0.09, combine=0.05, pre_max=0.01, post_max=0.01, fps=100
    )
    return [(round(time * 100), int(key)) for time, key in picker(data)]


def picks(data: np.ndarray, threshold: float, chunks=()) -> list[tuple[int, int]]:
    return [(onset.frame, onset.key) for onset in pick(data, chunks) if onset.height >= threshold]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 150), st.lists(st.integers(0, 60), max_size=6))
def test_onsets_are_madmoms_at_the_default_threshold_under_any_chunking(seed, frames, chunks):
    data = activations(seed, frames)
    assert picks(data, 0.35, chunks) == madmom_picks(data, 0.35)


def test_peaks_far_apart_are_madmoms_at_every_threshold():
    data = np.zeros((200, 88), np.float32)
    rng = np.random.default_rng(3)
    for frame in range(10, 190, 15):
        data[frame, rng.integers(0, 88, 20)] = rng.random(20) * 0.6
    for threshold in (FLOOR, 0.2, 0.5, 0.59):
        assert picks(data, threshold) == madmom_picks(data, threshold)


def test_an_onset_of_two_peaks_is_as_sure_as_the_higher_one():
    data = np.zeros((40, 88), np.float32)
    data[10, 5], data[15, 5] = 0.6, 0.9
    (onset,) = pick(data)
    assert (onset.frame, onset.key) == (10, 5)
    assert 0.85 < onset.height < 1.1


def test_a_faint_peak_just_before_a_sure_one_does_not_move_it():
    data = np.zeros((40, 88), np.float32)
    data[10, 5], data[15, 5] = 0.2, 0.9
    (onset,) = pick(data)
    assert onset.frame == 15


def test_an_onset_at_the_first_frame_is_kept_though_none_follows():
    # madmom takes a list of onsets that are all at frame 0 for an empty one.
    data = np.zeros((40, 88), np.float32)
    data[0, 5] = 0.9
    assert picks(data, 0.35) == [(0, 5)]
    data[20, 7] = 0.9
    assert picks(data, 0.35) == madmom_picks(data, 0.35) == [(0, 5), (20, 7)]

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.cnn import CONTEXT, PianoCnn
from bridge.inference.madmom_models import madmom
from bridge.inference.spectrogram import BANDS, CELL
from tests.inference.madmom_reference import signal, song


@pytest.fixture(scope="module")
def network():
    return PianoCnn()


@pytest.fixture(scope="module")
def processors():
    """madmom's front end and network."""
    return madmom.features.notes.CNNPianoNoteProcessor().processors


def run(network: PianoCnn, frames: np.ndarray, chunks: list[int]) -> np.ndarray:
    stream = network.start()
    found, begin = [], 0
    for size in chunks:
        found.append(stream.feed(frames[begin : begin + size]))
        begin += size
    return np.concatenate([*found, stream.finish(frames[begin:])])


def random_frames(count: int) -> np.ndarray:
    return np.random.default_rng(count).gamma(0.3, 0.5, (count, BANDS)).astype(np.float32)


def test_activations_of_real_music_are_madmoms(network, processors):
    front_end, reference = processors
    frames = np.asarray(front_end(signal(song(3, 3))))
    found = run(network, frames[CONTEXT:-CONTEXT], [])
    assert found.shape == (150, 88, 3)
    assert np.abs(found - reference(frames)).max() < 1e-4
    assert found[..., 1].max() > 0.5


@pytest.mark.parametrize("count", [1, 4, 5, 6, 15, 16, 31, 100])
def test_the_edges_are_padded_as_madmom_pads_them(network, processors, count):
    frames = random_frames(count)
    padded = np.concatenate([np.repeat(frames[:1], 5, axis=0), frames, np.repeat(frames[-1:], 5, axis=0)])
    found = run(network, frames, [])
    assert found.shape == (count, 88, 3)
    assert np.abs(found - processors[1](padded)).max() < 1e-4


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 200), chunks=st.lists(st.integers(0, 90), max_size=8))
def test_any_chunking_gives_the_same_bits(network, count, chunks):
    frames = random_frames(count)
    assert np.array_equal(run(network, frames, chunks), run(network, frames, []))


def test_an_activation_sees_five_frames_on_either_side_and_no_more(network):
    frames = random_frames(90)
    changed = frames.copy()
    changed[45] += 1.0
    differs = (run(network, frames, []) != run(network, changed, [])).any(axis=(1, 2))
    assert np.flatnonzero(differs).tolist() == list(range(40, 51))


def test_streams_of_one_network_do_not_disturb_each_other(network):
    first, second = network.start(), network.start()
    a, b = random_frames(40), random_frames(41)
    mixed = []
    for begin in (0, 20):
        mixed.append(first.feed(a[begin : begin + 20]))
        second.feed(b[begin : begin + 20])
    assert np.array_equal(np.concatenate([*mixed, first.finish(a[:0])]), run(network, a, []))


def test_long_cells_are_used_only_where_they_give_the_bits_of_short_ones(network):
    frames = random_frames(300)
    short = PianoCnn()
    short.longest = CELL
    assert np.array_equal(run(network, frames, []), run(short, frames, []))

    # Where rounding depends on the shape, the trial sees it.
    class Rounding(PianoCnn):
        def activate(self, cell, history):
            activations, kept = super().activate(cell, history)
            return np.nextafter(activations, np.float32(len(cell) > CELL)), kept

    assert Rounding().longest == CELL


def test_torchs_threads_are_left_as_they_were_and_do_not_change_the_bits(network):
    frames = random_frames(80)
    expected = run(network, frames, [])
    torch.set_num_threads(2)
    try:
        assert np.array_equal(run(network, frames, []), expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_no_frames_give_no_activations(network):
    assert run(network, random_frames(0).reshape(0, BANDS), []).shape == (0, 88, 3)

import numpy as np
import pytest
import torch

from bridge.inference.madmom_models import madmom
from bridge.inference.piano_rnn import PianoRnn
from tests.inference.madmom_reference import signal, song


@pytest.fixture(scope="module")
def processors():
    """madmom's front end and network."""
    return madmom.features.notes.RNNPianoNoteProcessor().processors


@pytest.fixture(scope="module")
def network(processors):
    return PianoRnn(processors[1])


def test_activations_of_real_music_are_madmoms(network, processors):
    features = np.asarray(processors[0](signal(song(3, 3))))
    found = network.activate(features)
    assert found.shape == (300, 88)
    assert found.max() > 0.5
    assert np.abs(found - processors[1](features)).max() < 1e-5


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_short_windows_give_madmoms_activations(network, processors, frames):
    features = np.random.default_rng(frames).gamma(0.3, 0.5, (frames, 482)).astype(np.float32)
    expected = np.reshape(processors[1](features), (-1, 88))
    assert np.abs(network.activate(features) - expected).max() < 1e-5


def test_a_window_does_not_depend_on_the_one_before_or_on_torchs_threads(network):
    first, second = np.random.default_rng(0).random((2, 50, 482), np.float32)
    expected = network.activate(first)
    network.activate(second)
    torch.set_num_threads(2)
    try:
        assert np.array_equal(network.activate(first), expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_another_network_is_refused_with_what_it_is_made_of(processors):
    with pytest.raises(TypeError, match=r"made of \['FeedForwardLayer linear'\]"):
        PianoRnn(madmom.ml.nn.NeuralNetwork(processors[1].layers[-1:]))

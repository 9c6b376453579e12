"""Demucs streamed against Demucs itself, on models with random weights."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from demucs.api import Separator as WholeFileSeparator
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.separate_demucs import Bag, DemucsSeparator, Member
from bridge.music.sound import Stem
from tests.inference.loading import start_of_clip
from tests.inference.model_zoo import (
    RATE,
    SOURCES,
    ArrayClip,
    Mixer,
    hdemucs,
    htdemucs,
    make_repo,
    mixer,
    song,
    time_demucs,
)

ALL = list(Stem)
PARITY = 1e-5
BAGS = {
    "one_hot": {
        "models": ["hd", "hd_long", "td", "ht"],
        "weights": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    },
    "mixed": {
        "models": ["hd", "hd_long", "td", "ht"],
        "weights": [[1, 0, 0.2, 0.5], [0, 1, 0.3, 0.25], [0, 0.3, 1, 0], [0, 0, 0.7, 1]],
    },
    "unweighted": {"models": ["hd", "ht"]},
    "shorter": {"models": ["hd_long", "ht"], "segment": 0.7},
    # Longer than the transformer was made for: Demucs leaves that network's segment as it is.
    "longer": {"models": ["hd", "ht"], "segment": 1.6},
    "twice": {"models": ["hd", "hd", "td"]},
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    networks = {
        "hd": hdemucs(0, 1.0),
        "hd_long": hdemucs(1, 1.5),
        "td": time_demucs(2, 1.0),
        "ht": htdemucs(3, 1),
        "ht_fraction": htdemucs(4, Fraction(39, 40)),
    }
    return make_repo(tmp_path_factory.mktemp("repo"), networks, BAGS)


@pytest.fixture(scope="module")
def loader(repo):
    return ModelLoader(ModelOptions(folder=repo, device="cpu"))


def reference(name, repo, samples):
    separator = WholeFileSeparator(name, repo=repo, device="cpu", shifts=0, overlap=0.25)
    stems = separator.separate_tensor(torch.from_numpy(samples.copy()))[1]
    return {Stem(name): stem.numpy() for name, stem in stems.items()}


def joined(stretches, stem):
    return np.concatenate([stretch.stems[stem] for stretch in stretches], axis=1)


def mixer_separator(*gains, **kwargs):
    """A separator whose results are known beforehand."""
    network = Mixer(gains, **kwargs)
    member = Member(network, {Stem(source): 1.0 for source in SOURCES})
    bag = Bag("mixer", (member,), frozenset(Stem), network.samplerate, network.audio_channels)
    return DemucsSeparator(bag, torch.device("cpu"))


@pytest.mark.parametrize("name", ["hd", "td", "ht", "ht_fraction", *BAGS])
def test_joined_stretches_equal_demucs_whole_file_result(name, repo, loader):
    samples = song(2.7)
    expected = reference(name, repo, samples)
    stretches = list(loader.load(name, ALL).separate(ArrayClip(samples), ALL, start_of_clip))
    for stem in ALL:
        assert np.abs(expected[stem]).max() > 1e-3  # random weights do make sound
        assert np.abs(joined(stretches, stem) - expected[stem]).max() < PARITY
    assert len(stretches) > 2


def test_joined_stretches_of_a_full_width_htdemucs_equal_demucs_whole_file_result(tmp_path):
    repo = make_repo(tmp_path, {"full": htdemucs(segment=1, full_size=True)})
    samples = song(1.6)
    expected = reference("full", repo, samples)
    separator = ModelLoader(ModelOptions(folder=repo, device="cpu")).load("full", [Stem.VOCALS])
    stretches = list(separator.separate(ArrayClip(samples), [Stem.VOCALS], start_of_clip))
    assert np.abs(joined(stretches, Stem.VOCALS) - expected[Stem.VOCALS]).max() < PARITY


@pytest.mark.parametrize("name", ["one_hot", "mixed"])
def test_any_one_stem_of_a_bag_equals_the_whole_bags(name, repo):
    samples = song(1.9, seed=2)
    expected = reference(name, repo, samples)
    for stem in ALL:
        separator = ModelLoader(ModelOptions(folder=repo, device="cpu")).load(name, [stem])
        stretches = list(separator.separate(ArrayClip(samples), [stem], start_of_clip))
        assert set(stretches[0].stems) == {stem}
        assert np.abs(joined(stretches, stem) - expected[stem]).max() < PARITY


@pytest.mark.parametrize("frames", [1, 2, 999, 44101, 33075 + 2])
@pytest.mark.parametrize("name", ["hd", "td", "ht", "mixed"])
def test_short_clips_and_short_last_segments_equal_demucs(name, frames, repo, loader):
    samples = song(1.2, seed=frames)[:, 4000 : 4000 + frames]
    stretches = list(loader.load(name, ALL).separate(ArrayClip(samples), ALL, start_of_clip))
    streamed = joined(stretches, Stem.VOCALS)
    assert streamed.shape == samples.shape
    assert np.isfinite(streamed).all()
    if frames > 1:  # of a single frame Demucs takes the deviation, which is undefined
        assert np.abs(streamed - reference(name, repo, samples)[Stem.VOCALS]).max() < PARITY


@pytest.mark.parametrize("name", ["hd", "td", "ht", "mixed"])
def test_silence_gives_silence(name, loader):
    stretches = list(loader.load(name, ALL).separate(ArrayClip(np.zeros((2, 50_000))), ALL, start_of_clip))
    for stem in ALL:
        assert np.abs(joined(stretches, stem)).max() < 1e-6


def test_channels_that_cancel_equal_demucs(repo, loader):
    left = song(1.3)[0]
    samples = np.stack([left, -left])  # their mean is silence, which is what Demucs normalises by
    expected = reference("ht", repo, samples)[Stem.VOCALS]
    streamed = joined(list(loader.load("ht", ALL).separate(ArrayClip(samples), ALL, start_of_clip)), Stem.VOCALS)
    assert np.isfinite(streamed).all()
    assert np.abs(streamed - expected).max() < PARITY


def test_an_empty_clip_gives_no_stretch(loader):
    assert list(loader.load("hd", ALL).separate(ArrayClip(np.zeros((2, 0))), ALL, start_of_clip)) == []


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 3000),
    segment=st.integers(4, 1200),
    gains=st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=4),
)
def test_stretches_tile_the_clip_and_hold_what_the_network_gave(frames, segment, gains):
    samples = song(0.1, seed=frames)[:, :frames]
    # Half a frame more, so that seconds times rate round down to the frames meant.
    separator = mixer_separator(*gains, segment=(segment + 0.5) / RATE)
    clip = ArrayClip(samples)
    at = 0
    for stretch in separator.separate(clip, ALL, start_of_clip):
        assert stretch.start == at
        assert {stem.shape for stem in stretch.stems.values()} == {next(iter(stretch.stems.values())).shape}
        for source, gain in zip(SOURCES, gains, strict=True):
            part = stretch.stems[Stem(source)]
            mean = clip.loudness()[0]
            expected = (samples[:, at : at + part.shape[1]] - mean) * gain + mean
            assert part.dtype == np.float32
            np.testing.assert_allclose(part, expected, atol=2e-6)
        at += part.shape[1]
        assert part.shape[1] > 0
    assert at == samples.shape[1]


def test_each_stretch_comes_before_the_next_segment_begins():
    separator = mixer_separator(1, 1, 1, 1)
    network = separator._bag.members[0].network
    for done, stretch in enumerate(separator.separate(ArrayClip(song(6)), [Stem.VOCALS], start_of_clip), start=1):
        assert network.begun == done
        assert stretch.stems[Stem.VOCALS].shape[1] > 0
    assert network.begun == 8  # a segment of 1 s every 0.75 s


def test_nothing_runs_before_the_first_stretch_is_asked_for_nor_after_the_last_one_taken():
    separator = mixer_separator(1, 1, 1, 1)
    network = separator._bag.members[0].network
    stretches = separator.separate(ArrayClip(song(6)), [Stem.VOCALS], start_of_clip)
    assert network.begun == 0
    taken = list(itertools.islice(stretches, 2))
    stretches.close()
    assert len(taken) == network.begun == 2
    assert len(list(separator.separate(ArrayClip(song(6)), [Stem.VOCALS], start_of_clip))) == 8


def test_reads_reach_no_further_than_a_segment_however_long_the_clip():
    clip = ArrayClip(song(30))
    for stretch in mixer_separator(1, 1, 1, 1).separate(clip, [Stem.BASS], start_of_clip):
        assert stretch.stems[Stem.BASS].shape[1] <= RATE
    assert max(stop - start for start, stop in clip.reads) <= RATE
    assert len(clip.reads) == 40


def test_members_with_unlike_segments_keep_step(repo, loader):
    clip = ArrayClip(song(5))
    separator = loader.load("mixed", ALL)
    for stretch in separator.separate(clip, [Stem.VOCALS], start_of_clip):
        end = stretch.start + stretch.stems[Stem.VOCALS].shape[1]
        # No member has read more than its one segment past what was given.
        assert max(stop for _, stop in clip.reads) <= end + 1.5 * RATE


def test_samples_that_are_no_numbers_are_refused(loader):
    samples = song(1)
    samples[0, 500] = np.nan
    with pytest.raises(BridgeError, match="finite") as caught:
        list(loader.load("hd", ALL).separate(ArrayClip(samples), ALL, start_of_clip))
    assert caught.value.code is ErrorCode.BAD_AUDIO


def test_a_clip_of_another_rate_is_refused_at_once(loader):
    with pytest.raises(BridgeError, match="48000") as caught:
        loader.load("hd", ALL).separate(ArrayClip(song(1), sample_rate=48000), ALL, start_of_clip)
    assert caught.value.code is ErrorCode.INTERNAL


def test_a_call_for_no_stem_is_refused_at_once(loader):
    with pytest.raises(BridgeError) as caught:
        loader.load("hd", ALL).separate(ArrayClip(song(1)), [], start_of_clip)
    assert caught.value.code is ErrorCode.BAD_ARGUMENT


def test_memory_that_runs_out_is_a_bridge_error(tmp_path):
    # Four hundred million outputs of a second each: no machine holds them.
    greedy = mixer(*[1.0] * 4)
    repo = make_repo(tmp_path, {"greedy": greedy})
    separator = ModelLoader(ModelOptions(folder=repo, device="cpu")).load("greedy", [Stem.VOCALS])
    network = separator._bag.members[0].network
    network.gains = torch.nn.Parameter(torch.zeros(1).expand(400_000_000), requires_grad=False)
    with pytest.raises(BridgeError, match="greedy") as caught:
        next(separator.separate(ArrayClip(song(1)), [Stem.VOCALS], start_of_clip))
    assert caught.value.code is ErrorCode.OUT_OF_MEMORY

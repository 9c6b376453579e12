"""Separation that follows a playhead: whatever the order, the same stems, each frame once, and first what is needed first."""

from collections.abc import Iterable
from itertools import chain, repeat

import numpy as np
import pytest
import torch
from demucs.api import Separator as WholeFileSeparator
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.separate_demucs import Bag, DemucsSeparator, Member
from bridge.inference.separate_spleeter import SpleeterSeparator
from bridge.music.sound import Stem
from tests.inference.loading import start_of_clip
from tests.inference.model_zoo import RATE, SOURCES, ArrayClip, Mixer, hdemucs, htdemucs, make_repo, song, time_demucs

VOCALS = [Stem.VOCALS]


class Tilt(Mixer):
    """Each frame's result depends on where in its segment it lies, so that a wrong overlap is heard."""

    def forward(self, mix):
        return super().forward(mix) * torch.linspace(1, 2, mix.shape[-1])


def tilted(*lengths):
    """A separator of as many networks, which see `lengths` frames at once."""
    members = [
        Member(Tilt([1, -1, 0.5, 1 + index], segment=(length + 0.5) / RATE), dict.fromkeys(map(Stem, SOURCES), 1.0))
        for index, length in enumerate(lengths)
    ]
    return DemucsSeparator(Bag("tilted", tuple(members), frozenset(Stem), RATE, 2), torch.device("cpu"))


def moving(positions: Iterable[float]):
    """A playhead that is at the next of `positions`, in seconds, whenever it is asked, and stays at the last one."""
    following = chain(positions, repeat(None))
    here = 0.0

    def playhead():
        nonlocal here
        position = next(following)
        here = here if position is None else position
        return here

    return playhead


def assemble(stretches, stem, frames):
    """Put stretches where they belong; every frame must come exactly once."""
    whole, times = np.full((2, frames), np.nan, np.float32), np.zeros(frames, int)
    for stretch in stretches:
        part = stretch.stems[stem]
        assert part.shape[1] > 0
        whole[:, stretch.start : stretch.start + part.shape[1]] = part
        times[stretch.start : stretch.start + part.shape[1]] += 1
    assert (times == 1).all()
    return whole


def begun(clip):
    """In which order 1 s segments, one every 0.75 s, were read."""
    return [start // (RATE * 3 // 4) for start, _ in clip.reads]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 2000),
    st.lists(st.integers(10, 900), min_size=1, max_size=3),
    st.lists(st.floats(0, 0.05), max_size=30),
)
def test_wherever_the_playhead_jumps_the_stems_are_bit_for_bit_those_of_the_plain_order(frames, lengths, positions):
    samples = song(0.1, seed=frames)[:, :frames]
    separator = tilted(*lengths)
    stems = [Stem.VOCALS, Stem.BASS]
    forward = list(separator.separate(ArrayClip(samples), stems, start_of_clip))
    assert [s.start for s in forward] == sorted(s.start for s in forward)
    jumping = list(separator.separate(ArrayClip(samples), stems, moving(positions)))
    for stem in stems:
        assert np.array_equal(assemble(jumping, stem, frames), assemble(forward, stem, frames))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 2000), st.lists(st.integers(10, 900), min_size=1, max_size=3), st.floats(0, 0.06))
def test_the_playhead_waits_for_two_segments_of_each_network_at_most_and_what_lies_before_it_comes_last(
    frames, lengths, position
):
    clip = ArrayClip(song(0.1, seed=frames)[:, :frames])
    at = min(int(position * RATE), frames - 1)
    ahead = set(range(at, frames))
    for stretch in tilted(*lengths).separate(clip, VOCALS, lambda: position):
        span = range(stretch.start, stretch.start + stretch.stems[Stem.VOCALS].shape[1])
        if at in ahead:
            assert len(clip.reads) <= 2 * len(lengths)
        elif ahead:
            assert span.stop > at
        ahead -= set(span)
    assert not ahead


def test_the_segment_under_the_playhead_comes_first_then_those_after_it_then_those_before():
    clip = ArrayClip(song(6))
    separator = tilted(RATE)
    stretches = list(separator.separate(clip, VOCALS, lambda: 3.4))  # past the second that segment 3 shares with 4
    assert begun(clip) == [4, 5, 6, 7, 0, 1, 2, 3]
    assert stretches[0].start <= 3.4 * RATE < stretches[0].start + stretches[0].stems[Stem.VOCALS].shape[1]


def test_where_two_segments_fade_at_the_playhead_both_come_first():
    clip = ArrayClip(song(6))
    first = next(s for s in tilted(RATE).separate(clip, VOCALS, lambda: 3.1) if s.start <= 3.1 * RATE)
    assert begun(clip) == [4, 3]
    assert first.start + first.stems[Stem.VOCALS].shape[1] > 3.1 * RATE


def test_a_seek_reorders_the_segments_that_are_left():
    clip = ArrayClip(song(6))
    for _ in tilted(RATE).separate(clip, VOCALS, moving([0, 0, 4.8, 4.8, 1.9])):
        pass
    assert begun(clip) == [0, 1, 6, 7, 2, 3, 4, 5]


def test_a_playhead_outside_the_clip_counts_as_its_nearest_end():
    for position, first in ((-3.0, 0), (1e6, 7)):
        clip = ArrayClip(song(6))
        next(tilted(RATE).separate(clip, VOCALS, lambda position=position: position))
        assert begun(clip)[0] == first


def test_the_playhead_is_asked_before_each_segment_and_not_after_the_clip_is_abandoned():
    asked = []

    def playhead():
        asked.append(None)
        return 2.0

    stretches = tilted(RATE).separate(ArrayClip(song(6)), VOCALS, playhead)
    assert asked == []
    for done in range(1, 4):
        next(stretches)
        assert len(asked) == done
    stretches.close()
    assert len(asked) == 3


def test_of_unlike_networks_the_one_that_is_least_far_from_the_playhead_on_goes_on():
    clip = ArrayClip(song(8))
    separator = tilted(RATE, RATE // 2)
    first = next(separator.separate(clip, VOCALS, lambda: 4.7))
    assert first.start <= 4.7 * RATE < first.start + first.stems[Stem.VOCALS].shape[1]
    assert len(clip.reads) <= 4  # at most two segments of each


@pytest.mark.parametrize(("name", "positions"), [("one_hot", [2.69, 1.0]), ("mixed", [1.5, 0.2, 2.6, 0.9])])
def test_any_order_equals_demucs_whole_file_result(name, positions, tmp_path):
    networks = {"hd": hdemucs(0, 1.0), "td": time_demucs(2, 0.7), "ht": htdemucs(3, 1)}
    bags = {
        "one_hot": {"models": ["hd", "td", "ht"], "weights": [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
        "mixed": {"models": ["hd", "td", "ht"], "weights": [[1, 0, 0.2, 0.5], [0, 0.3, 1, 0.2], [0, 1, 0.7, 1]]},
    }
    repo = make_repo(tmp_path, networks, bags)
    samples = song(2.7)
    reference = WholeFileSeparator(name, repo=repo, device="cpu", shifts=0, overlap=0.25)
    expected = reference.separate_tensor(torch.from_numpy(samples.copy()))[1]
    separator = ModelLoader(ModelOptions(folder=repo, device="cpu")).load(name, list(Stem))
    stretches = list(separator.separate(ArrayClip(samples), list(Stem), moving(positions)))
    for stem in Stem:
        assert np.abs(assemble(stretches, stem, samples.shape[1]) - expected[stem].numpy()).max() < 1e-5


def test_spleeters_blocks_follow_the_playhead_and_give_the_same_stems():
    separator = SpleeterSeparator(torch.device("cpu"))
    block = 512 * 1024
    samples = np.random.default_rng(0).normal(0, 0.1, (2, 2 * block + 9000)).astype(np.float32)
    stems = [Stem.VOCALS, Stem.OTHER]
    forward = list(separator.separate(ArrayClip(samples), stems, start_of_clip))
    clip = ArrayClip(samples)
    jumping = list(separator.separate(clip, stems, moving([14.0, 23.9, 14.0])))
    assert [-(-start // block) for start, _ in clip.reads] == [1, 2, 0]  # a block begins half a window early
    assert jumping[0].start <= 14 * RATE < jumping[0].start + jumping[0].stems[Stem.OTHER].shape[1]
    for stem in stems:
        assert np.array_equal(assemble(jumping, stem, samples.shape[1]), assemble(forward, stem, samples.shape[1]))

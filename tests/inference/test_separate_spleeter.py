"""Spleeter streamed against the same algorithm on the whole file, and what it does to real and made-up sound."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.separate_checkpoint import read_checkpoint, spleeter_folder
from bridge.inference.separate_spleeter import SpleeterSeparator
from bridge.inference.separate_unet import UNet
from bridge.music.sound import Stem
from tests.inference.loading import start_of_clip
from tests.inference.model_zoo import RATE, ArrayClip, song

BOTH = [Stem.VOCALS, Stem.OTHER]
BLOCK_SECONDS = 512 * 1024 / RATE


@pytest.fixture(scope="module")
def separator():
    return SpleeterSeparator(torch.device("cpu"))


@pytest.fixture(scope="module")
def recording():
    """The 11 s example song of the package, shape (2, frames)."""
    samples, rate = soundfile.read(spleeter_folder() / "audio_example.mp3", dtype="float32")
    assert rate == RATE
    return samples.T


def joined(stretches, stem):
    return np.concatenate([stretch.stems[stem] for stretch in stretches], axis=1)


def whole_file(samples):
    """Vocals and accompaniment by one spectrogram of the whole file, with PyTorch's own transforms."""
    window = torch.hann_window(4096)
    spectrum = torch.stft(
        torch.tensor(samples), 4096, 1024, window=window, center=True, pad_mode="constant", return_complex=True
    )
    frames = spectrum.shape[-1]
    blocks = -(-frames // 512)
    magnitude = torch.nn.functional.pad(spectrum[:, :1024].abs(), (0, blocks * 512 - frames))
    batch = magnitude.reshape(2, 1024, blocks, 512).permute(2, 0, 3, 1)
    powers = []
    for index in (0, 1):
        network = UNet()
        network.load_arrays(read_checkpoint(spleeter_folder(), index))
        with torch.no_grad():
            estimate = network(batch).permute(1, 3, 0, 2).reshape(2, 1024, blocks * 512)[..., :frames]
        powers.append(estimate**2)
    result = []
    for power in powers:
        share = (power + 0.5e-10) / (powers[0] + powers[1] + 1e-10)
        mask = torch.cat([share, share.mean(1, keepdim=True).expand(-1, 1025, -1)], 1)
        masked = spectrum * mask
        result.append(torch.istft(masked, 4096, 1024, window=window, center=True, length=samples.shape[1]).numpy())
    return result


def test_joined_blocks_equal_the_whole_file_result(separator, recording):
    samples = np.concatenate([recording, song(6)], axis=1)
    vocals, accompaniment = whole_file(samples)
    stretches = list(separator.separate(ArrayClip(samples), BOTH, start_of_clip))
    assert len(stretches) == 2
    assert np.abs(joined(stretches, Stem.VOCALS) - vocals).max() < 1e-5
    assert np.abs(joined(stretches, Stem.OTHER) - accompaniment).max() < 1e-5


def test_stretches_tile_the_clip_and_the_first_reads_one_block(separator):
    samples = song(BLOCK_SECONDS + 1)
    clip = ArrayClip(samples)
    at = 0
    for stretch in separator.separate(clip, [Stem.VOCALS], start_of_clip):
        assert stretch.start == at
        at += stretch.stems[Stem.VOCALS].shape[1]
        assert max(stop for _, stop in clip.reads) <= at + 4096
    assert at == clip.frames
    assert len(clip.reads) == 2


@pytest.mark.parametrize("frames", [1, 1025, 512 * 1024])
def test_the_stems_of_any_length_sum_to_the_mixture(separator, frames):
    samples = song(12, seed=1)[:, :frames]
    stretches = list(separator.separate(ArrayClip(samples), BOTH, start_of_clip))
    vocals, other = joined(stretches, Stem.VOCALS), joined(stretches, Stem.OTHER)
    assert vocals.shape == samples.shape
    np.testing.assert_allclose(vocals + other, samples, atol=2e-6)


def test_silence_gives_silence_and_an_empty_clip_no_stretch(separator):
    stretches = list(separator.separate(ArrayClip(np.zeros((2, 50_000))), BOTH, start_of_clip))
    assert np.abs(joined(stretches, Stem.VOCALS)).max() == 0
    assert list(separator.separate(ArrayClip(np.zeros((2, 0))), BOTH, start_of_clip)) == []


def test_chords_and_beats_go_to_the_accompaniment(separator):
    stretches = list(separator.separate(ArrayClip(song(8)), BOTH, start_of_clip))
    vocals, other = (float(np.square(joined(stretches, stem)).mean()) for stem in BOTH)
    assert vocals < 0.2 * other


def test_a_real_song_has_a_voice_that_stays_a_voice(separator, recording):
    vocals = joined(list(separator.separate(ArrayClip(recording), BOTH, start_of_clip)), Stem.VOCALS)
    again = joined(list(separator.separate(ArrayClip(vocals), BOTH, start_of_clip)), Stem.VOCALS)
    assert np.square(vocals).mean() > 0.05 * np.square(recording).mean()
    assert np.square(again).mean() > 0.9 * np.square(vocals).mean()


def test_samples_that_are_no_numbers_are_refused(separator):
    samples = song(1)
    samples[1, 7] = np.inf
    with pytest.raises(BridgeError, match="finite") as caught:
        next(separator.separate(ArrayClip(samples), BOTH, start_of_clip))
    assert caught.value.code is ErrorCode.BAD_AUDIO


@pytest.mark.parametrize("stem", [Stem.DRUMS, Stem.BASS])
def test_drums_and_bass_are_refused_at_once(separator, stem):
    with pytest.raises(BridgeError, match="accompaniment") as caught:
        separator.separate(ArrayClip(song(1)), [Stem.VOCALS, stem], start_of_clip)
    assert caught.value.code is ErrorCode.STEM_UNAVAILABLE


@pytest.mark.parametrize(
    ("mixture", "vocals", "least_db"),
    [
        ("mdb_reggae/mix.flac", "mdb_reggae/stem_04.flac", 13.0),
        ("stempeg_falcon69/mixture.flac", "stempeg_falcon69/vocals.flac", 4.4),
    ],
)
def test_vocals_of_real_multitracks_reach_the_published_weights_quality(separator, mixture, vocals, least_db):
    data = os.environ.get("STEMBRIDGE_DATA")
    if data is None:
        pytest.skip("STEMBRIDGE_DATA names no folder with real multitracks")
    mix, truth = (
        soundfile.read(Path(data, "multitrack", name), dtype="float32", always_2d=True)[0].T
        for name in (mixture, vocals)
    )
    estimate = joined(list(separator.separate(ArrayClip(mix), BOTH, start_of_clip)), Stem.VOCALS)
    sdr = 10 * np.log10(np.square(truth).sum() / np.square(truth - estimate).sum())
    assert sdr > least_db

"""What is heard in each frame, against the package's own detector; the decimator."""

import numpy as np
import pytest
from swift_f0 import SwiftF0

from bridge.inference.mono_frames import FrameStream
from bridge.inference.mono_network import HOP, PitchNetwork
from bridge.inference.mono_resample import Decimator
from bridge.inference.recent_audio import RecentAudio
from tests.inference.mono_sounds import RATE, Tone, hum, pluck, sing, sung


@pytest.fixture(scope="module")
def network():
    return PitchNetwork()


def heard(network, samples, stretch=1.0, lowest=30, highest=97):
    audio = RecentAudio()
    stream = FrameStream(network, audio, stretch, lowest, highest)
    frames = []
    for begin in range(0, samples.shape[1], 5000):
        for _ in audio.take(samples[:, begin : begin + 5000]):
            frames += stream.advance()
            audio.forget(stream.needs)
    return frames + stream.finish()


def decimated(samples, rate):
    audio = RecentAudio()
    for _ in audio.take(samples):
        pass
    decimator = Decimator(rate)
    return decimator.read(audio, 0, decimator.total(audio.frames))


def test_pitch_and_voicing_are_the_packages_own_but_for_the_shorter_view(network):
    samples, _ = sung()
    frames = heard(network, samples)
    reference = SwiftF0(threads=1).detect(decimated(samples, 16000), 16000)
    assert len(frames) == len(reference.pitch_hz)
    voicing = np.array([frame.voicing for frame in frames])
    assert np.abs(voicing - reference.confidence).mean() < 0.02
    voiced = reference.confidence > 0.5
    pitch = np.array([frame.pitch for frame in frames])
    cents = 100 * np.abs(pitch - 69 - 12 * np.log2(reference.pitch_hz / 440))[voiced]
    assert np.median(cents) < 1
    assert np.quantile(cents, 0.98) < 50


def test_stretched_frames_hear_the_same_pitch_and_lower_ones(network):
    frames = heard(network, pluck([Tone(0.1, 1.2, 28)], 1.4), 1.25, 26, 68)
    inside = frames[len(frames) // 4 : len(frames) * 3 // 4]
    assert np.abs(np.median([frame.pitch for frame in inside]) - 28) < 0.1
    assert min(frame.voicing for frame in inside) > 0.5


def test_an_attack_stands_out_where_a_string_is_struck_again(network):
    frames = heard(network, pluck([Tone(0.3, 0.5, 50), Tone(0.8, 0.6, 50)], 1.6))
    attacks = np.array([frame.attack for frame in frames])
    struck = attacks > 2
    times = np.flatnonzero(struck) * HOP / 16000
    assert np.abs(times[:, None] - np.array([0.3, 0.8])).min(axis=0).max() < 0.03
    assert struck.sum() == 2


def test_a_consonant_sung_through_dents_the_pitch_before_its_attack(network):
    frames = heard(network, hum([0.9, 1.5], 2.2))
    dented = [(n * HOP / 16000, frame) for n, frame in enumerate(frames) if frame.dent > 0]
    assert len(dented) == 2
    for (time, frame), at in zip(dented, [0.9, 1.5], strict=True):
        assert frame.attack > 2
        assert 0.4 < frame.dent <= 0.75
        assert abs(time - frame.turn * HOP / 16000 - at) < 0.025


def test_without_a_dent_there_is_none(network):
    for samples in (hum([0.9, 1.5], 2.2, depth=0.0), sing([Tone(0.3, 0.5, 60), Tone(0.9, 0.5, 60)], 1.8)):
        assert all(frame.dent == 0 == frame.turn for frame in heard(network, samples))


def test_vibrato_is_no_attack_and_no_dip(network):
    frames = heard(network, sing([Tone(0.2, 2.0, 62, vibrato=0.6)], 2.4))
    inside = frames[30:120]
    assert max(frame.attack for frame in inside) < 0.8
    assert max(frame.dip for frame in inside) == 0


@pytest.mark.parametrize("rate", [16000, 12800])
def test_a_tone_passes_the_decimator_unchanged_and_in_time(rate):
    t = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 1000 * t).astype(np.float32)
    out = decimated(tone[None], rate)
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / rate)
    assert len(out) == rate
    assert np.abs(out - expected)[100:-100].max() < 2e-3


@pytest.mark.parametrize(("rate", "hertz"), [(16000, 10_000), (16000, 15_000), (12800, 9000)])
def test_what_the_lower_rate_cannot_hold_is_gone(rate, hertz):
    tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
    assert np.abs(decimated(tone[None], rate))[100:-100].max() < 1e-2


def test_each_decimated_sample_is_the_same_however_it_is_read():
    audio = RecentAudio()
    for _ in audio.take(np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32)):
        pass
    decimator = Decimator(16000)
    whole = decimator.read(audio, 0, 4096)
    pieces = [decimator.read(audio, n, n + 256) for n in range(0, 4096, 256)]
    assert np.array_equal(whole, np.concatenate(pieces))


@pytest.mark.parametrize("frames", [0, 39, 41, 1000, 44_100])
def test_available_samples_depend_on_known_audio_alone(frames):
    decimator = Decimator(16000)
    count = decimator.available(frames)
    assert count == 0 or (count - 1) * 441 // 160 + 40 < frames
    assert count * 441 // 160 + 40 >= frames

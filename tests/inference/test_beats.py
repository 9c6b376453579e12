import numpy as np
import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.inference import beats
from bridge.inference.bar_pointer import BarPointerModel
from bridge.inference.beats import FPS, MadmomBeats, activations, decode, downbeats
from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.session.work import JobCancelled
from tests.inference.madmom_reference import signal, song


class Clip:
    """Audio in memory that says what was read of it at once."""

    def __init__(self, samples, sample_rate=SAMPLE_RATE):
        self.samples = samples
        self.sample_rate = sample_rate
        self.channels, self.frames = samples.shape
        self.most = 0

    def read(self, start, stop):
        piece = self.samples[:, start:stop]
        self.most = max(self.most, piece.shape[1])
        return piece

    def loudness(self):
        raise AssertionError


def no_word():
    """Nobody cancels."""


def clicks(times, seconds, accents=4):
    """A metronome, shape (1, frames), its every fourth click higher."""
    out = np.zeros(int(seconds * SAMPLE_RATE), np.float32)
    decay = np.arange(2000) / SAMPLE_RATE
    for index, at in enumerate(times):
        begin = round(at * SAMPLE_RATE)
        click = 0.5 * np.sin(2 * np.pi * (1500 if index % accents == 0 else 1000) * decay) * np.exp(-decay * 150)
        out[begin : begin + 2000] += click[: len(out) - begin]
    return out[None]


@pytest.fixture(scope="module")
def music():
    return song(0.0, 10.0)


@pytest.fixture(scope="module")
def heard(music):
    return activations(Clip(music), no_word)


@pytest.fixture(scope="module")
def reference(music):
    """madmom's own activations of the whole file."""
    return downbeats.RNNDownBeatProcessor()(signal(music))


def test_activations_are_madmoms(heard, reference):
    assert heard.shape == reference.shape
    assert np.abs(heard - reference).max() < 1e-5


def test_beats_and_bars_are_madmoms_refined_within_the_frame(heard, reference):
    expected = downbeats.DBNDownBeatTrackingProcessor(beats_per_bar=[3, 4], fps=FPS)(reference)
    found = decode(heard, no_word)
    assert len(found.beats) > 15
    assert found.beats == pytest.approx(expected[:, 0].tolist(), abs=0.5 / FPS + 1e-9)
    assert list(found.downbeats) == np.flatnonzero(expected[:, 1] == 1).tolist()
    assert found.confidence > 0.3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_a_path_found_in_little_memory_is_madmoms_to_the_state(seed, beats_per_bar):
    rng = np.random.default_rng(seed)
    observations = rng.dirichlet([0.3, 0.2, 4.0], 700 + seed)[:, :2].astype(np.float32) + 1e-6
    (hmm,) = downbeats.DBNDownBeatTrackingProcessor(beats_per_bar=[beats_per_bar], fps=FPS).hmms
    expected, likelihood = hmm.viterbi(observations)
    path, found = BarPointerModel(hmm, no_word).viterbi(observations)
    assert np.array_equal(path, expected)
    assert found == pytest.approx(likelihood)


@pytest.mark.parametrize("bpm", [72.0, 97.3, 171.7])
def test_a_metronome_s_tempo_beats_and_bars_are_found(bpm):
    times = np.arange(0.333, 15.0, 60 / bpm)
    found = MadmomBeats().estimate(Clip(clicks(times, 15.0)), no_word)
    assert found.bpm == pytest.approx(bpm, rel=0.005)
    assert found.confidence > 0.4
    assert list(found.beats[1:-1]) == pytest.approx(list(times[1 : len(found.beats) - 1]), abs=0.02)
    first = found.downbeats[0]
    assert list(found.downbeats) == list(range(first, len(found.beats), 4))
    assert min(abs(found.beats[first] - at) for at in times[::4]) < 0.02


def test_a_tempo_map_follows_a_metronome_that_speeds_up():
    times, at = [], 0.3
    while at < 19.5:
        times.append(at)
        at += 60 / (90 + 2 * at)
    found = MadmomBeats().estimate(Clip(clicks(times, 20.0)), no_word)
    tempo = found.tempo_map()
    offset = round(tempo.beats_at(times[4])) - 4
    assert [tempo.beats_at(t) for t in times[4:-2]] == pytest.approx(
        [k + offset for k in range(4, len(times) - 2)], abs=0.06
    )


def test_noise_is_given_little_confidence_and_silence_no_beats():
    noise = np.random.default_rng(1).normal(0, 0.1, (1, 8 * SAMPLE_RATE)).astype(np.float32)
    assert MadmomBeats().estimate(Clip(noise), no_word).confidence < 0.2
    for frames in (0, 100, 3 * SAMPLE_RATE):
        assert MadmomBeats().estimate(Clip(np.zeros((2, frames), np.float32)), no_word) is None


def test_a_long_clip_is_read_in_windows_and_gives_the_same_beats(music, heard, monkeypatch):
    monkeypatch.setattr(beats, "WHOLE", 4 * FPS)
    monkeypatch.setattr(beats, "OVERLAP", FPS)
    windowed = activations(Clip(music), no_word)
    assert windowed.shape == heard.shape
    assert np.abs(windowed[: 3 * FPS] - heard[: 3 * FPS]).max() > 0  # It did not see the whole.
    assert np.corrcoef(windowed.ravel(), heard.ravel())[0, 1] > 0.95


def test_audio_is_read_in_pieces():
    clip = Clip(np.zeros((2, 25 * SAMPLE_RATE), np.float32))
    MadmomBeats().estimate(clip, no_word)
    assert clip.most <= 10 * SAMPLE_RATE


@pytest.mark.parametrize("calls", range(6))
def test_a_cancelled_job_ends_between_any_two_steps(music, calls):
    left = iter(range(calls))

    def heed():
        if next(left, None) is None:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        MadmomBeats().estimate(Clip(music), heed)


def test_another_sample_rate_is_refused():
    with pytest.raises(BridgeError) as refused:
        MadmomBeats().estimate(Clip(np.zeros((1, 100), np.float32), 48000), no_word)
    assert refused.value.code is ErrorCode.NOT_SUPPORTED

import numpy as np
import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.key import CONTEXT, CORE, MadmomKeys
from bridge.inference.madmom_models import madmom
from bridge.inference.recent_audio import PIECE
from bridge.music.key import KeyEstimate
from tests.inference.madmom_reference import RATE, piano, signal, song
from tests.inference.model_zoo import ArrayClip

HOP = RATE // 5


@pytest.fixture(scope="module")
def keys():
    return MadmomKeys()


def reference(samples: np.ndarray) -> dict[str, float]:
    """What madmom's own processor says of the whole clip, by its own names."""
    probabilities = madmom.features.key.CNNKeyRecognitionProcessor()(signal(samples))
    return dict(zip(madmom.features.key.KEY_LABELS, probabilities[0], strict=True))


def found(keys: MadmomKeys, samples: np.ndarray) -> dict[str, float]:
    """The same of ours, by our names."""
    probabilities = keys.probabilities(ArrayClip(samples))
    return {KeyEstimate(key, 0.0).name: probability for key, probability in enumerate(probabilities)}


def assert_same(ours: dict[str, float], theirs: dict[str, float]) -> None:
    renamed = {"D# minor": "Eb minor"}
    expected = {renamed.get(name, name): probability for name, probability in theirs.items()}
    assert ours.keys() == expected.keys()
    assert all(abs(ours[name] - expected[name]) < 1e-4 for name in expected)


def cadences(tonic: int, *, minor: bool, seconds: float) -> np.ndarray:
    """I-IV-V-I over and over, each chord a second: shape (1, frames)."""
    third = 3 if minor else 4
    chords = [(-12, 0, third, 7), (-7, 0, 5, 5 + third), (-5, 2, 7, 11), (-12, 0, third, 7)]
    notes = [
        (float(beat), 0.9, 48 + tonic + step, 0.1)
        for beat in range(int(seconds))
        for step in chords[beat % len(chords)]
    ]
    return piano(notes, seconds)


@pytest.mark.parametrize("seconds", [1.6, 1.9, 5.3])
def test_the_probabilities_of_real_music_are_madmoms(keys, seconds):
    samples = song(1.5, seconds)
    assert_same(found(keys, samples), reference(samples))


@pytest.mark.parametrize("frames", [CORE + CONTEXT - 1, CORE + CONTEXT + 5])
def test_windows_give_what_the_whole_clip_gives(keys, frames):
    samples = np.resize(song(0, 10.5).mean(axis=0), frames * HOP - 100)[None]
    samples = samples * np.linspace(0.1, 1.0, samples.shape[1], dtype=np.float32)
    assert_same(found(keys, samples), reference(samples))


@pytest.mark.parametrize("tonic", range(12))
def test_cadences_in_every_key_are_recognised(keys, tonic):
    for minor in (False, True):
        estimate = keys.estimate(ArrayClip(cadences(tonic, minor=minor, seconds=8.0)))
        assert estimate.key == tonic + 12 * minor
        assert 1 / 24 < estimate.confidence <= 1.0


def test_a_key_has_the_name_that_musicians_give_it():
    names = [KeyEstimate(key, 1.0).name for key in range(24)]
    assert names[0] == "C major"
    assert names[21] == "A minor"
    assert names[13] == "C# minor"
    assert len(set(names)) == 24


@pytest.mark.parametrize("level", [0.0, 5e-5])
def test_silence_has_no_key(keys, level):
    noise = np.random.default_rng(0).uniform(-level, level, (2, 3 * RATE))
    assert keys.estimate(ArrayClip(noise.astype(np.float32))) is None


@pytest.mark.parametrize("frames", [0, 1, RATE, 7 * HOP])
def test_too_short_a_clip_has_no_key(keys, frames):
    assert keys.estimate(ArrayClip(cadences(0, minor=False, seconds=2.0)[:, :frames])) is None


def test_what_is_not_finite_counts_as_silence(keys):
    damaged = cadences(7, minor=False, seconds=8.0)
    damaged[:, 5000:5100] = np.nan
    assert keys.estimate(ArrayClip(damaged)).name == "G major"


def test_it_ends_where_heed_raises_and_reads_no_further(keys):
    class Stopped(Exception):
        pass

    calls = []

    def heed():
        calls.append(None)
        if len(calls) == 3:
            raise Stopped

    clip = ArrayClip(np.zeros((2, 6 * PIECE), np.float32))
    with pytest.raises(Stopped):
        keys.estimate(clip, heed)
    assert max(stop for _, stop in clip.reads) == 2 * PIECE


def test_another_rate_is_refused(keys):
    with pytest.raises(BridgeError) as refused:
        keys.estimate(ArrayClip(np.zeros((1, 96000), np.float32), 48000))
    assert refused.value.code == ErrorCode.NOT_SUPPORTED


def test_the_fingerprint_names_the_weights_and_is_the_same_for_all(keys):
    assert keys.fingerprint == MadmomKeys().fingerprint
    assert keys.fingerprint.startswith("madmom-key-1+")
    assert " " not in keys.fingerprint

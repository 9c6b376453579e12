"""The network, frame by frame, against torch's own layers over the whole stretch; and what it is shown."""

from importlib.resources import files

import numpy as np
import pytest
import torch
from torch import nn

from bridge.inference.drum_network import SOURCES, DrumNetwork
from bridge.inference.drum_spectrum import AHEAD, BANDS, CENTRES, FLOOR, HOP, DrumSpectrum
from bridge.inference.recent_audio import RecentAudio
from tests.inference.madmom_reference import RATE


def frames(samples):
    """Every frame of a mono signal."""
    audio = RecentAudio()
    audio.append(np.asarray(samples, np.float32))
    spectrum = DrumSpectrum(audio)
    return [spectrum.next() for _ in range(len(samples) // HOP)]


def sine(hertz, seconds, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def in_torch(seen):
    """The activations by torch, shape (frames, sources), with the very same weights."""
    with np.load(files("bridge.inference") / "drum_weights.npz") as archive:
        arrays = {name: torch.from_numpy(archive[name].astype(np.float32)) for name in archive.files}

    def weights(name):
        return arrays[f"{name}_weights"], arrays[f"{name}_bias"]

    state = arrays["gates_state_weights"].shape[1]
    recurrent = nn.GRU(state, state, batch_first=True)
    recurrent.load_state_dict(
        dict(
            zip(
                ("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0"),
                (*weights("gates_in"), *weights("gates_state")),
                strict=True,
            )
        )
    )
    with torch.no_grad():
        shapes = nn.functional.pad(torch.from_numpy(seen)[None, None], (0, 0, 4, 0))
        for name, stride in (("first", 2), ("second", 4)):
            shapes = nn.functional.conv2d(shapes, *weights(name), stride=(1, stride), padding=(0, 2)).relu()
        dense = nn.functional.linear(shapes.permute(0, 2, 3, 1).flatten(2), *weights("dense")).relu()
        heard = torch.cat([dense, recurrent(dense)[0]], -1)
        return nn.functional.linear(heard, *weights("output")).sigmoid()[0].numpy()


def test_steps_give_what_torch_gives_for_the_whole_stretch():
    seen = np.random.default_rng(0).uniform(-0.6, 1.6, (150, BANDS)).astype(np.float32)
    network = DrumNetwork()
    stepped = np.stack([network.step(frame) for frame in seen])
    assert stepped.shape == (150, len(SOURCES))
    assert np.allclose(stepped, in_torch(seen), atol=1e-5)


def test_two_runs_do_not_share_what_they_remember():
    seen = np.random.default_rng(1).uniform(-0.6, 1.6, (20, BANDS)).astype(np.float32)
    alone = DrumNetwork()
    expected = [alone.step(frame) for frame in seen]
    first, second = DrumNetwork(), DrumNetwork()
    found = []
    for frame in seen:
        found.append(first.step(frame))
        second.step(-frame)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("hertz", [60, 200, 1000, 4000, 12_000])
def test_a_tone_is_loudest_in_the_band_at_its_pitch(hertz):
    powers = frames(sine(hertz, 0.5))[20].powers
    nearest = np.abs(CENTRES - hertz).argmin()
    assert abs(int(powers.argmax()) - nearest) <= 1
    assert 10 * np.log10(powers.sum()) == pytest.approx(-6, abs=3.5)


def test_a_quiet_stem_looks_like_a_loud_one():
    rng = np.random.default_rng(2)
    sound = rng.standard_normal(RATE) * np.repeat(rng.uniform(0.01, 0.1, 10), RATE // 10)
    loud = np.stack([frame.seen for frame in frames(sound)])
    quiet = np.stack([frame.seen for frame in frames(sound / 100)])
    assert np.allclose(loud, quiet, atol=1e-3)


def test_levels_count_from_the_loudest_of_late_and_from_nothing_later():
    burst = np.concatenate([sine(1000, 1, 0.01), sine(1000, 1, 0.5), sine(1000, 2, 0.01)])
    references = np.array([frame.reference for frame in frames(burst)])
    assert references[:90].max() < -35
    assert references[150] == pytest.approx(-6, abs=3.5)
    # Two seconds later it has sunk by two decibels.
    assert references[390] == pytest.approx(references[190] - 2, abs=0.1)


def test_a_frame_looks_no_further_ahead_than_it_says():
    sound = np.random.default_rng(3).standard_normal(RATE).astype(np.float32)
    other = sound.copy()
    other[20 * HOP + AHEAD :] = 0
    assert all(np.array_equal(a.seen, b.seen) for a, b in zip(frames(sound)[:21], frames(other)[:21], strict=True))
    assert not np.array_equal(frames(sound)[21].seen, frames(other)[21].seen)


def test_what_is_below_the_floor_is_silent():
    amplitude = 10 ** (FLOOR / 20)
    assert all(frame.silent for frame in frames(sine(1000, 0.3, amplitude / 3)))
    assert not any(frame.silent for frame in frames(sine(1000, 0.3, amplitude * 3))[3:])

"""Delays from recordings: found where they are, refused where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.music.click_delay import FEWEST_CLICKS, Recorded, click_times, find_onsets, measure_delay

RATE = 48_000.0
START = 500.0

delays = st.floats(0.0, 1.2)


def clicks(count=20):
    return [START + 0.5 + time for time in click_times(count)]


def scattered(seed, count, until=16.0):
    return sorted(START + np.random.default_rng(seed).uniform(0, until, count))


def test_no_two_distances_between_clicks_are_alike():
    distances = np.diff(click_times(40))
    assert min(distances) >= 0.35
    assert max(distances) <= 0.65
    assert np.diff(np.sort(distances)).min() > 0.001


@given(delays, st.integers(0, 100), st.floats(0, 0.004), st.integers(0, 15), st.integers(0, 4))
def test_whatever_else_sounds_and_though_some_clicks_are_missed_the_delay_is_found(delay, seed, jitter, strays, missed):
    chance = np.random.default_rng(seed)
    sent = clicks()
    answered = [host + delay + chance.uniform(-jitter, jitter) for host in sent]
    for _ in range(missed):
        answered.pop(chance.integers(len(answered)))
    found = measure_delay(sent, sorted(answered + scattered(seed, strays)))
    # A stray that comes nearer than its click's own sound is taken for it: one of many.
    assert found.median == pytest.approx(delay, abs=jitter + 1e-9)
    assert found.low <= found.median <= found.high
    assert found.heard >= 20 - missed
    assert found.played == 20
    assert found.spread <= jitter + 1e-9 or strays


@given(delays, st.floats(0.08, 0.3))
def test_an_echo_is_not_taken_for_the_sound(delay, later):
    sent = clicks()
    heard = [host + delay for host in sent]
    assert measure_delay(sent, sorted(heard + [host + later for host in heard])).median == pytest.approx(delay)


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_sounds_that_have_nothing_to_do_with_the_clicks_give_no_delay(seed, count):
    with pytest.raises(BridgeError, match="does something else sound there") as refused:
        measure_delay(clicks(), scattered(seed, count))
    assert refused.value.code is ErrorCode.BAD_AUDIO


@given(delays, st.integers(0, 1000), st.floats(0.04, 0.3))
def test_a_delay_that_is_never_the_same_is_refused(delay, seed, jitter):
    chance = np.random.default_rng(seed)
    heard = sorted(host + delay + 0.3 + chance.uniform(-jitter, jitter) for host in clicks(30))
    with pytest.raises(BridgeError, match="at one delay") as refused:
        measure_delay(clicks(30), heard)
    assert refused.value.code is ErrorCode.BAD_AUDIO


@given(delays, st.integers(0, 1000))
def test_the_stated_bounds_hold_the_true_delay_nearly_always(delay, seed):
    chance = np.random.default_rng(seed)
    covered = 0
    for _ in range(40):
        heard = [host + delay + 0.01 + chance.normal(0, 0.002) for host in clicks(24)]
        found = measure_delay(clicks(24), heard)
        covered += found.low <= delay + 0.01 <= found.high
    assert covered >= 31  # 95 % of 40 are 38; fewer than 31 have a chance of one in 80,000


def test_silence_is_said_to_be_that():
    with pytest.raises(BridgeError, match="nothing was heard: is the instrument connected") as refused:
        measure_delay(clicks(), [])
    assert refused.value.code is ErrorCode.BAD_AUDIO


def test_what_sounds_before_its_note_or_long_after_is_not_its_sound():
    for delay in (-0.05, 3.0):
        with pytest.raises(BridgeError):
            measure_delay(clicks(), [host + delay for host in clicks()])


def test_too_few_clicks_are_refused():
    with pytest.raises(BridgeError, match="at least 8"):
        measure_delay(clicks(FEWEST_CLICKS - 1), clicks(FEWEST_CLICKS - 1))


def sound(kind, frames, chance, rate=RATE):
    time = np.arange(frames) / rate
    match kind:
        case "pulse":
            return np.where(time < 0.001, 1.0, 0.0)
        case "noise":
            return chance.uniform(-1, 1, frames) * np.exp(-time / 0.02)
        case "pluck":
            return np.sin(2 * np.pi * 262 * time) * np.exp(-time / 0.1)
        case "organ":
            return np.sin(2 * np.pi * 440 * time + 1.0) * np.minimum(time / 0.002, 1) * (time < 0.06)
        case "ringing":
            return sum(np.sin(2 * np.pi * 262 * k * time) / k for k in range(1, 6)) * np.exp(-time / 0.15)
    raise AssertionError(kind)


def recording(onsets, kind, level, noise, seed, *, rate=RATE, hum=0.0):
    chance = np.random.default_rng(seed)
    frames = round((max(onsets) - START + 1.0) * rate)
    samples = chance.normal(0, noise, frames) + hum * np.sin(2 * np.pi * 50 * np.arange(frames) / rate) + 0.02
    for onset in onsets:
        place = int(np.ceil((onset - START) * rate))
        length = min(round(0.9 * rate), frames - place)
        samples[place : place + length] += level * sound(kind, length, chance, rate)
    return Recorded(samples.astype(np.float32), rate, START)


@settings(deadline=None, max_examples=60)
@given(
    delay=delays,
    kind=st.sampled_from(["pulse", "noise", "pluck", "organ", "ringing"]),
    level=st.floats(0.05, 0.9),
    noise=st.sampled_from([0.0, 1e-5, 1e-3]),
    hum=st.sampled_from([0.0, 2e-3]),
    rate=st.sampled_from([44_100.0, 48_000.3, 96_000.0]),
    seed=st.integers(0, 1000),
)
def test_a_recorded_delay_is_found_to_a_millisecond_whatever_sounds(*, delay, kind, level, noise, hum, rate, seed):
    sent = clicks(10)
    heard = find_onsets(recording([host + delay for host in sent], kind, level, noise, seed, rate=rate, hum=hum))
    found = measure_delay(sent, heard)
    assert found.heard == 10
    assert found.median == pytest.approx(delay, abs=0.001)
    assert found.spread < 0.001


def test_the_beginning_of_a_pulse_is_found_to_the_frame():
    onsets = [host + 0.0123 for host in clicks(10)]
    found = find_onsets(recording(onsets, "pulse", 0.5, 0.0, 1))
    assert found == pytest.approx(onsets, abs=1.01 / RATE)


@pytest.mark.parametrize(("noise", "hum"), [(0.0, 0.0), (1e-4, 0.0), (0.1, 0.0), (0.0, 0.1), (1e-3, 0.05)])
def test_noise_and_hum_have_no_onsets(noise, hum):
    frames = round(5 * RATE)
    chance = np.random.default_rng(2)
    samples = chance.normal(0, noise, frames) + hum * np.sin(2 * np.pi * 50 * np.arange(frames) / RATE)
    assert find_onsets(Recorded(samples.astype(np.float32), RATE, START)) == []


def test_a_recording_too_short_for_an_onset_has_none():
    for frames in (0, 1, 500):
        assert find_onsets(Recorded(np.zeros(frames, np.float32), RATE, START)) == []

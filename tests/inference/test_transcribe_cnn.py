"""The whole of `madmom-cnn` against madmom's processors on whole files: real music, made-up piano, and odd input."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.transcribe_cnn import MadmomCnn
from tests.inference.madmom_reference import (
    RATE,
    SCALE,
    adsr_notes,
    cnn_activations,
    feed_nothing,
    onset_f,
    piano,
    song,
    table,
    transcribe,
)


@pytest.fixture(scope="module")
def transcriber():
    return MadmomCnn()


@pytest.fixture(scope="module")
def music():
    return song(0, 6)


@pytest.fixture(scope="module")
def reference(music):
    """madmom's activations of the music."""
    return cnn_activations(music)


@pytest.fixture(scope="module")
def notes(transcriber, music):
    """Our notes of the music, fed at once."""
    return transcribe(transcriber, music)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.55, 0.8])
def test_notes_of_real_music_are_madmoms_at_every_threshold(notes, reference, threshold):
    expected, _ = adsr_notes(reference, threshold)
    assert len(expected) > 10
    assert np.array_equal(table(notes, threshold), expected)


def test_after_silence_the_notes_are_those_of_madmom_untouched(transcriber, music):
    quiet_start = np.concatenate([np.zeros((2, RATE), np.float32), music[:, : 3 * RATE]], axis=1)
    expected, fragments = adsr_notes(cnn_activations(quiet_start))
    assert fragments == 0
    assert len(expected) > 10
    assert np.array_equal(table(transcribe(transcriber, quiet_start, [44_100] * 3), 0.55), expected)


def test_notes_of_a_made_up_piano_are_madmoms_and_the_ones_played(transcriber):
    samples = piano(SCALE, 4.2)
    found = table(transcribe(transcriber, samples, [10_000] * 10), 0.55)
    assert np.array_equal(found, adsr_notes(cnn_activations(samples))[0])
    # Every note is there; besides, the network hears octaves in tones that are no piano's.
    for onset, _, pitch, _ in SCALE:
        assert np.abs(found[found[:, 1] == pitch][:, 0] - onset).min() < 0.05


@settings(max_examples=6, deadline=None)
@given(chunks=st.lists(st.integers(0, 60_000), max_size=12))
def test_any_chunking_gives_the_same_notes(transcriber, music, chunks):
    short = music[:, : int(2.3 * RATE)]
    assert transcribe(transcriber, short, chunks) == transcribe(transcriber, short)


def test_chunks_of_a_sound_cards_size_give_the_same_notes(transcriber, music, notes):
    assert transcribe(transcriber, music, [441] * (music.shape[1] // 441)) == notes


def test_a_cut_where_notes_sound_has_the_notes_of_the_whole_away_from_its_edges(transcriber, music, notes, reference):
    begin, end = 1.5, 5.0
    cut = table(transcribe(transcriber, music[:, int(begin * RATE) : int(end * RATE)]), 0.55)
    whole = table(notes, 0.55)
    assert adsr_notes(reference[75:250])[1] > 0, "no note sounds at the cut, so it shows nothing"
    cut[:, 0] += begin
    inner = [rows[(rows[:, 0] > begin + 0.5) & (rows[:, 0] + rows[:, 2] < end - 0.5)] for rows in (cut, whole)]
    assert len(inner[1]) > 5
    assert np.allclose(inner[0], inner[1], atol=1e-9)


def test_notes_come_while_the_music_goes_on(transcriber, music):
    transcription = transcriber.start(RATE)
    early = transcription.feed(music[:, : 3 * RATE])
    assert len(early.notes) > 5
    assert 1.5 < early.until <= 3.0


def test_one_channel_is_transcribed_as_two_alike(transcriber, music):
    one = music[:1, : 2 * RATE]
    assert transcribe(transcriber, one) == transcribe(transcriber, np.repeat(one, 2, axis=0))


@pytest.mark.parametrize("frames", [1, 2, 500, 881, 883, 5000])
def test_very_short_clips_end_without_trouble(transcriber, music, frames):
    samples = music[:, 44_100 : 44_100 + frames]
    found = table(transcribe(transcriber, samples), 0.55)
    assert np.array_equal(found, adsr_notes(cnn_activations(samples))[0])


def test_nothing_at_all_has_no_notes(transcriber):
    transcription = transcriber.start(RATE)
    feed_nothing(transcription)
    update = transcription.finish()
    assert (update.notes, update.until) == ((), 0.0)


def test_silence_has_no_notes(transcriber):
    assert transcribe(transcriber, np.zeros((2, 3 * RATE), np.float32), [30_000]) == []


def test_samples_that_are_not_finite_are_silence(transcriber, music):
    broken, clean = music[:, : 2 * RATE].copy(), music[:, : 2 * RATE].copy()
    broken[:, 30_000:30_100] = np.nan
    broken[0, 50_000] = np.inf
    clean[:, 30_000:30_100] = clean[:, 50_000] = 0
    assert transcribe(transcriber, broken) == transcribe(transcriber, clean)


def test_another_sample_rate_is_refused(transcriber):
    with pytest.raises(BridgeError, match="48000") as error:
        transcriber.start(48_000)
    assert error.value.code is ErrorCode.NOT_SUPPORTED


def test_transcriptions_side_by_side_do_not_disturb_each_other(transcriber, music):
    short = music[:, : 2 * RATE]
    first, second = transcriber.start(RATE), transcriber.start(RATE)
    for begin in range(0, short.shape[1], RATE // 2):
        first.feed(short[:, begin : begin + RATE // 2])
        second.feed(short[::-1, begin : begin + RATE // 2] * 0.5)
    found = {note.key: note for note in first.finish().notes}
    whole = {note.key: note for note in transcribe(transcriber, short)}
    assert found
    assert found.items() <= whole.items()


@pytest.mark.skipif("STEMBRIDGE_DATA" not in os.environ, reason="STEMBRIDGE_DATA names a folder with piano/maps/*.flac")
@pytest.mark.parametrize(
    ("piece", "least"), [("MAPS_MUS-chpn-p14_ENSTDkAm", 0.85), ("MAPS_MUS-chpn-p10_AkPnStgb", 0.85)]
)
def test_notes_of_recorded_pianos_are_the_ones_played(transcriber, piece, least):
    path = Path(os.environ["STEMBRIDGE_DATA"]) / "piano/maps" / f"{piece}.flac"
    samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, RATE)[None]
    played = np.loadtxt(path.with_suffix(".tsv"), delimiter="\t", skiprows=1)[:, [0, 2]]
    assert onset_f(table(transcribe(transcriber, samples), 0.55), played) > least

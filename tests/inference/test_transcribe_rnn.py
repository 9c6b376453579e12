"""`madmom-rnn` on its grid of windows against madmom's network and peak picking on whole files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError
from bridge.inference.madmom_models import madmom
from bridge.inference.transcribe_rnn import MadmomRnn
from tests.inference.madmom_reference import (
    RATE,
    SCALE,
    feed_nothing,
    onset_f,
    piano,
    rnn_notes,
    signal,
    song,
    transcribe,
)


@pytest.fixture(scope="module")
def transcriber():
    return MadmomRnn()


@pytest.fixture(scope="module")
def music():
    return song(0, 6)


def onsets(notes, threshold):
    return sorted((note.onset, note.pitch) for note in notes if note.confidence >= threshold)


def test_onsets_of_real_music_are_madmoms_at_the_default_threshold(transcriber, music):
    expected = rnn_notes(music)
    assert len(expected) > 5
    assert onsets(transcribe(transcriber, music), transcriber.threshold) == [(t, int(p)) for t, p in expected]


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_elsewhere_as_many_notes_as_madmom_sound_at_most_50_ms_off(transcriber, music, threshold):
    expected = rnn_notes(music, threshold)
    found = np.array(onsets(transcribe(transcriber, music), threshold))
    assert len(found) == len(expected)
    assert onset_f(found, expected, 0.0501) == 1


def test_notes_of_a_made_up_piano_are_madmoms_and_most_of_those_played(transcriber):
    samples = piano(SCALE, 4.2)
    found = onsets(transcribe(transcriber, samples, [10_000] * 10), transcriber.threshold)
    assert found == [(t, int(p)) for t, p in rnn_notes(samples)]
    assert onset_f(np.array(found), np.array([(onset, pitch) for onset, _, pitch, _ in SCALE])) > 0.5


@settings(max_examples=5, deadline=None)
@given(chunks=st.lists(st.integers(0, 60_000), max_size=12))
def test_any_chunking_gives_the_same_notes(transcriber, music, chunks):
    short = music[:, : int(3.3 * RATE)]
    assert transcribe(transcriber, short, chunks) == transcribe(transcriber, short)


def test_a_note_lasts_half_a_second_unless_a_sure_one_follows_on_its_key_or_the_clip_ends(transcriber):
    samples = piano([(0.5, 0.3, 60, 0.4), (0.8, 1.0, 60, 0.4), (2.3, 0.3, 60, 0.4)], 2.6)
    lasting = {
        round(note.onset, 1): note.duration
        for note in transcribe(transcriber, samples)
        if note.pitch == 60 and note.confidence >= transcriber.threshold
    }
    assert lasting[0.5] == pytest.approx(0.3, abs=0.03)
    assert lasting[0.8] == 0.5
    assert lasting[2.3] == pytest.approx(0.3, abs=0.03)


def test_notes_come_0_7_to_1_7_seconds_after_they_sound(transcriber, music):
    transcription = transcriber.start(RATE)
    behind = []
    for tenth in range(30, 60):
        update = transcription.feed(music[:, (tenth - 1) * RATE // 10 if tenth > 30 else 0 : tenth * RATE // 10])
        behind.append(tenth / 10 - update.until)
    assert 0.65 < min(behind) < 0.9
    assert 1.5 < max(behind) < 1.8


def test_activations_of_windows_are_those_of_the_whole_file(music):
    transcriber = MadmomRnn()
    transcription = transcriber.start(RATE)
    found = []
    transcription._picker.feed, pick = lambda rows: (found.append(rows), pick(rows))[1], transcription._picker.feed
    transcription.feed(music)
    transcription.finish()
    expected = madmom.features.notes.RNNPianoNoteProcessor()(signal(music))
    assert expected.max() > 0.5
    assert np.abs(np.concatenate(found)[: len(expected)] - expected).max() < 1e-5


@pytest.mark.parametrize("frames", [1, 440, 442, 20_000, 2 * RATE, 2 * RATE + 1])
def test_clips_of_any_length_end_without_trouble(transcriber, music, frames):
    samples = music[:, :frames]
    expected = [(t, int(p)) for t, p in rnn_notes(samples)] if frames > 441 else []
    assert onsets(transcribe(transcriber, samples), 0.35) == expected


def test_silence_and_nothing_at_all_have_no_notes(transcriber):
    assert transcribe(transcriber, np.zeros((2, 2 * RATE), np.float32)) == []
    transcription = transcriber.start(RATE)
    feed_nothing(transcription)
    assert transcription.finish().notes == ()


def test_another_sample_rate_is_refused(transcriber):
    with pytest.raises(BridgeError, match="22050"):
        transcriber.start(22_050)

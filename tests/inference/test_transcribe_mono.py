"""The whole of `mono` on sounds whose notes are known, in any chunks, and on odd input."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.transcribe_mono import BASS, VOICE, MonoOptions, MonoTranscriber, options_for
from bridge.music.sound import Stem
from tests.inference.madmom_reference import feed_nothing, onset_f, song, table, transcribe
from tests.inference.mono_sounds import RATE, Tone, blow, blown, hum, lines, pluck, plucked, sing, sung

SOUND_CARD = 882


def notes_of(samples, options=VOICE, chunks=()):
    return transcribe(MonoTranscriber(options), samples, chunks)


def rows(samples, options=VOICE):
    return table(notes_of(samples, options), MonoTranscriber.threshold)


@pytest.fixture(scope="module")
def singing():
    return sung()[0]


@pytest.fixture(scope="module")
def notes(singing):
    return notes_of(singing)


@pytest.mark.parametrize(
    ("sound", "options", "least"),
    [
        (sung, VOICE, 0.95),
        (sung, MonoOptions(), 0.95),
        (plucked, BASS, 0.95),
        (blown, MonoOptions(), 0.95),
        (blown, VOICE, 0.95),
    ],
)
def test_notes_are_the_ones_played(sound, options, least):
    samples, played = sound()
    assert onset_f(rows(samples, options), played) > least


def test_durations_are_the_ones_played():
    samples, played = blown()
    found = rows(samples, MonoOptions())
    assert len(found) == len(played)
    assert np.abs(found[:, 2] - played[:, 2]).max() < 0.05


def test_vibrato_splits_no_note():
    assert len(rows(sing([Tone(0.4, 3.0, 64, vibrato=0.5)], 4.0))) == 1


def test_a_scoop_belongs_to_the_note_it_leads_to():
    found = rows(sing([Tone(0.4, 0.6, 64, scoop=2.0)], 1.6))
    assert found[:, 1].tolist() == [64]


def test_a_glide_leads_from_one_note_to_another_without_notes_between():
    found = rows(sing([Tone(0.4, 0.5, 57), Tone(0.9, 0.6, 64, glide=0.1)], 2.0))
    assert found[:, 1].tolist() == [57, 64]


def test_a_string_struck_again_before_it_is_silent_gives_two_notes():
    tones = [Tone(0.4, 0.5, 43), Tone(0.9, 0.5, 43)]
    assert onset_f(rows(pluck(tones, 2.0), BASS), lines(tones)) == 1.0


def test_syllables_on_one_pitch_are_notes_though_their_consonants_are_sung_through():
    found = rows(hum([0.9, 1.4, 2.0], 2.8))
    assert found[:, 1].tolist() == [57, 57, 57, 57]
    assert np.abs(found[1:, 0] - [0.9, 1.4, 2.0]).max() < 0.02


def test_of_an_instrument_too_a_note_struck_again_begins_where_its_pitch_turns():
    found = rows(hum([0.9, 1.4, 2.0], 2.8), MonoOptions())
    assert np.abs(found[1:, 0] - [0.9, 1.4, 2.0]).max() < 0.02


def test_deep_vibrato_dents_the_pitch_and_divides_nothing():
    for options in (VOICE, MonoOptions()):
        assert len(rows(sing([Tone(0.4, 2.6, 64, vibrato=1.2)], 3.4), options)) == 1


def test_attacks_count_no_more_where_the_options_ask_for_strong_ones():
    tones = [Tone(0.4, 0.5, 43), Tone(0.9, 0.5, 43)]
    assert len(rows(pluck(tones, 2.0), replace(BASS, attack_db=1000.0))) == 1


def test_the_lowest_e_of_a_bass_guitar_is_heard_only_where_the_range_asks_for_it():
    samples = pluck([Tone(0.4, 1.0, 28)], 2.0)
    assert rows(samples, BASS)[:, 1].tolist() == [28]
    assert 28 not in rows(samples, MonoOptions())[:, 1]


def test_no_note_lies_out_of_range():
    samples, _ = sung()
    found = rows(samples, MonoOptions(lowest=60, highest=64))
    assert len(found) > 3
    assert found[:, 1].min() >= 60
    assert found[:, 1].max() <= 64


def test_a_longer_hold_passes_over_short_notes():
    samples = blow([Tone(0.3, 0.5, 62), Tone(0.8, 0.1, 63), Tone(0.9, 0.5, 62)], 1.8)
    short, long = (rows(samples, MonoOptions(hold_ms=hold, attack_db=1000.0)) for hold in (40.0, 400.0))
    assert 63 in short[:, 1]
    assert 63 not in long[:, 1]


def test_velocity_follows_the_level_and_quiet_notes_are_notes():
    tones = [Tone(0.3 + 0.5 * n, 0.4, 60 + 2 * n, level=0.15 * 10 ** (-n * 6 / 20)) for n in range(5)]
    found = notes_of(blow(tones, 3.2))
    assert [note.pitch for note in found] == [60, 62, 64, 66, 68]
    # A synthesizer that plays by General MIDI's law plays them as loud as they were.
    played = 40 * np.log10([note.velocity for note in found])
    assert (np.abs(np.diff(played) + 6) <= 1.5).all()


@settings(max_examples=8, deadline=None)
@given(chunks=st.lists(st.integers(0, 60_000), max_size=12), options=st.sampled_from([VOICE, BASS]))
def test_any_chunking_gives_the_same_notes(singing, chunks, options):
    short = singing[:, int(1.6 * RATE) : int(4.6 * RATE)]
    whole = notes_of(short, options)
    assert whole
    assert notes_of(short, options, chunks) == whole


@settings(max_examples=5, deadline=None)
@given(chunks=st.lists(st.integers(0, 30_000), max_size=8), options=st.sampled_from([VOICE, MonoOptions()]))
def test_syllables_sung_through_are_the_same_in_any_chunks(chunks, options):
    samples = hum([0.7, 1.2], 1.8)
    assert notes_of(samples, options, chunks) == notes_of(samples, options)


def test_chunks_of_a_sound_cards_size_give_the_same_notes(singing, notes):
    assert notes_of(singing, VOICE, [SOUND_CARD] * (singing.shape[1] // SOUND_CARD)) == notes


def test_real_singing_in_small_chunks_has_the_notes_of_the_whole():
    samples = song(2, 5)
    whole = notes_of(samples)
    assert len(whole) > 3
    assert notes_of(samples, VOICE, [1237] * 170) == whole


def test_notes_are_given_while_they_sound_soon_and_their_ends_follow(singing):
    transcription = MonoTranscriber(VOICE).start(RATE)
    given, ended, delays = {}, {}, []
    for begin in range(0, singing.shape[1], SOUND_CARD):
        now = min(begin + SOUND_CARD, singing.shape[1]) / RATE
        for note in transcription.feed(singing[:, begin : begin + SOUND_CARD]).notes:
            if note.key not in given:
                given[note.key] = note
                delays.append(now - note.onset)
            elif note.duration is not None:
                ended[note.key] = now - note.onset - note.duration
    assert any(note.duration is None for note in given.values())
    assert len(ended) > 8
    assert np.median(delays) < 0.28
    assert max(delays) < 0.5
    assert max(ended.values()) < 0.5


def test_what_is_known_is_never_far_behind(singing):
    transcription = MonoTranscriber(VOICE).start(RATE)
    for begin in range(0, singing.shape[1], SOUND_CARD):
        update = transcription.feed(singing[:, begin : begin + SOUND_CARD])
        assert (begin + SOUND_CARD) / RATE - update.until < 0.52


def test_memory_does_not_grow_with_the_stem():
    transcription = MonoTranscriber(VOICE).start(RATE)
    samples = np.tile(sung()[0], (1, 5))
    for begin in range(0, samples.shape[1], RATE):
        transcription.feed(samples[:, begin : begin + RATE])
    assert transcription._audio._buffer.size < 5 * RATE
    assert transcription._frames._signal.size < RATE
    assert len(transcription._segmenter._nodes) < 30


def test_one_channel_is_transcribed_as_two_alike(singing, notes):
    assert notes_of(np.repeat(singing, 2, axis=0)) == notes


def test_transcriptions_side_by_side_do_not_disturb_each_other(singing, notes):
    transcriber = MonoTranscriber(VOICE)
    first, second = transcriber.start(RATE), transcriber.start(RATE)
    found = {}
    for begin in range(0, singing.shape[1], RATE):
        for note in first.feed(singing[:, begin : begin + RATE]).notes:
            found[note.key] = note
        second.feed(singing[:, ::-1][:, begin : begin + RATE])
    for note in first.finish().notes:
        found[note.key] = note
    assert [found[key] for key in sorted(found)] == notes


@pytest.mark.parametrize("frames", [1, 700, 706, 2000, 9000])
def test_very_short_clips_end_without_trouble(singing, frames):
    assert len(notes_of(singing[:, RATE : RATE + frames])) <= 2


def test_a_note_that_sounds_at_the_end_of_the_clip_ends_there():
    samples = blow([Tone(0.3, 2.0, 64)], 2.3)[:, : int(1.2 * RATE)]
    (note,) = notes_of(samples)
    assert abs(note.onset + note.duration - 1.2) < 0.03


def test_nothing_at_all_has_no_notes():
    transcription = MonoTranscriber().start(RATE)
    feed_nothing(transcription)
    update = transcription.finish()
    assert (update.notes, update.until) == ((), 0.0)


def test_silence_and_hiss_have_no_notes():
    hiss = 0.01 * np.random.default_rng(3).standard_normal((1, 3 * RATE)).astype(np.float32)
    assert notes_of(np.zeros((2, 3 * RATE), np.float32), VOICE, [30_000]) == []
    assert rows(hiss).size == 0


def test_samples_that_are_not_finite_are_silence(singing):
    broken, clean = singing[:, : 2 * RATE].copy(), singing[:, : 2 * RATE].copy()
    broken[:, 30_000:30_100] = np.nan
    clean[:, 30_000:30_100] = 0
    assert notes_of(broken) == notes_of(clean)


def test_another_sample_rate_is_refused():
    with pytest.raises(BridgeError, match="48000") as error:
        MonoTranscriber().start(48_000)
    assert error.value.code is ErrorCode.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (MonoOptions(lowest=26), "26"),
        (MonoOptions(lowest=70, highest=60), "70"),
        (MonoOptions(highest=97), "97"),
        (MonoOptions(hold_ms=0.0), "hold_ms"),
        (MonoOptions(attack_db=float("nan")), "nan"),
    ],
)
def test_options_out_of_range_are_refused_by_name(options, named):
    with pytest.raises(BridgeError, match=named) as error:
        MonoTranscriber(options)
    assert error.value.code is ErrorCode.BAD_ARGUMENT


def test_what_changes_the_notes_changes_the_fingerprint():
    prints = {
        MonoTranscriber(options).fingerprint for options in (VOICE, BASS, MonoOptions(), replace(VOICE, hold_ms=60.0))
    }
    assert len(prints) == 4
    assert MonoTranscriber(VOICE).fingerprint == MonoTranscriber(replace(VOICE)).fingerprint


def test_each_stem_has_its_range():
    assert options_for(Stem.VOCALS) == VOICE
    assert options_for(Stem.BASS) == BASS
    assert options_for(Stem.OTHER) == MonoOptions()


@pytest.mark.skipif("STEMBRIDGE_DATA" not in os.environ, reason="STEMBRIDGE_DATA names a folder with vocals/vocadito")
@pytest.mark.parametrize("annotator", ["A1", "A2"])
def test_notes_of_a_recorded_voice_are_those_that_people_heard(annotator):
    folder = Path(os.environ["STEMBRIDGE_DATA"]) / "vocals/vocadito"
    samples, rate = soundfile.read(folder / "vocadito_1.flac", dtype="float32", always_2d=True)
    assert rate == RATE
    heard = np.loadtxt(folder / f"vocadito_1_notes{annotator}.csv", delimiter=",")
    found = rows(np.ascontiguousarray(samples.T))
    pitch = 69 + 12 * np.log2(heard[:, 1] / 440)
    # A singer lies between the keys: a found key within half a semitone is the note's.
    matched = {
        i
        for i, (onset, sung_pitch) in enumerate(zip(heard[:, 0], pitch, strict=True))
        if ((np.abs(found[:, 0] - onset) < 0.05) & (np.abs(found[:, 1] - sung_pitch) <= 0.5)).any()
    }
    assert 2 * len(matched) / (len(found) + len(heard)) > 0.8

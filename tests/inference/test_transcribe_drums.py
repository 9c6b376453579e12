"""The whole of `drums` on kits whose every stroke is known: what is found, how soon, and that chunks do not matter."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.drum_map import GENERAL_MIDI, Drum, drum_keys
from bridge.inference.transcribe_drums import Drums
from bridge.units import Pitch
from tests.inference.drum_kits import CLASSES, Hit, Kit, bleed, groove
from tests.inference.drum_score import Score, score
from tests.inference.madmom_reference import RATE, feed_nothing, song, transcribe

SECONDS = 8.0
KEYS = {
    "kick": {36},
    "snare": {38},
    "hat": {42, 46},
    "tom": {45, 47, 50},
    "cymbal": {49, 51},
}


@pytest.fixture(scope="module")
def transcriber():
    return Drums()


@pytest.fixture(scope="module")
def pieces():
    """Kits and bars that nothing was learnt from."""
    grooves = [groove(700 + seed, SECONDS) for seed in range(6)]
    return [(Kit(700 + seed).play(hits, SECONDS), hits) for seed, hits in enumerate(grooves)]


@pytest.fixture(scope="module")
def music(pieces):
    """Four seconds with strokes of many kinds."""
    return pieces[0][0][:, : 4 * RATE]


def sounding(transcriber, samples, threshold=Drums.threshold):
    return [note for note in transcribe(transcriber, samples, [RATE] * 30) if note.confidence >= threshold]


def scores(transcriber, pieces):
    totals = dict.fromkeys(KEYS, Score())
    for samples, hits in pieces:
        notes = sounding(transcriber, samples)
        for name, keys in KEYS.items():
            found = [note.onset for note in notes if note.pitch in keys]
            totals[name] += score(found, [hit.onset for hit in hits if CLASSES[hit.instrument] == name])
    return totals


def test_strokes_on_kits_never_heard_are_found_by_their_keys(transcriber, pieces):
    found = scores(transcriber, pieces)
    assert found["kick"].f > 0.85
    assert found["snare"].f > 0.8
    assert found["hat"].f > 0.7
    assert found["tom"].f > 0.7


def test_music_bleeding_in_leaves_the_main_drums(transcriber, pieces):
    leaky = [(samples + bleed(seed, samples.shape[1], -30), hits) for seed, (samples, hits) in enumerate(pieces)]
    found = scores(transcriber, leaky)
    assert found["kick"].f > 0.8
    assert found["snare"].f > 0.75


@pytest.mark.parametrize("decibels", [-40, -20, 12])
def test_level_does_not_matter(transcriber, pieces, decibels):
    samples, _ = pieces[0]
    plain = [(note.onset, note.pitch) for note in sounding(transcriber, samples)]
    scaled = [(n.onset, n.pitch) for n in sounding(transcriber, samples * np.float32(10 ** (decibels / 20)))]
    same = score([onset for onset, _ in scaled], [onset for onset, _ in plain], 0.005)
    assert len(plain) > 20
    assert same.f > 0.9


@settings(max_examples=8, deadline=None)
@given(chunks=st.lists(st.integers(0, 60_000), max_size=12))
def test_any_chunking_gives_the_same_notes(transcriber, music, chunks):
    assert transcribe(transcriber, music, chunks) == transcribe(transcriber, music)


@pytest.mark.parametrize("size", [1, 441, 1024])
def test_chunks_of_a_sound_cards_size_give_the_same_notes(transcriber, music, size):
    short = music[:, : RATE // 2] if size == 1 else music
    whole = transcribe(transcriber, short)
    assert whole
    assert transcribe(transcriber, short, [size] * (short.shape[1] // size)) == whole


def test_real_music_in_any_chunks_gives_the_same_notes(transcriber):
    samples = song(10, 3)
    whole = transcribe(transcriber, samples)
    assert len(whole) > 5
    assert transcribe(transcriber, samples, [700, 1, 44_100, 0, 13]) == whole


def test_a_stroke_is_given_within_sixty_milliseconds_of_sound(transcriber, pieces):
    samples, _ = pieces[1]
    transcription = transcriber.start(RATE)
    seen, late = set(), []
    for begin in range(0, samples.shape[1], 110):
        update = transcription.feed(samples[:, begin : begin + 110])
        late += [(begin + 110) / RATE - note.onset for note in update.notes if note.key not in seen]
        seen |= {note.key for note in update.notes}
    assert len(late) > 20
    assert max(late) <= 0.06


def test_what_follows_does_not_change_what_was_given(transcriber, pieces):
    (first, _), (second, _) = pieces[0], pieces[1]
    cut = 3 * RATE
    alone, followed = transcriber.start(RATE), transcriber.start(RATE)
    expected = alone.feed(first[:, :cut])
    found = followed.feed(np.concatenate([first[:, :cut], 3 * second], axis=1))
    assert expected.notes
    notes = {note.key: note for note in found.notes}
    for note in expected.notes:
        assert notes[note.key].velocity == note.velocity
        assert notes[note.key].confidence == note.confidence


def test_louder_strokes_get_higher_velocities(transcriber):
    levels = [1.0, 0.5, 0.9, 0.3, 1.0, 0.4, 0.8, 0.25]
    for instrument, key in (("kick", 36), ("snare", 38)):
        hits = [Hit(0.5 + 0.5 * i, instrument, level) for i, level in enumerate(levels)]
        notes = [n for n in sounding(transcriber, Kit(3).play(hits, 5.0), 0.2) if n.pitch == key]
        struck = [min(hits, key=lambda hit, n=n: abs(hit.onset - n.onset)).level for n in notes]
        assert len(notes) >= 6
        assert np.corrcoef(struck, [note.velocity for note in notes])[0, 1] > 0.8


def test_a_closed_hat_ends_an_open_one():
    from bridge.inference.transcribe_drums import _Sounding
    from bridge.music.notes import Note
    from bridge.units import Seconds, Velocity

    opened = _Sounding(Drum.OPEN_HAT, Note(Seconds(1.0), None, Pitch(46), Velocity(90), 0.9))
    assert opened.stopped_by(Drum.CLOSED_HAT, Pitch(42))
    assert not opened.stopped_by(Drum.RIDE, Pitch(51))
    assert opened.ended(Seconds(1.2)).duration == pytest.approx(0.2)
    assert opened.ended(Seconds(9.0)).duration == pytest.approx(0.5)


def test_notes_of_one_key_do_not_overlap(transcriber, pieces):
    for samples, _ in pieces[:3]:
        notes = sounding(transcriber, samples)
        for key in {note.pitch for note in notes}:
            line = [note for note in notes if note.pitch == key]
            for before, after in pairwise(line):
                assert before.onset + before.duration <= after.onset + 1e-9


def test_other_keys_may_stand_for_the_drums(music):
    keys = {drum: Pitch(60 + index) for index, drum in enumerate(Drum)}
    plain, moved = Drums(), Drums(keys)
    expected = [(n.onset, keys[_drum(n.pitch)], n.velocity) for n in transcribe(plain, music)]
    assert sorted(expected) == [(n.onset, n.pitch, n.velocity) for n in transcribe(moved, music)]
    assert plain.fingerprint != moved.fingerprint
    assert plain.fingerprint == Drums().fingerprint


def _drum(key):
    return next(drum for drum, pitch in GENERAL_MIDI.items() if pitch == key)


def test_drums_that_a_map_leaves_out_keep_their_keys():
    keys = drum_keys({"kick": 35, "ride": 0})
    assert keys == {**GENERAL_MIDI, Drum.KICK: 35, Drum.RIDE: 0}
    assert list(keys) == list(Drum)
    assert Drums({"kick": 35, "ride": 0}).fingerprint == Drums(keys).fingerprint != Drums().fingerprint


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"kik": 36}, r"'kik'.*side_stick.*did you mean kick\?"),
        ({"cowbell": 56}, "'cowbell'.*kick, snare"),
        ({"ride": 128}, "ride is 128.*0 to 127"),
        ({"ride": -1}, "ride is -1.*0 to 127"),
        ({"snare": "D1"}, "snare is 'D1'.*whole number"),
        ({"snare": 38.0}, "snare is 38.0.*whole number"),
        ({"snare": True}, "snare is True.*whole number"),
    ],
)
def test_a_wrong_map_is_refused_by_name_and_value(table, said):
    with pytest.raises(BridgeError, match=said) as error:
        Drums(table)
    assert error.value.code is ErrorCode.BAD_ARGUMENT


def test_the_default_map_is_general_midis():
    assert GENERAL_MIDI == {
        "kick": 36, "snare": 38, "side_stick": 37, "closed_hat": 42, "open_hat": 46,
        "low_tom": 45, "mid_tom": 47, "high_tom": 50, "crash": 49, "ride": 51,
    }  # fmt: skip


def test_toms_are_told_apart_by_pitch(transcriber):
    order = ["low_tom", "high_tom", "mid_tom"] * 3
    found = {}
    for seed in range(4):
        hits = [Hit(0.5 + 0.4 * index, tom) for index, tom in enumerate(order)]
        for note in sounding(transcriber, Kit(40 + seed).play(hits, 4.5)):
            tom = min(hits, key=lambda hit, n=note: abs(hit.onset - n.onset)).instrument
            if note.pitch in KEYS["tom"]:
                found.setdefault(tom, []).append(note.pitch)
    assert np.mean(found["low_tom"]) < np.mean(found["mid_tom"]) < np.mean(found["high_tom"])


def test_one_channel_is_transcribed_as_two_alike(transcriber, music):
    assert transcribe(transcriber, music) == transcribe(transcriber, np.repeat(music, 2, axis=0))


@pytest.mark.parametrize("frames", [1, 2, 440, 441, 442, 1764, 2205, 5000])
def test_very_short_clips_end_without_trouble(transcriber, music, frames):
    begin = round(0.3 * RATE)
    samples = music[:, begin : begin + frames]
    assert transcribe(transcriber, samples) == transcribe(transcriber, samples, [1] * min(frames, 500))


def test_nothing_at_all_has_no_notes(transcriber):
    transcription = transcriber.start(RATE)
    feed_nothing(transcription)
    update = transcription.finish()
    assert (update.notes, update.until) == ((), 0.0)


def test_silence_and_steady_noise_have_no_notes(transcriber):
    assert sounding(transcriber, np.zeros((2, 3 * RATE), np.float32), 0) == []
    hiss = np.random.default_rng(0).standard_normal((1, 5 * RATE)).astype(np.float32) * 1e-3
    assert [note for note in sounding(transcriber, hiss) if note.onset > 0.1] == []


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


def test_transcriptions_side_by_side_do_not_disturb_each_other(transcriber, pieces):
    (left, _), (right, _) = pieces[0], pieces[1]
    expected = {note.key: note for note in transcribe(transcriber, left[:, : 3 * RATE])}
    first, second = transcriber.start(RATE), transcriber.start(RATE)
    found = {}
    for begin in range(0, 3 * RATE, RATE // 2):
        found.update((n.key, n) for n in first.feed(left[:, begin : begin + RATE // 2]).notes)
        second.feed(right[:, begin : begin + RATE // 2])
    found.update((note.key, note) for note in first.finish().notes)
    assert found == expected


@pytest.mark.skipif("STEMBRIDGE_DATA" not in os.environ, reason="STEMBRIDGE_DATA names a folder with multitrack/mdb_*")
@pytest.mark.parametrize(("drum", "label", "least"), [("kick", "KD", 0.85), ("snare", "SD", 0.8), ("hat", "HH", 0.7)])
def test_a_recorded_kit_is_found_as_annotated(transcriber, drum, label, least):
    total = Score()
    for annotations in Path(os.environ["STEMBRIDGE_DATA"]).glob("multitrack/mdb_*/drums_class.txt"):
        samples, rate = soundfile.read(annotations.with_name("drum_only.flac"), dtype="float32", always_2d=True)
        samples = np.ascontiguousarray(soxr.resample(samples, rate, RATE).T)
        rows = [line.split() for line in annotations.read_text().splitlines() if line.strip()]
        found = [note.onset for note in sounding(transcriber, samples) if note.pitch in KEYS[drum]]
        total += score(found, [float(onset) for onset, name in rows if name == label])
    assert total.f >= least

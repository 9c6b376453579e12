"""Transcribers that put onsets where the attack is: closer to what was played, the same notes otherwise, in any chunks."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.app.analysis import transcribers
from bridge.app.settings import parse_settings
from bridge.inference.attack import EARLIEST
from bridge.inference.transcribe_cnn import MadmomCnn
from bridge.inference.transcribe_mono import BASS, MonoOptions, MonoTranscriber
from bridge.inference.transcribe_rnn import MadmomRnn
from bridge.inference.transcribers import LoadedTranscribers
from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS
from bridge.session.request import TranscriberName
from bridge.session.stitch import StitchedTranscription
from tests.inference.madmom_reference import piano, song, transcribe
from tests.inference.mono_sounds import RATE, Tone, blown, pluck, sing

HOLD = PARAMETERS["hold_ms"].default
CHORDS = [
    (0.5037 + 0.4137 * i, 0.35, pitch, 0.3) for i, pitch in enumerate((60, 64, 67, 72, 55, 48, 76, 69, 69, 55, 55))
]
"""A broken chord, some of its notes repeated, at onsets that no frame begins with: 5 s."""
LINE = [Tone(0.3037 + 0.2713 * i, 0.2713, pitch) for i, pitch in enumerate((33, 33, 40, 38, 45, 45, 45, 31, 36, 43))]
"""A bass line without gaps, some of its notes repeated."""


@pytest.fixture(scope="module")
def pairs():
    """Each transcriber as it is, and as one that refines its onsets."""
    return {
        "madmom-cnn": (MadmomCnn(), MadmomCnn(refine_onsets=True)),
        "madmom-rnn": (MadmomRnn(), MadmomRnn(refine_onsets=True)),
        "mono": tuple(MonoTranscriber(BASS, refine_onsets=refine) for refine in (False, True)),
    }


@pytest.fixture(scope="module")
def sounds():
    """What each transcriber is tried on."""
    music = song(0, 6)
    return {"madmom-cnn": music, "madmom-rnn": music, "mono": pluck(LINE, 3.4)}


NAMES = pytest.mark.parametrize("name", ["madmom-cnn", "madmom-rnn", "mono"])


def errors(notes, played, threshold):
    """Of each tone that was played, the distance in ms to the nearest note of its pitch."""
    found = [(note.onset, note.pitch) for note in notes if note.confidence >= threshold]
    distances = [
        min((abs(at - onset) for at, heard in found if heard == pitch), default=np.inf) for onset, pitch in played
    ]
    return 1000 * np.array(distances)


def by_pitch(notes):
    pitches = defaultdict(list)
    for note in notes:
        pitches[note.pitch].append(note)
    return pitches


@pytest.mark.parametrize(("name", "least"), [("madmom-cnn", 10.0), ("madmom-rnn", 2.0)])
def test_a_made_up_piano_is_met_within_milliseconds(pairs, name, least):
    played = [(onset, pitch) for onset, _, pitch, _ in CHORDS]
    plain, refined = (
        errors(transcribe(transcriber, piano(CHORDS, 5.2)), played, transcriber.threshold)
        for transcriber in pairs[name]
    )
    heard = plain < 50
    assert heard.sum() >= 7
    assert np.median(plain[heard]) > least
    assert np.median(refined[heard]) < min(3.0, least)


def test_a_bass_is_met_within_milliseconds(pairs):
    played = [(tone.onset, tone.pitch) for tone in LINE]
    plain, refined = (
        errors(transcribe(transcriber, pluck(LINE, 3.4)), played, transcriber.threshold)
        for transcriber in pairs["mono"]
    )
    heard = plain < 50
    assert heard.sum() >= 8
    assert np.median(plain[heard]) > 12
    # The string before fades within 30 ms of the next one's attack.
    assert np.median(refined[heard]) < 7
    assert refined[heard].max() < 12


@NAMES
def test_the_notes_are_the_same_but_for_their_onsets_and_end_where_they_did(pairs, sounds, name):
    music = sounds[name]
    plain, refined = (by_pitch(transcribe(transcriber, music)) for transcriber in pairs[name])
    assert plain.keys() == refined.keys()
    moved = []
    for pitch, before in plain.items():
        after = refined[pitch]
        assert [(n.velocity, n.confidence) for n in after] == [(n.velocity, n.confidence) for n in before]
        moved += [b.onset - a.onset for a, b in zip(before, after, strict=True)]
        if name != "madmom-rnn":  # whose ends are estimates, counted from the onset
            ends = [[n.onset + n.duration for n in notes] for notes in (before, after)]
            # One voice's note that leads to the next one ends with that.
            nexts = [n.onset for notes in refined.values() for n in notes] if name == "mono" else []
            for was, now in zip(*ends, strict=True):
                assert now == pytest.approx(was, abs=2e-6) or now in [pytest.approx(at, abs=1e-9) for at in nexts]
    later = 0.02 if name == "madmom-cnn" else 0.0
    assert later - EARLIEST - 1e-6 <= min(moved) < max(moved) <= later + EARLIEST + 1e-6
    assert len({round(move, 4) for move in moved}) > 3


@NAMES
def test_notes_of_a_pitch_do_not_overlap_more_than_they_did(pairs, sounds, name):
    music = sounds[name]
    plain, refined = (transcribe(transcriber, music) for transcriber in pairs[name])

    def overlaps(notes):
        lines = by_pitch(notes).values()
        return sum(b.onset < a.onset + a.duration - 1e-6 for line in lines for a, b in pairwise(line))

    assert overlaps(refined) <= overlaps(plain)
    if name != "madmom-rnn":  # where an unsure onset ends no note
        assert overlaps(refined) == 0


def test_estimated_lengths_are_the_same_wherever_in_a_window_a_note_begins(pairs):
    played = [(1.43 + 1.01 * n, 0.9, 57 + 2 * n, 0.3) for n in range(7)]
    refining = pairs["madmom-rnn"][1]
    notes = [n for n in transcribe(refining, piano(played, 9.0)) if n.confidence >= refining.threshold]
    assert len(notes) >= len(played)
    assert {note.duration for note in notes} == {0.5}


@pytest.mark.parametrize(("options", "voice"), [(BASS, False), (MonoOptions(hold_ms=40.0), True)])
def test_one_voice_stays_one_voice(options, voice):
    notes = transcribe(MonoTranscriber(options, refine_onsets=True), song(0, 10.8) if voice else pluck(LINE, 3.4))
    assert len(notes) > 7
    assert all(b.onset >= a.onset + a.duration - 1e-9 for a, b in pairwise(notes))


@NAMES
@settings(max_examples=4, deadline=None)
@given(chunks=st.lists(st.integers(0, 60_000), max_size=12))
def test_any_chunking_gives_the_same_notes(pairs, sounds, name, chunks):
    music = sounds[name]
    short = music[:, : int(2.9 * RATE)]
    whole = transcribe(pairs[name][1], short)
    assert whole
    assert transcribe(pairs[name][1], short, chunks) == whole


@NAMES
def test_chunks_of_a_sound_cards_size_give_the_same_notes(pairs, sounds, name):
    music = sounds[name]
    refining = pairs[name][1]
    assert transcribe(refining, music, [441] * (music.shape[1] // 441)) == transcribe(refining, music)


@NAMES
def test_no_note_comes_later_than_without(pairs, sounds, name):
    music = sounds[name]
    streams = [transcriber.start(RATE) for transcriber in pairs[name]]
    given: list[set] = [set(), set()]
    for begin in range(0, music.shape[1], 2205):
        for keys, stream in zip(given, streams, strict=True):
            keys.update(note.key for note in stream.feed(music[:, begin : begin + 2205]).notes)
        assert len(given[0]) == len(given[1])
    assert len(given[0]) > 3


@NAMES
def test_a_cut_at_a_tenth_of_a_second_has_the_onsets_of_the_whole_to_the_last_bit(pairs, sounds, name):
    music = sounds[name]
    begin, refining = 1.3, pairs[name][1]
    whole = {note.key for note in transcribe(refining, music)}
    cut = transcribe(refining, music[:, round(begin * RATE) :])
    inner = [(round(begin + note.onset, 6), note.pitch) for note in cut if note.onset > 0.5 and note.onset < 3.5]
    agreeing = [key in whole for key in inner]
    assert len(inner) > 3
    # The networks with memory hear a little of where the audio began.
    assert all(agreeing) if name == "madmom-cnn" else np.mean(agreeing) > 0.7


@pytest.mark.parametrize("name", ["madmom-cnn", "mono"])
def test_what_was_transcribed_in_another_order_ends_as_one_pass(pairs, sounds, name):
    music = sounds[name]
    refining, frames = pairs[name][1], music.shape[1]
    stitched = StitchedTranscription(refining, RATE, frames, lambda start, stop: music[:, start:stop])
    for start, stop in ((3 * RATE, frames), (0, round(1.7 * RATE)), (round(1.7 * RATE), 3 * RATE)):
        assert list(stitched.add(start, stop)) is not None
    list(stitched.finish())
    assert stitched.complete
    once = [(note.key, note.velocity, note.duration) for note in transcribe(refining, music)]
    assert [(note.key, note.velocity, note.duration) for note in stitched.notes] == once


@NAMES
def test_silence_has_no_notes(pairs, name):
    assert transcribe(pairs[name][1], np.zeros((2, 3 * RATE), np.float32), [30_000]) == []


@NAMES
@pytest.mark.parametrize("frames", [1, 500, 883, 5000, 20_000])
def test_very_short_clips_end_without_trouble(pairs, sounds, name, frames):
    music = sounds[name]
    samples = music[:, RATE : RATE + frames]
    assert len(transcribe(pairs[name][1], samples)) == len(transcribe(pairs[name][0], samples))


@NAMES
def test_a_note_that_begins_with_the_clip_begins_at_0(pairs, name):
    samples = pluck([Tone(0.0, 0.9, 45)], 1.5) if name == "mono" else piano([(0.0, 0.9, 60, 0.3)], 1.5)
    notes = [note for note in transcribe(pairs[name][1], samples) if note.pitch in {45, 60}]
    assert all(0.0 <= note.onset < 0.03 for note in notes)
    assert notes or name == "madmom-cnn", "madmom's tracker drops a note that sounds in the first frame"


def test_a_voices_bend_stays_where_it_is_in_the_clip():
    samples = sing([Tone(0.4, 0.9, 60, vibrato=0.5, scoop=1.0), Tone(1.5, 0.9, 64, vibrato=0.5)], 2.8)
    plain, refined = (transcribe(MonoTranscriber(refine_onsets=refine), samples) for refine in (False, True))
    assert len(plain) == len(refined) == 2
    for a, b in zip(plain, refined, strict=True):
        assert a.onset != b.onset
        assert b.bend[0][0] == 0.0
        times = [at for at, _ in b.bend]
        assert times == sorted(set(times))
        for at in np.arange(max(a.onset, b.onset), a.onset + a.duration, 0.0031):
            heard = [[cents for since, cents in note.bend if note.onset + since <= at + 1e-9][-1] for note in (a, b)]
            assert heard[0] == heard[1]


def test_the_settings_say_whether_onsets_are_refined():
    def bass(settings):
        return (
            transcribers(parse_settings(settings, "some.toml")).get(TranscriberName.MONO, Stem.BASS, HOLD).fingerprint
        )

    assert bass("") == bass("[inference]\nrefine_onsets = false") == MonoTranscriber(BASS).fingerprint
    assert bass("[inference]\nrefine_onsets = true") == MonoTranscriber(BASS, refine_onsets=True).fingerprint


def test_a_wind_instrument_in_other_is_refined_and_a_voice_and_drums_are_not():
    plain, refining = LoadedTranscribers(), LoadedTranscribers(refine_onsets=True)

    def same(name, stem):
        return plain.get(name, stem, HOLD).fingerprint == refining.get(name, stem, HOLD).fingerprint

    assert same(TranscriberName.MONO, Stem.VOCALS)
    assert same(TranscriberName.DRUMS, Stem.DRUMS)
    assert not same(TranscriberName.MONO, Stem.BASS)
    assert not same(TranscriberName.MONO, Stem.OTHER)
    assert not same(TranscriberName.MADMOM_CNN, Stem.OTHER)
    assert not same(TranscriberName.MADMOM_RNN, Stem.OTHER)
    samples, rows = blown()
    notes = transcribe(refining.get(TranscriberName.MONO, Stem.OTHER, HOLD), samples)
    assert np.median(errors(notes, rows[:, :2], MonoTranscriber.threshold)) < 10
    before = transcribe(plain.get(TranscriberName.MONO, Stem.OTHER, HOLD), samples)
    assert np.median(errors(before, rows[:, :2], MonoTranscriber.threshold)) > 25

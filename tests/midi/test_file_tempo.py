from itertools import pairwise

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.file import write_midi
from bridge.midi.file_read import read_notes
from bridge.midi.file_tempo import STEP_ERROR, read_tempo
from bridge.music.bars import Signature
from bridge.music.notes import StemNotes
from bridge.music.ramps import Over
from bridge.music.sound import Stem
from bridge.music.tempo import TempoChange, TempoMap, TempoPoint
from bridge.session.parameters import DEFAULT_CHANNELS
from tests.midi.rig import note
from tests.midi.strategies import own_tempi

TICK = 1 / 960


@st.composite
def tempo_maps(draw):
    beats = sorted(draw(st.sets(st.integers(-20, 400), min_size=1, max_size=8)))
    bpm, over = st.floats(20, 300), st.sampled_from([None, *Over])
    return TempoMap.of_changes([TempoChange(b / 7, draw(bpm), draw(over)) for b in beats])


def written(path, tempo, notes=()):
    write_midi(path, [StemNotes(Stem.VOCALS, tuple(notes))], tempo, DEFAULT_CHANNELS)
    return read_tempo(path)


@settings(deadline=None, max_examples=60)
@given(tempo_maps() | own_tempi)
def test_a_file_keeps_every_beat_s_second_within_the_error_of_its_steps(tmp_path_factory, tempo):
    found = written(tmp_path_factory.getbasetemp() / "ramps.mid", tempo)
    origin = tempo.beats_at(0.0)
    for beats in (k / 13 for k in range(60 * 13)):
        # A tempo that begins between two ticks begins on one of them; a tempo of half a microsecond less adds up in steady stretches.
        slack = STEP_ERROR + TICK * 60 / 20 + beats * 1e-6
        assert found.seconds_at(beats) == pytest.approx(tempo.seconds_at(origin + beats), abs=slack)


@pytest.mark.parametrize("over", Over)
@pytest.mark.parametrize(("begin", "end"), [(60, 180), (200, 50), (120, 121)])
def test_the_steps_of_a_ramp_stay_within_a_tenth_of_a_millisecond_and_end_with_it(tmp_path, over, begin, end):
    tempo = TempoMap.of_changes([TempoChange(0, begin, over), TempoChange(32, end)])
    found = written(tmp_path / "a.mid", tempo)
    errors = [abs(found.seconds_at(k / 960) - tempo.seconds_at(k / 960)) for k in range(32 * 960 + 1)]
    assert max(errors) < 1.02e-4
    assert errors[-1] < 1e-6
    assert found.bpm == pytest.approx(end, rel=1e-5)
    assert len(found.points) < 800


def test_notes_on_a_ramp_keep_their_seconds(tmp_path):
    tempo = TempoMap.of_changes([TempoChange(0, 60, Over.SECONDS), TempoChange(16, 180)])
    onsets = [k * 0.37 for k in range(30)]
    written(tmp_path / "a.mid", tempo, [note(onset, 40 + k, 0.1) for k, onset in enumerate(onsets)])
    assert [n.onset for n in read_notes(tmp_path / "a.mid")] == pytest.approx(onsets, abs=TICK / 2 + STEP_ERROR)


def test_a_file_of_tracked_beats_does_not_drift(tmp_path):
    # A thousand beats whose lengths no whole number of microseconds and ticks has.
    beats = [0.3]
    for k in range(1000):
        beats.append(beats[-1] + 0.5 + (k * 7919 % 100 - 50) / 12345)
    points = tuple(TempoPoint(at, float(k)) for k, at in enumerate(beats))
    tempo = TempoMap(points, 120)
    found = written(tmp_path / "a.mid", tempo)
    origin = tempo.beats_at(0.0)
    for k, at in enumerate(beats):
        assert found.seconds_at(k - origin) == pytest.approx(at, abs=2e-5)


def test_no_tempo_is_written_that_is_not_near_one_of_the_map(tmp_path):
    # A thousand beats of a tempo that is no whole number of microseconds, then one as fast as it gets, in steps of a tick.
    tempo = TempoMap.of_changes([TempoChange(0, 97.3), TempoChange(1000, 97.3, Over.BEATS), TempoChange(1000.01, 20)])
    found = written(tmp_path / "a.mid", tempo)
    tempi = [found.bpm_at(point.seconds) for point in found.points]
    assert max(tempi) < 97.3 * 1.011
    assert min(tempi) > 20 / 1.011
    assert found.seconds_at(1100) == pytest.approx(tempo.seconds_at(1100), abs=1e-3)


def test_time_signatures_come_back_where_they_were(tmp_path):
    signatures = (Signature(0.0, 3, 4), Signature(6.0, 7, 8), Signature(13.0, 4, 4))
    tempo = TempoMap((TempoPoint(0.0, 0.0),), 120, 3.0, signatures)
    found = written(tmp_path / "a.mid", tempo)
    assert found.signatures == signatures
    assert [found.next_bar(b) for b in (-1.0, 3.5, 6.5, 12.0)] == [0.0, 6.0, 9.5, 13.0]


def test_the_signature_that_holds_at_the_clip_s_start_is_the_first(tmp_path):
    tempo = TempoMap((TempoPoint(0.0, 8.0),), 120, 4.0, (Signature(4.0, 3, 4), Signature(10.0, 5, 4)))
    found = written(tmp_path / "a.mid", tempo)
    assert found.signatures == (Signature(0.0, 3, 4), Signature(2.0, 5, 4))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(100_000, 2_000_000)), max_size=8), st.integers(24, 960))
def test_any_file_s_tempo_is_read_to_the_last_digit(tmp_path_factory, changes, division):
    file = mido.MidiFile(type=1, ticks_per_beat=division)
    # Tempo anywhere counts, not in the first track alone.
    file.tracks.extend([mido.MidiTrack(), mido.MidiTrack()])
    ticks = sorted(dict(changes).items())
    for index, (tick, beat) in enumerate(ticks):
        last = max((t for t, _ in ticks[index % 2 : index : 2]), default=0)
        file.tracks[index % 2].append(mido.MetaMessage("set_tempo", tempo=beat, time=tick - last))
    path = tmp_path_factory.getbasetemp() / "any.mid"
    file.save(path)
    found = read_tempo(path)
    time, tempo = 0, 500_000
    for (tick, beat), (following, _) in pairwise([(0, 500_000), *ticks, (5000, 0)]):
        tempo = beat
        time += (following - tick) * tempo
    assert found.seconds_at(5000 / division) == pytest.approx(time / division / 1e6, abs=1e-9)
    assert found.bpm == pytest.approx(60e6 / tempo)


def test_a_silent_file_has_the_format_s_own_tempo(tmp_path):
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack())
    file.save(tmp_path / "a.mid")
    found = read_tempo(tmp_path / "a.mid")
    assert (found.bpm, found.signatures) == (120, (Signature(0.0, 4, 4),))


def test_a_tempo_of_no_length_and_a_file_that_is_none_are_refused(tmp_path):
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=0)]))
    file.save(tmp_path / "a.mid")
    (tmp_path / "b.mid").write_text("words")
    for name, code in (("a", "BAD_ARGUMENT"), ("b", "BAD_ARGUMENT"), ("c", "FILE_NOT_FOUND")):
        with pytest.raises(BridgeError) as refused:
            read_tempo(tmp_path / f"{name}.mid")
        assert refused.value.code is ErrorCode[code]

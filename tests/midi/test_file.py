import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.file import write_midi
from bridge.music.notes import Note, StemNotes
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap, TempoPoint
from bridge.session.parameters import DEFAULT_CHANNELS
from tests.midi.rig import note


def read(path):
    """Notes of a file as (track, channel, begin s, end s, pitch, velocity), by mido's own reading of its tempo."""
    file = mido.MidiFile(path)
    tempi = [(0, 500_000)]
    tick = 0
    for message in file.tracks[0]:
        tick += message.time
        if message.type == "set_tempo":
            tempi.append((tick, message.tempo))

    def seconds(at):
        total, last, tempo = 0.0, 0, 500_000
        for begins, following in tempi:
            if begins >= at:
                break
            total += mido.tick2second(begins - last, file.ticks_per_beat, tempo)
            last, tempo = begins, following
        return total + mido.tick2second(at - last, file.ticks_per_beat, tempo)

    notes = []
    for track in file.tracks[1:]:
        tick, sounding = 0, {}
        for message in track:
            tick += message.time
            if message.type == "note_on":
                assert message.note not in sounding
                sounding[message.note] = (tick, message)
            elif message.type == "note_off":
                begin, on = sounding.pop(message.note)
                assert tick > begin
                notes.append((track.name, on.channel + 1, seconds(begin), seconds(tick), on.note, on.velocity))
        assert not sounding
    return file, notes


def test_a_file_has_a_tempo_track_and_a_named_track_a_stem_on_the_channels_as_played(tmp_path):
    path = tmp_path / "song.mid"
    stems = [StemNotes(Stem.VOCALS, (note(0.5, 60, 0.25, velocity=70),)), StemNotes(Stem.DRUMS, (note(1.0, 36, 0.1),))]
    write_midi(path, stems, TempoMap.constant(97), DEFAULT_CHANNELS)
    file, notes = read(path)
    assert file.type == 1
    assert file.ticks_per_beat >= 480
    assert [t.name for t in file.tracks] == ["tempo", "vocals", "drums"]
    assert notes == [
        ("vocals", 3, pytest.approx(0.5, abs=1e-3), pytest.approx(0.75, abs=1e-3), 60, 70),
        ("drums", 10, pytest.approx(1.0, abs=1e-3), pytest.approx(1.1, abs=1e-3), 36, 80),
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["song.mid"]


def test_notes_keep_their_seconds_through_changes_of_tempo(tmp_path):
    tempo = TempoMap((TempoPoint(-1.0, -2.0), TempoPoint(2.0, 3.0), TempoPoint(5.0, 11.0)), 60)
    notes = tuple(note(k * 0.4, 60 + k, 0.2) for k in range(20))
    write_midi(tmp_path / "a.mid", [StemNotes(Stem.BASS, notes)], tempo, DEFAULT_CHANNELS)
    _, found = read(tmp_path / "a.mid")
    assert [f[2] for f in found] == pytest.approx([n.onset for n in notes], abs=1e-3)
    assert [f[3] for f in found] == pytest.approx([n.onset + 0.2 for n in notes], abs=1e-3)


@pytest.mark.parametrize(
    ("beats", "signature"), [(4.0, (4, 4)), (3.0, (3, 4)), (3.5, (7, 8)), (1.875, (15, 32)), (0.3, (4, 4))]
)
def test_the_time_signature_has_the_bar_s_length(tmp_path, beats, signature):
    write_midi(tmp_path / "a.mid", [], TempoMap.constant(120, beats), DEFAULT_CHANNELS)
    message = next(m for m in mido.MidiFile(tmp_path / "a.mid").tracks[0] if m.type == "time_signature")
    assert (message.numerator, message.denominator) == signature


def test_an_open_note_ends_at_the_last_known_time(tmp_path):
    notes = (note(0.0, 60, None), note(1.0, 62, 2.0))
    write_midi(tmp_path / "a.mid", [StemNotes(Stem.VOCALS, notes)], TempoMap.constant(120), DEFAULT_CHANNELS)
    assert sorted(round(n[3], 3) for n in read(tmp_path / "a.mid")[1]) == [3.0, 3.0]


def test_a_pitch_struck_again_ends_before_it_is(tmp_path):
    notes = (note(0.0, 60, 2.0), note(1.0, 60, 0.5), note(1.5, 60, 0.5))
    write_midi(tmp_path / "a.mid", [StemNotes(Stem.VOCALS, notes)], TempoMap.constant(120), DEFAULT_CHANNELS)
    assert [(round(n[2], 3), round(n[3], 3)) for n in read(tmp_path / "a.mid")[1]] == [
        (0.0, 1.0),
        (1.0, 1.5),
        (1.5, 2.0),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            Note, st.floats(0, 20), st.none() | st.floats(0, 5), st.integers(0, 127), st.integers(1, 127), st.just(0.9)
        ),
        max_size=30,
    ),
    st.floats(10, 400),
)
def test_any_notes_make_a_file_whose_every_note_ends(tmp_path_factory, notes, bpm):
    path = tmp_path_factory.getbasetemp() / "any.mid"
    write_midi(path, [StemNotes(Stem.OTHER, tuple(notes))], TempoMap.constant(bpm), DEFAULT_CHANNELS)
    _, found = read(path)
    ticks = {(round(n.onset * bpm / 60 * 960), n.pitch) for n in notes}
    assert len(found) == len(ticks)


def test_a_file_that_cannot_be_written_is_refused_and_nothing_of_it_stays(tmp_path):
    target = tmp_path / "taken.mid"
    target.mkdir()
    with pytest.raises(BridgeError, match="cannot write the MIDI file") as refused:
        write_midi(target, [], TempoMap.constant(120), DEFAULT_CHANNELS)
    assert refused.value.code is ErrorCode.DISK
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_replaces_the_one_before_it(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(b"old")
    write_midi(path, [StemNotes(Stem.VOCALS, (note(0.0),))], TempoMap.constant(120), DEFAULT_CHANNELS)
    assert len(read(path)[1]) == 1

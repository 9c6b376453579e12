"""REAPER's import action: notes and stems on new tracks, where the clip plays them, through tempo changes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.midi.file import write_midi
from bridge.midi.file_read import read_notes
from bridge.music.notes import Note, StemNotes
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap, TempoPoint
from bridge.units import Beats, Bpm, Pitch, Seconds, Velocity
from tests.alone import require
from tests.daw_scripts.reaper_peer import PLAY_VOCALS, Reaper, ScriptedBridge, audio, clip, missing_lua

TEMPO_CHANGE = {"bpm": 120, "markers": [{"seconds": 0.0, "bpm": 120}, {"seconds": 8.0, "bpm": 90}]}
IMPORT = "Import result"
NOTES = [(0.5, 1.0, 60), (1.0, 1.5, 64), (3.9, 4.6, 67), (5.0, 5.5, 72)]
"""Onset and end in clip seconds, pitch."""


@pytest.fixture
def bridge() -> Iterator[ScriptedBridge]:
    require(missing_lua())
    with ScriptedBridge() as bridge:
        yield bridge


@pytest.fixture
def song(tmp_path: Path) -> dict[str, Any]:
    return audio(tmp_path / "song.wav", 60.0)


def results(
    folder: Path, stem: str, notes: Sequence[tuple[float, float, int]] = NOTES, bpm: float = 97.0
) -> tuple[str, str]:
    """The files of a job, as the daemon writes them; the file's own tempo is no project's."""
    folder.mkdir(exist_ok=True)
    made = [Note(Seconds(a), Seconds(b - a), Pitch(pitch), Velocity(90), 1.0) for a, b, pitch in notes]
    midi = folder / f"{stem}.mid"
    write_midi(midi, [StemNotes(Stem(stem), tuple(made))], TempoMap.constant(Bpm(bpm)), {Stem(stem): 3})
    wav = folder / f"{stem}.wav"
    wav.write_bytes(b"RIFF")
    return str(midi), str(wav)


def played(reaper: Reaper, bridge: ScriptedBridge, tmp_path: Path, *, stem: str = "vocals", count: int = 1) -> None:
    """Play what is selected and let each job have its result."""
    before = len(bridge.of("job/start"))
    reaper.run(PLAY_VOCALS if stem == "vocals" else f"Play stem as MIDI ({stem})")
    reaper.turn_until(lambda: len(bridge.of("job/start")) >= before + count, "the jobs")
    for number, message in enumerate(bridge.of("job/start")[before:]):
        job = message.arguments[0]
        bridge.answer("job/accepted", job)
        bridge.answer("job/result", job, stem, len(NOTES), *results(tmp_path / f"{stem} {number}", stem), "htdemucs")
        bridge.answer("job/done", job)
    reaper.turn(4)


def tracks(reaper: Reaper) -> dict[str, list[dict[str, Any]]]:
    return {track["name"]: track["items"] for track in reaper.summary["tracks"]}


def quarters(seconds: float) -> float:
    return seconds * 2 if seconds < 8 else 16 + (seconds - 8) * 1.5


def notes_at(item: dict[str, Any]) -> list[tuple[float, float, int]]:
    """Onset and end in the project's quarters, and pitch."""
    begin = quarters(item["values"]["D_POSITION"])
    return [(begin + a, begin + b, pitch) for a, b, _, pitch, _ in item["take"]["notes"]]


def expected(place: float, rate: float = 1.0, last: float = 1e9) -> list[Any]:
    return [
        (
            pytest.approx(quarters(place + a / rate), abs=0.002),
            pytest.approx(quarters(min(last, place + b / rate)), abs=0.002),
            pitch,
        )
        for a, b, pitch in NOTES
        if place + a / rate < last
    ]


def test_notes_and_stem_lie_where_the_clip_plays_them_through_a_tempo_change(
    bridge: ScriptedBridge, song: dict[str, Any], tmp_path: Path
) -> None:
    source = clip(song, 4.0, 5.0, D_STARTOFFS=10.0, D_PLAYRATE=1.25, D_PITCH=0.0, D_VOL=0.5)
    project = Reaper(
        tmp_path / "the musician's own", bridge.port, tracks=[{"name": "song", "items": [source]}], **TEMPO_CHANGE
    )
    with project as reaper:
        played(reaper, bridge, tmp_path)
        reaper.run(IMPORT)
        found = tracks(reaper)
        assert list(found) == ["song", "vocals (notes)", "vocals (stem)"]
        [notes], [stem] = found["vocals (notes)"], found["vocals (stem)"]
        assert (notes["values"]["D_POSITION"], notes["values"]["D_LENGTH"]) == (4.0, 5.0)
        assert notes_at(notes) == expected(4.0, 1.25)
        assert notes["take"]["sorted"]
        assert notes["take"]["name"] == "take vocals"
        assert {(channel, velocity) for _, _, channel, _, velocity in notes["take"]["notes"]} == {(2, 90)}
        assert stem["path"] == str(tmp_path / "vocals 0" / "vocals.wav")
        assert {name: stem["values"][name] for name in ("D_POSITION", "D_LENGTH", "D_VOL", "B_LOOPSRC")} == {
            "D_POSITION": 4.0,
            "D_LENGTH": 5.0,
            "D_VOL": 0.5,
            "B_LOOPSRC": 0.0,
        }
        assert (stem["take"]["values"]["D_PLAYRATE"], stem["take"]["values"]["D_STARTOFFS"]) == (1.25, 0.0)
        summary = reaper.summary
        assert reaper.lua("return stage.peaks")
        assert (summary["undo"], summary["refresh"], summary["boxes"]) == (
            ["begin", "StemBridge: import result"],
            0,
            [],
        )


def test_a_clip_moved_stretched_and_trimmed_since_has_its_results_where_it_is_now(
    bridge: ScriptedBridge, song: dict[str, Any], tmp_path: Path
) -> None:
    with Reaper(
        tmp_path / "the musician's own", bridge.port, tracks=[{"items": [clip(song, 0.0, 6.0)]}], **TEMPO_CHANGE
    ) as reaper:
        played(reaper, bridge, tmp_path)
        # Now it plays its file from 0.75 s on at half speed, from 6 s to 13 s.
        reaper.lua("local i = project.tracks[1].items[1].values; i.D_POSITION, i.D_LENGTH = 6.0, 7.0")
        reaper.lua("local t = project.tracks[1].items[1].take.values; t.D_STARTOFFS, t.D_PLAYRATE = 0.75, 0.5")
        reaper.run(IMPORT)
        found = tracks(reaper)
        [notes], [stem] = found["vocals (notes)"], found["vocals (stem)"]
        assert notes_at(notes) == [note for note in expected(4.5, 0.5, last=13.0) if note[2] != 60]
        assert (stem["values"]["D_POSITION"], stem["values"]["D_LENGTH"]) == (6.0, 7.0)
        assert (stem["take"]["values"]["D_PLAYRATE"], stem["take"]["values"]["D_STARTOFFS"]) == (0.5, 0.75)


def test_several_clips_and_stems_share_tracks_in_order(
    bridge: ScriptedBridge, song: dict[str, Any], tmp_path: Path
) -> None:
    items = [clip(song, 0.0, 6.0), clip(song, 20.0, 6.0, D_STARTOFFS=30.0)]
    layout = [{"name": "a", "items": items}, {"name": "b", "items": []}]
    with Reaper(tmp_path / "the musician's own", bridge.port, tracks=layout) as reaper:
        played(reaper, bridge, tmp_path, stem="drums", count=2)
        played(reaper, bridge, tmp_path, count=2)
        reaper.run(IMPORT)
        found = tracks(reaper)
        assert list(found) == ["a", "vocals (notes)", "vocals (stem)", "drums (notes)", "drums (stem)", "b"]
        assert [item["values"]["D_POSITION"] for item in found["drums (stem)"]] == [0.0, 20.0]
        assert [len(item["take"]["notes"]) for item in found["vocals (notes)"]] == [4, 4]


def test_each_pass_of_a_loop_has_its_own(bridge: ScriptedBridge, tmp_path: Path) -> None:
    bar = audio(tmp_path / "bar.wav", 6.0)
    with Reaper(
        tmp_path / "the musician's own", bridge.port, tracks=[{"items": [clip(bar, 1.0, 12.0, B_LOOPSRC=1)]}]
    ) as reaper:
        played(reaper, bridge, tmp_path, count=2)
        reaper.run(IMPORT)
        stems = tracks(reaper)["vocals (stem)"]
        assert [item["values"]["D_POSITION"] for item in stems] == [1.0, 7.0]
        assert [item["values"]["D_LENGTH"] for item in stems] == [6.0, 6.0]


def test_transposed_clips_have_transposed_notes_and_stems(
    bridge: ScriptedBridge, song: dict[str, Any], tmp_path: Path
) -> None:
    with Reaper(
        tmp_path / "the musician's own", bridge.port, tracks=[{"items": [clip(song, 0.0, 6.0, D_PITCH=5.0)]}]
    ) as reaper:
        played(reaper, bridge, tmp_path)
        reaper.run(IMPORT)
        found = tracks(reaper)
        assert [note[3] for note in found["vocals (notes)"][0]["take"]["notes"]] == [65, 69, 72, 77]
        assert found["vocals (stem)"][0]["take"]["values"]["D_PITCH"] == 5.0


def test_played_again_the_newer_result_counts(bridge: ScriptedBridge, song: dict[str, Any], tmp_path: Path) -> None:
    with Reaper(tmp_path / "the musician's own", bridge.port, tracks=[{"items": [clip(song, 0.0, 6.0)]}]) as reaper:
        played(reaper, bridge, tmp_path)
        played(reaper, bridge, tmp_path)
        reaper.run(IMPORT)
        assert [len(items) for items in tracks(reaper).values()] == [1, 1, 1]


def test_nothing_there_yet_and_files_that_are_gone_are_told(
    bridge: ScriptedBridge, song: dict[str, Any], tmp_path: Path
) -> None:
    with Reaper(tmp_path / "the musician's own", bridge.port, tracks=[{"items": [clip(song, 0.0, 6.0)]}]) as reaper:
        reaper.run(IMPORT)
        assert "Nothing has been found" in reaper.boxes[0]
        assert reaper.summary["undo"] == []
        assert len(tracks(reaper)) == 1
        played(reaper, bridge, tmp_path)
        (tmp_path / "vocals 0" / "vocals.mid").write_bytes(b"no MIDI file at all")
        (tmp_path / "vocals 0" / "vocals.wav").unlink()
        reaper.run(IMPORT)
        assert "is not a MIDI file" in reaper.boxes[1]
        assert "the stem cannot be read" in reaper.boxes[1]
        reaper.lua("project.tracks[1].items[1].selected = false")
        reaper.run(IMPORT)
        assert "Nothing is selected" in reaper.boxes[2]


def test_the_scripts_reader_of_midi_files_reads_what_the_daemons_does(bridge: ScriptedBridge, tmp_path: Path) -> None:
    notes = [
        Note(Seconds(0.1 * n), Seconds(0.15 + n % 3 / 10), Pitch(40 + n * 7 % 50), Velocity(1 + n), 1.0)
        for n in range(60)
    ]
    points = (TempoPoint(Seconds(0.0), Beats(0.0)), TempoPoint(Seconds(2.5), Beats(2.5)))
    tempo = TempoMap(points, Bpm(173.0))
    path = tmp_path / "notes.mid"
    write_midi(path, [StemNotes(Stem.BASS, tuple(notes))], tempo, {Stem.BASS: 1})
    with Reaper(tmp_path / "the musician's own", bridge.port, tracks=[]) as reaper:
        reaper.lua(f'package.path = "{Path(__file__).parents[2]}/daw_scripts/reaper/?.lua"')
        found = reaper.lua(
            f'local t = {{}} for _, n in ipairs(require("stembridge.midi_file").notes("{path}")) do'
            " t[#t + 1] = { n.onset, n.stop, n.pitch, n.velocity } end return t"
        )
    wanted = [[note.onset, note.onset + (note.duration or 0), note.pitch, note.velocity] for note in read_notes(path)]
    assert [[pytest.approx(value, abs=1e-6) for value in note] for note in wanted] == found

"""The daemon end to end: its own process, real OSC, JACK and audio, and a receiver where the synthesizer would be."""

import os
import subprocess
import sys
import time
from pathlib import Path

import mido
import pytest

from bridge.app.song import demo_song
from bridge.midi.file_read import read_notes
from tests.app.studio import VOCALS, Studio
from tests.daemon_peer import ROOT, RunningDaemon
from tests.osc.peers import oscsend

SPLEETER = {"model": "spleeter-2stems", "warm_start": False}


def test_one_datagram_from_oscsend_plays_the_song_and_tells_how_well(studio: Studio) -> None:
    song = studio.song(9)
    arguments = (studio.ear.id("take 1"), str(song), "stem", "vocals", "reply_to", f"127.0.0.1:{studio.ear.port}")
    oscsend(studio.daemon.port, "/bridge/job/start", "ssssss", *arguments)
    studio.ear.wait("job/unloaded", "take 1", timeout=60)
    assert studio.ear.endings("take 1") == ["done", "unloaded"]
    names = [h.name for h in studio.ear.heard if h.arguments[:1] == (studio.ear.id("take 1"),)]
    assert names[:2] == ["job/accepted", "job/progress"]
    _, stem, notes, midi_path, stem_path, model = studio.ear.wait("job/result", "take 1").arguments
    assert (stem, model) == ("vocals", "copy")
    written = read_notes(Path(str(midi_path)))
    assert len(written) == notes == 16
    assert Path(str(stem_path)).stat().st_size > 9 * 44100 * 2 * 3
    assert [on.place for on in studio.synth.ons] == [(VOCALS, note.pitch) for note in written]
    begin = studio.synth.ons[0].host - written[0].onset
    late = [on.host - begin - note.onset for on, note in zip(studio.synth.ons, written, strict=True)]
    assert max(map(abs, late)) < 0.01, late
    whole = studio.ear.of("job/quality", "take 1")[-1].arguments
    measures = dict(zip(whole[6::2], whole[7::2], strict=True))
    assert whole[3:6] == (0.0, 9.0, 16)
    assert float(measures["pitchgram"]) > 0.5 > float(measures["pitchgram_null"])


def test_the_ports_notes_are_those_of_an_offline_render(studio: Studio) -> None:
    song = studio.song(9)
    out = studio.folder / "rendered"
    config = studio.daemon.log.parent / "config.toml"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "bridge",
            "render",
            "--config",
            str(config),
            str(song),
            "--out",
            str(out),
            "--picture",
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    studio.ear.start_job("live", song)
    midi_path = Path(str(studio.ear.wait("job/result", "live").arguments[3]))
    assert [m.bytes() for m in mido.MidiFile(midi_path) if not m.is_meta] == [
        m.bytes() for m in mido.MidiFile(out / "vocals.mid") if not m.is_meta
    ]
    assert (out / "vocals.png").stat().st_size > 10_000


def test_notes_sound_while_later_segments_have_not_begun(studio: Studio) -> None:
    dropped = int(studio.daemon.status().get("dropped_late", 0))
    studio.ear.start_job("a", studio.song(20), model="held")
    assert studio.synth.wait_for(lambda: len(studio.synth.ons) >= 4, 30)
    assert studio.segments_begun() <= 4, "three segments were free and the fourth waits at the gate"
    assert studio.ear.endings("a") == []
    studio.open_gate()
    studio.ear.wait("job/unloaded", "a", timeout=60)
    dropped = int(studio.daemon.status()["dropped_late"]) - dropped
    assert len(studio.synth.ons) + dropped == 38, (
        "each note sounds once, or is counted as come too late on a busy machine"
    )
    assert studio.segments_begun() == 7


def test_a_playhead_that_waits_for_the_analysis_is_told_as_behind(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20), model="held")
    behind = studio.ear.wait("job/behind", "a")
    assert float(behind.arguments[1]) > 0
    studio.open_gate()
    studio.ear.wait("job/unloaded", "a", timeout=60)


def test_with_sync_transport_the_notes_lie_on_the_project_and_follow_it(studio: Studio) -> None:
    ear, synth = studio.ear, studio.synth
    ear.send("/bridge/transport/tempo", 120)
    ear.send("/bridge/transport/locate", 0)
    ear.start_job("a", studio.song(9), sync="transport", at=2)
    ear.wait("job/done", "a")
    assert not synth.ons
    ear.send("/bridge/transport/play")
    assert synth.wait_for(lambda: len(synth.ons) >= 3)
    moving = [h for h in ear.of("transport") if h.arguments[3]]
    beat_now = float(moving[-1].arguments[1]) + (time.perf_counter() - moving[-1].host) * 2
    begun_at = [2 + 2 * on for on in (0.5, 1.0, 1.5)]
    expected = [time.perf_counter() - (beat_now - beat) / 2 for beat in begun_at]
    assert all(abs(on.host - at) < 0.03 for on, at in zip(synth.ons, expected, strict=False))
    ear.send("/bridge/transport/stop")
    assert synth.wait_for(lambda: not synth.sounding(), 1)
    played = len(synth.ons)
    ear.send("/bridge/transport/locate", 2)
    ear.send("/bridge/transport/play")
    assert synth.wait_for(lambda: len(synth.ons) >= played + 2), "it sounds again whenever the transport passes"
    assert [on.place for on in synth.ons[played : played + 2]] == [on.place for on in synth.ons[:2]]
    ear.send("/bridge/job/unload", ear.id("a"))
    ear.wait("job/unloaded", "a")
    assert ear.endings("a") == ["done", "unloaded"]


def test_parameters_change_what_is_playing(studio: Studio) -> None:
    ear, synth = studio.ear, studio.synth
    ear.start_job("a", studio.song(20))
    assert synth.wait_for(lambda: len(synth.ons) >= 2, 30)
    assert ear.ask("/bridge/param/transpose", 12, answer="param/transpose") == (12,)
    assert ear.ask("/bridge/param/channel/vocals", 9, answer="param/channel/vocals") == (9,)
    assert synth.wait_for(lambda: any(on.place[0] == 9 for on in synth.ons))
    assert next(on for on in synth.ons if on.place[0] == 9).place[1] in {72, 76, 79, 84}
    ear.ask("/bridge/param/threshold", 1.0, answer="param/threshold")
    assert synth.wait_for(lambda: not synth.sounding(), 1)
    count = len(synth.ons)
    ear.ask("/bridge/param/threshold", 0.1, ear.id("a"), answer="param/threshold")
    assert synth.wait_for(lambda: len(synth.ons) > count), "the job's own value wins over the one for all"
    for name, value in (("transpose", 0), ("channel/vocals", VOCALS), ("threshold", 0.55)):
        ear.ask(f"/bridge/param/{name}", value, answer=f"param/{name}")


def test_status_counts_what_sounds_now(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20, every=2.0, length=1.9))
    assert studio.synth.wait_for(studio.synth.sounding, 30)
    assert studio.daemon.status()["sounding"] == 1
    studio.ear.send("/bridge/job/cancel")
    assert studio.synth.wait_for(lambda: not studio.synth.sounding())
    status = studio.daemon.status()
    assert (status["sounding"], status["jobs_running"], status["midi"]) == (0, 0, "jack")


@pytest.mark.parametrize(
    ("pairs", "code", "words"),
    [
        ({"path": "/nowhere/song.wav"}, "file_not_found", "/nowhere/song.wav"),
        ({"start": 8.0, "end": 3.0}, "bad_argument", "3"),
        ({"start": 500.0}, "bad_audio", "500"),
        ({"stem": "guitar"}, "bad_argument", "guitar"),
        ({"tempo": 90}, "bad_argument", "tempo"),
    ],
)
def test_a_request_that_cannot_be_met_gets_one_error_and_no_job(
    studio: Studio, pairs: dict[str, object], code: str, words: str
) -> None:
    path = Path(str(pairs.pop("path", studio.song(9))))
    studio.ear.start_job("bad", path, **pairs)
    request, address, said, message = studio.ear.wait("error").arguments
    assert (request, address, said) == (studio.ear.id("bad"), "/bridge/job/start", code)
    assert words in str(message)
    assert studio.ear.of("job/accepted") == []


def test_a_file_that_is_no_audio_is_refused(studio: Studio) -> None:
    path = studio.folder / "letter.wav"
    path.write_text("Dear musician")
    studio.ear.start_job("bad", path)
    assert studio.ear.wait("error").arguments[2] == "bad_audio"


def test_settings_that_allow_no_analysis_fail_each_job_with_the_reason(tmp_path: Path) -> None:
    settings = {"midi": {"backend": "recording"}, "inference": {"models_folder": str(tmp_path / "none")}}
    with RunningDaemon(tmp_path / "daemon", settings) as daemon, daemon.ear("job") as ear:
        for job in ("a", "b"):
            ear.start_job(job, demo_song())
            _, code, words = ear.wait("job/failed", job, timeout=60).arguments
            assert code != "worker_crashed"
            assert str(tmp_path / "none") in str(words)


def test_the_daemon_itself_holds_neither_torch_nor_madmom(studio: Studio) -> None:
    maps = Path(f"/proc/{studio.daemon.process.pid}/maps").read_text()
    assert "torch" not in maps
    assert "madmom" not in maps


def test_without_a_midi_system_a_real_song_is_recorded_to_a_file(tmp_path: Path) -> None:
    settings = {"midi": {"backend": "recording"}, "inference": SPLEETER}
    with RunningDaemon(tmp_path, settings) as daemon, daemon.ear("job") as ear:
        ear.start_job("song", demo_song())
        assert ear.wait("job/result", "song", timeout=90).arguments[5] == "spleeter-2stems"
        ear.wait("job/unloaded", "song", timeout=60)
        recorded = (daemon.output / "recording.jsonl").read_text()
    assert recorded.count("[146, ") == ear.of("job/result")[0].arguments[2] > 10

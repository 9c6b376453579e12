"""The daemon end to end: its own process, real OSC, JACK and audio, and a receiver where the synthesizer would be."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import psutil
import pytest

from bridge.app.demo import demo_song
from bridge.midi.file_read import read_notes
from tests.daemon_peer import Ear, RunningDaemon
from tests.inference.model_zoo import make_repo, mixer
from tests.jack_peer import JackServer, MidiReceiver, jack_server
from tests.sounds import write_melody

VOCALS = 3
"""The channel that vocals play on by default."""
SPLEETER = {"model": "spleeter-2stems", "warm_start": False}


@dataclass
class Studio:
    """A daemon on a JACK server, a synthesizer on its port, a client that hears all, and a model that can be held up."""

    daemon: RunningDaemon
    synth: MidiReceiver
    ear: Ear
    gate: Path
    folder: Path

    def song(self, seconds: float, **how: float) -> Path:
        path = self.folder / f"melody-{seconds:g}-{'-'.join(f'{k}{v:g}' for k, v in how.items())}.wav"
        if not path.exists():
            write_melody(path, seconds, **how)
        return path

    def segments_begun(self) -> int:
        log = Path(f"{self.gate}.log")
        return len(log.read_text().splitlines()) if log.exists() else 0

    def open_gate(self) -> None:
        self.gate.touch()


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with jack_server() as server:
        yield server


@pytest.fixture(scope="module")
def rooms(server: JackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests of this file that do not break it."""
    with _studio(tmp_path_factory.mktemp("studio"), server, "Studio") as studio:
        yield studio


@pytest.fixture
def studio(rooms: Studio) -> Iterator[Studio]:
    """The studio, silent and idle, with a fresh ear and a closed gate."""
    rooms.gate.unlink(missing_ok=True)
    Path(f"{rooms.gate}.log").unlink(missing_ok=True)
    rooms.synth.events.clear()
    with rooms.daemon.ear("job", "quality", "transport", "note", "midi") as ear:
        rooms.ear = ear
        yield rooms
        rooms.open_gate()
        rooms.ear.send("/bridge/transport/stop")
        rooms.ear.send("/bridge/job/cancel")
        rooms.ear.ask("/bridge/ping", answer="pong")
    assert rooms.synth.wait_for(lambda: not rooms.synth.sounding()), "a note hangs after the test"


class _studio:
    """Starts all of it, stops all of it."""

    def __init__(self, folder: Path, server: JackServer, port: str, **inference: object) -> None:
        self._folder, self._server, self._port = folder, server, port
        self._inference = inference

    def __enter__(self) -> Studio:
        gate = self._folder / "gate"
        repo = make_repo(
            self._folder / "models",
            {
                "copy": mixer(0, 0, 0.5, 1, segment=4.0),
                "held": mixer(0, 0, 0.5, 1, segment=4.0, gate=str(gate), free=3),
                "shut": mixer(0, 0, 0.5, 1, segment=4.0, gate=str(gate), free=0),
            },
        )
        settings = {
            "midi": {"backend": "jack", "jack_server": self._server.name, "port": self._port},
            "inference": {"model": "copy", "models_folder": str(repo), "allow_download": False, **self._inference},
            "log": {"level": "debug"},
        }
        self._daemon = RunningDaemon(self._folder / "daemon", settings, self._server.environment)
        self._synth = MidiReceiver(self._server, f"{self._port}:out")
        self._synth.wait_connected(30)
        self._ear = self._daemon.ear("job", "quality", "transport", "note", "midi")
        return Studio(self._daemon, self._synth, self._ear, gate, self._folder)

    def __exit__(self, *_: object) -> None:
        self._ear.__exit__()
        self._daemon.stop()
        self._synth.close()


def test_one_datagram_from_oscsend_plays_the_song_and_tells_how_well(studio: Studio) -> None:
    song = studio.song(9)
    words = ["/bridge/job/start", "sssss", studio.ear.id("take 1"), str(song), "stem", "vocals", "reply_to"]
    words[1] += "s"
    subprocess.run(
        ["oscsend", "127.0.0.1", str(studio.daemon.port), *words, f"127.0.0.1:{studio.ear.port}"], check=True
    )
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
            os.sys.executable,
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
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
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


@pytest.mark.parametrize("stage", ["queued", "loading", "separating", "playing", "done"])
def test_cancel_in_every_stage_says_exactly_what_is_promised(studio: Studio, stage: str) -> None:
    ear = studio.ear
    match stage:
        case "queued":
            ear.start_job("before", studio.song(20), model="shut")
            ear.start_job("a", studio.song(20))
            ear.wait("job/accepted", "a")
        case "loading":
            ear.start_job("a", studio.song(20), model="shut")
            ear.wait("job/progress", "a", count=2)
        case "separating":
            ear.start_job("a", studio.song(20), model="shut")
            ear.wait_until(lambda: studio.segments_begun() == 1)
        case "playing":
            ear.start_job("a", studio.song(20), model="held")
            assert studio.synth.wait_for(studio.synth.sounding, 30)
        case "done":
            ear.start_job("a", studio.song(20))
            ear.wait("job/done", "a")
    ear.send("/bridge/job/cancel", studio.ear.id("a"))
    ear.wait("job/unloaded", "a", timeout=2)
    before = len(ear.of("job/progress", "a"))
    studio.open_gate()
    ear.start_job("next", studio.song(5))
    ear.wait("job/done", "next")
    assert ear.endings("a") == (["done", "unloaded"] if stage == "done" else ["cancelled", "unloaded"])
    assert len(ear.of("job/progress", "a")) == before
    assert ear.of("job/unloaded", "a")[0].arguments == (ear.id("a"), "cancelled")
    assert ear.of("error") == []


def test_cancel_while_playing_ends_its_notes_within_20_ms_and_no_others(studio: Studio) -> None:
    long = studio.song(20, every=2.0, length=1.9)
    studio.ear.start_job("stays", long, channel=5)
    studio.ear.start_job("goes", long, channel=6)
    sounding = studio.synth.sounding
    assert studio.synth.wait_for(lambda: {c for c, _ in sounding()} == {5, 6}, 30)
    first_stays = [on for on in studio.synth.ons if on.place[0] == 5][-1]
    sent = time.perf_counter()
    studio.ear.send("/bridge/job/cancel", studio.ear.id("goes"))
    assert studio.synth.wait_for(lambda: {c for c, _ in sounding()} == {5})
    off = next(e for e in studio.synth.offs if e.place[0] == 6 and e.host > sent - 0.1 and e.seen > sent)
    assert off.seen - sent < 0.02 + 2 * 256 / 48000, "its notes end within 20 ms and what JACK's two periods add"
    ended = (
        next(e for e in iter(studio.synth.events) if e.is_off and e.place[0] == 5 and e.host > first_stays.host)
        if (
            studio.synth.wait_for(
                lambda: any(e.is_off and e.place[0] == 5 and e.host > first_stays.host for e in studio.synth.events)
            )
        )
        else None
    )
    assert ended is not None
    assert ended.host - first_stays.host > 1.0, "the other job's note was left alone"


def test_kill_9_of_the_inference_process_fails_the_job_silences_it_and_the_next_one_works(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20, every=2.0, length=1.9), model="held")
    assert studio.synth.wait_for(studio.synth.sounding, 30)
    killed = time.perf_counter()
    studio.daemon.child("inference").kill()
    failed = studio.ear.wait("job/failed", "a", timeout=5)
    assert failed.host - killed < 2
    assert failed.arguments[1] == "worker_crashed"
    studio.ear.wait("job/unloaded", "a")
    assert studio.ear.endings("a") == ["failed", "unloaded"]
    assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)
    studio.ear.start_job("b", studio.song(5))
    studio.ear.wait("job/done", "b", timeout=60)


def test_kill_9_of_the_player_ends_its_jobs_and_the_next_one_sounds(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20))
    assert studio.synth.wait_for(lambda: studio.synth.ons, 30)
    studio.daemon.child("player").kill()
    studio.ear.wait("job/unloaded", "a", timeout=5)
    studio.synth.events.clear()  # What sounded then can be ended by nobody but the synthesizer's own panic button.
    assert studio.synth.wait_for(lambda: studio.synth.connected, 20)
    studio.ear.start_job("b", studio.song(5))
    assert studio.synth.wait_for(lambda: len(studio.synth.ons) >= 3, 30)


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


def test_transport_stop_silences_a_launched_job(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20))
    assert studio.synth.wait_for(studio.synth.sounding, 30)
    studio.ear.send("/bridge/transport/stop")
    assert studio.ear.wait("job/unloaded", "a").arguments == (studio.ear.id("a"), "stopped")
    assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)


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


def test_panic_silences_everything_and_says_so(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20), model="held")
    assert studio.synth.wait_for(studio.synth.sounding, 30)
    assert studio.ear.ask("/bridge/panic", answer="panic") == (1,)
    studio.ear.wait("job/unloaded", "a")
    assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)
    assert studio.synth.wait_for(lambda: bytes((0xB0, 120, 0)) in [e.data for e in studio.synth.events])
    assert studio.ear.endings("a") == ["cancelled", "unloaded"]


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


def test_a_cancel_right_behind_its_start_finds_the_job(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(9))
    studio.ear.send("/bridge/job/cancel", studio.ear.id("a"))
    studio.ear.wait("job/unloaded", "a")
    assert studio.ear.endings("a") == ["cancelled", "unloaded"]
    assert studio.ear.of("error") == []


def test_the_daemon_itself_holds_neither_torch_nor_madmom(studio: Studio) -> None:
    maps = Path(f"/proc/{studio.daemon.process.pid}/maps").read_text()
    assert "torch" not in maps
    assert "madmom" not in maps


def test_kill_9_of_the_daemon_ends_every_note_within_100_ms(server: JackServer, tmp_path: Path) -> None:
    with _studio(tmp_path, server, "Killed") as studio:
        children = [studio.daemon.child(name) for name in ("player", "inference")]
        studio.ear.start_job("a", studio.song(20, every=2.0, length=1.9))
        assert studio.synth.wait_for(studio.synth.sounding, 60)
        killed = time.perf_counter()
        os.kill(studio.daemon.process.pid, signal.SIGKILL)
        assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)
        assert studio.synth.offs[-1].seen - killed < 0.1
        _gone, alive = psutil.wait_procs(children, 5)
        assert not alive, "no process is left behind"


def test_ctrl_c_releases_notes_says_goodbye_and_leaves_in_order(server: JackServer, tmp_path: Path) -> None:
    with _studio(tmp_path, server, "Stopped") as studio:
        studio.ear.start_job("a", studio.song(20, every=2.0, length=1.9))
        assert studio.synth.wait_for(studio.synth.sounding, 60)
        assert studio.daemon.stop() == 0
        assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)
        studio.ear.wait("bye", timeout=1)
        assert studio.ear.endings("a")[-1] == "unloaded"
        assert "Traceback" not in studio.daemon.log.read_text()


def test_a_second_daemon_on_the_same_port_says_what_is_in_the_way(studio: Studio, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[osc]\nport = {studio.daemon.port}\n[midi]\nbackend = 'recording'\n")
    second = subprocess.run(
        [os.sys.executable, "-m", "bridge", "run", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert second.returncode == 1
    assert str(studio.daemon.port) in second.stderr
    assert "Traceback" not in second.stderr


def test_without_a_midi_system_a_real_song_is_recorded_to_a_file(tmp_path: Path) -> None:
    settings = {"midi": {"backend": "recording"}, "inference": SPLEETER}
    with RunningDaemon(tmp_path, settings) as daemon, daemon.ear("job") as ear:
        ear.start_job("song", demo_song())
        assert ear.wait("job/result", "song", timeout=90).arguments[5] == "spleeter-2stems"
        ear.wait("job/unloaded", "song", timeout=60)
        recorded = (daemon.output / "recording.jsonl").read_text()
    assert recorded.count("[146, ") == ear.of("job/result")[0].arguments[2] > 10

"""How jobs end: cancelled in every stage, stopped, silenced, or because a process was killed; never with a note left sounding."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.app.studio import OpenStudio, Studio
from tests.daemon_peer import ROOT
from tests.jack_peer import JackServer


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
    assert studio.ear.endings("a") in (["done", "unloaded"], ["failed", "unloaded"]), "nobody asked for a cancel"
    studio.ear.wait_until(lambda: [h.arguments[2] for h in studio.ear.of("midi")][-2:] == [0, 1], 20, "lost and back")
    studio.synth.events.clear()  # What sounded then can be ended by nobody but the synthesizer's own panic button.
    assert studio.synth.wait_for(lambda: studio.synth.connected, 20)
    studio.ear.start_job("b", studio.song(5))
    assert studio.synth.wait_for(lambda: len(studio.synth.ons) >= 3, 30)


def test_transport_stop_silences_a_launched_job(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20))
    assert studio.synth.wait_for(studio.synth.sounding, 30)
    studio.ear.send("/bridge/transport/stop")
    assert studio.ear.wait("job/unloaded", "a").arguments == (studio.ear.id("a"), "stopped")
    assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)


def test_panic_silences_everything_and_says_so(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(20), model="held")
    assert studio.synth.wait_for(studio.synth.sounding, 30)
    assert studio.ear.ask("/bridge/panic", answer="panic") == (1,)
    studio.ear.wait("job/unloaded", "a")
    assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)
    assert studio.synth.wait_for(lambda: bytes((0xB0, 120, 0)) in [e.data for e in studio.synth.events])
    assert studio.ear.endings("a") == ["cancelled", "unloaded"]


def test_a_cancel_right_behind_its_start_finds_the_job(studio: Studio) -> None:
    studio.ear.start_job("a", studio.song(9))
    studio.ear.send("/bridge/job/cancel", studio.ear.id("a"))
    studio.ear.wait("job/unloaded", "a")
    assert studio.ear.endings("a") == ["cancelled", "unloaded"]
    assert studio.ear.of("error") == []


def test_kill_9_of_the_daemon_ends_every_note_within_100_ms(server: JackServer, tmp_path: Path) -> None:
    with OpenStudio(tmp_path, server, "Killed") as studio:
        children = [studio.daemon.child(name) for name in ("player", "inference")]
        studio.ear.start_job("a", studio.song(20, every=2.0, length=1.9))
        assert studio.synth.wait_for(studio.synth.sounding, 60)
        killed = time.perf_counter()
        os.kill(studio.daemon.process.pid, signal.SIGKILL)
        assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 1)
        assert studio.synth.offs[-1].seen - killed < 0.1
        _gone, alive = psutil.wait_procs(children, 5)
        assert not alive, "no process is left behind"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_what_the_terminal_sends_to_all_processes_leaves_no_note_sounding(
    server: JackServer, tmp_path: Path, number: signal.Signals
) -> None:
    with OpenStudio(tmp_path, server, f"Closed{number}") as studio:
        studio.ear.start_job("a", studio.song(20, every=2.0, length=1.9))
        assert studio.synth.wait_for(studio.synth.sounding, 60)
        os.killpg(studio.daemon.process.pid, number)
        assert studio.synth.wait_for(lambda: not studio.synth.sounding(), 2)
        assert studio.daemon.process.wait(20) == 0


def test_ctrl_c_releases_notes_says_goodbye_and_leaves_in_order(server: JackServer, tmp_path: Path) -> None:
    with OpenStudio(tmp_path, server, "Stopped") as studio:
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
        [sys.executable, "-m", "bridge", "run", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert second.returncode == 1
    assert str(studio.daemon.port) in second.stderr
    assert "Traceback" not in second.stderr

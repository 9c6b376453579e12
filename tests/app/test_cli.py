"""The command line as a person meets it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mido
import pytest

from bridge.app.song import demo_song
from tests.daemon_peer import ROOT, RunningDaemon
from tests.jack_peer import PEERS_REQUIRED, missing_jack


def stembridge(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
    )


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    settings = {"midi": {"backend": "recording"}, "inference": {"model": "spleeter-2stems", "warm_start": False}}
    with RunningDaemon(tmp_path_factory.mktemp("daemon"), settings) as daemon:
        yield daemon


def test_help_names_every_command_and_shows_typical_use() -> None:
    said = stembridge("--help").stdout
    for command in ("run", "render", "send", "calibrate", "ports", "models", "doctor", "demo"):
        assert re.search(rf"\n    {command}\s", said)
    assert "stembridge send /bridge/job/start" in said


def test_send_prints_the_answers(daemon: RunningDaemon) -> None:
    done = stembridge("send", "/bridge/version", "--port", daemon.port, "--wait", 0.5)
    assert done.stdout.startswith("/bridge/version 0.")
    assert done.returncode == 0


def test_send_makes_numbers_where_the_address_takes_them(daemon: RunningDaemon) -> None:
    assert (
        "/bridge/param/transpose 5"
        in stembridge("send", "/bridge/param/transpose", "5", "--port", daemon.port, "--wait", 0.5).stdout
    )
    refused = stembridge("send", "/bridge/param/transpose", "high", "--port", daemon.port, "--wait", 0.5)
    assert "bad_argument" in refused.stdout
    assert refused.returncode == 1


def test_send_to_nobody_says_that_nobody_answers() -> None:
    done = stembridge("send", "/bridge/ping", "--port", 9)
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("/nowhere/song.wav",), "/nowhere/song.wav does not exist"),
        ((demo_song(), "--stem", "voclas"), "'voclas'"),
        ((demo_song(), "--start", 90), "90"),
        ((demo_song(), "--model", "htdemux"), "htdemux"),
        ((demo_song(), "--transcriber", "madmom"), "madmom-cnn"),
        ((demo_song(), "--stem", "drums", "--model", "spleeter-2stems"), "drums"),
        ((demo_song(), "--config", "/nowhere/config.toml"), "/nowhere/config.toml"),
    ],
)
def test_render_explains_what_cannot_be_done_and_writes_nothing(
    tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    done = stembridge("render", *words, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_render_leaves_stem_midi_and_picture_of_the_region(tmp_path: Path) -> None:
    done = stembridge(
        *("render", demo_song(), "--model", "spleeter-2stems", "--stem", "vocals,other", "--picture"),
        *("--start", 2, "--end", 8, "--bpm", 90, "--out", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{s}.{e}" for s in ("vocals", "other") for e in ("wav", "mid", "png")
    }
    midi = mido.MidiFile(tmp_path / "vocals.mid")
    assert midi.type == 1
    assert next(m.tempo for m in midi.tracks[0] if m.type == "set_tempo") == mido.bpm2tempo(90)
    assert 0 < midi.length < 6.5
    assert "pitchgram" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--pitch", "200"), 2, "'200': expected a whole number from 0 to 127"),
        (("--channel", "0"), 2, "'0': expected a whole number from 1 to 16"),
        (("--clicks", "3"), 1, "3 clicks are too few"),
    ],
)
def test_calibrate_explains_what_it_cannot_play(arguments: tuple[str, str], status: int, said: str) -> None:
    done = stembridge("calibrate", *arguments)
    assert done.returncode == status
    assert said in done.stderr


def test_doctor_names_what_is_there_and_what_to_do_about_the_rest(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[osc]\nport = 0\n[inference]\nmodel = 'htdemux'\n[output]\nfolder = '{tmp_path}'\n")
    done = stembridge("doctor", "--config", config)
    assert done.returncode == 1
    lines = {line.split(":")[0].split(maxsplit=1)[1]: line for line in done.stdout.splitlines()}
    assert lines["OSC"].startswith("ok")
    assert lines["Models"].startswith("WRONG")
    assert "htdemux" in lines["Models"]
    assert "mono" in lines["Transcriber of vocals"]
    assert all(lines[f"Transcriber of {stem}"].startswith("ok") for stem in ("vocals", "drums", "bass", "other"))
    assert lines["Output folder"].startswith("ok")


def test_doctor_finds_a_running_daemon(daemon: RunningDaemon) -> None:
    said = stembridge("doctor", "--config", daemon.log.parent / "config.toml").stdout
    assert "ok    OSC" in said


def test_models_says_which_weights_are_here() -> None:
    lines = stembridge("models").stdout.splitlines()
    assert any("htdemucs_ft" in line for line in lines)
    assert any("spleeter" in line and "here" in line for line in lines)


def test_the_demo_plays_the_song_on_a_port_and_leaves_its_files(tmp_path: Path) -> None:
    reason = missing_jack()
    if reason is not None:
        (pytest.fail if PEERS_REQUIRED else pytest.skip)(reason)
    done = stembridge("demo", "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"vocals.wav", "vocals.mid", "vocals.png"} <= {p.name for p in tmp_path.iterdir()}
    assert "A second process is connected to that port" in done.stdout
    notes = sum(m.type == "note_on" for m in mido.MidiFile(tmp_path / "vocals.mid"))
    assert done.stdout.count("  note ") == notes > 5
    assert "pitchgram" in done.stdout


def test_without_jack_the_demo_says_how_to_get_it_and_records(tmp_path: Path) -> None:
    done = stembridge("demo", "--out", tmp_path, env={"PATH": str(tmp_path), "JACK_DEFAULT_SERVER": "nobody"})
    assert done.returncode == 0, done.stdout + done.stderr
    if "No MIDI system runs here" in done.stdout:
        assert "sudo apt-get install jackd2" in done.stdout
        assert "recorded to a file" in done.stdout
    assert done.stdout.count("  note ") > 5

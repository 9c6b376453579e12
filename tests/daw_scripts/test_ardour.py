"""StemBridge's actions in the real Ardour, run on what is really selected there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.session.plan import folder_name
from bridge.session.request import JobRequest
from bridge.units import JobId
from tests.alone import ALONE, missing_ardour, require
from tests.daw_scripts.ardour_setup import BPM, LATER_BPM, RATE, SCRIPTS, beats_of, missing_window
from tests.daw_scripts.ardour_story import TAKE_AT, TAKE_TRIM
from tests.jack_peer import missing_jack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of one run of Ardour in which every action was used."""
    require(missing_ardour() or missing_jack() or missing_window())
    folder = tmp_path_factory.mktemp("ardour")
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.daw_scripts.ardour_story", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def matches(request: dict[str, Any], region: dict[str, Any]) -> None:
    """Whether a job is exactly what Ardour says of a region."""
    assert [request["path"], *([request["path2"]] if request["path2"] else [])] == region["files"]
    assert request["start"] == pytest.approx(region["start"] / RATE, abs=1e-9)
    assert request["end"] == pytest.approx((region["start"] + region["length"]) / RATE, abs=1e-9)
    assert request["at"] == pytest.approx(beats_of(region["position"] / RATE), abs=5e-5)  # one sample is 3.4e-5 beats
    assert (request["sync"], request["follow"], request["rate"], request["at_s"]) == ("transport", "time", 1.0, None)


def test_a_trimmed_and_moved_stereo_region_becomes_exactly_its_job(story: dict[str, Any]) -> None:
    region, request = story["take"]["region"], story["take"]["request"]
    assert (region["position"], region["start"]) == (TAKE_AT, TAKE_TRIM[0])
    assert region["length"] == TAKE_TRIM[1] - TAKE_TRIM[0]
    assert [Path(path).name for path in region["files"]] == ["Take 1%L.wav", "Take 1%R.wav"]
    matches(request, region)
    assert request["stems"] == ["vocals"]
    assert request["bpm"] == pytest.approx(BPM, abs=1e-4)


def test_several_regions_become_a_job_each(story: dict[str, Any]) -> None:
    take, second = story["several"]
    matches(take, story["take"]["region"])
    matches(second, story["second"])
    assert second["path2"] is None
    assert second["stems"] == ["other"]
    assert second["bpm"] == pytest.approx(LATER_BPM, abs=1e-4)


def test_the_notes_arrive_on_ardours_midi_track_at_their_places(story: dict[str, Any]) -> None:
    pitches = [pitch for _, pitch in story["played"]]
    assert [pitch for _, pitch in story["heard"]] == pitches
    assert [pitch for _, pitch in story["recorded"]] == pitches
    # Also behind the tempo change, of which the daemon knows by the session's tempo map.
    errors = sorted(map(abs, story["recorded_errors_ms"]))
    assert errors[len(errors) // 2] < 5.0
    # On a busy machine JACK misses cycles, each 5 ms of the timeline.
    assert errors[-1] < 60.0


def test_the_stem_is_imported_where_the_clip_is(story: dict[str, Any]) -> None:
    take, stem = story["take"]["region"], story["imported"]["audio"]
    assert stem["position"] == take["position"]
    assert abs(stem["length"] - take["length"]) <= 1  # it was resampled twice
    assert story["imported_difference"] < 2e-3


def test_the_notes_are_imported_where_the_audio_has_them_also_after_a_tempo_change(story: dict[str, Any]) -> None:
    assert [pitch for _, pitch in story["imported_notes"]] == [pitch for _, pitch in story["played"]]
    assert max(map(abs, story["imported_errors_ms"])) < 0.3  # half a tick is 0.16 ms
    notes, take = story["imported"]["notes"], story["take"]["region"]
    assert abs(notes["position"] - take["position"]) <= 8  # MIDI regions begin and end on a tick, 15 samples long
    assert abs(notes["length"] - take["length"]) <= 16
    # In ticks, or Ardour hides notes behind the tempo change.
    assert story["imported_domain"] == "b@b"


def test_a_midi_region_is_refused_with_a_message(story: dict[str, Any]) -> None:
    assert Path(story["refused"]).stat().st_size > 0


def test_cancel_ends_the_jobs_of_what_is_selected(story: dict[str, Any]) -> None:
    assert story["unloaded"] == ["cancelled", "cancelled"]


@pytest.mark.parametrize(
    "name",
    [
        "take.wav",
        "Take 1%L.wav",
        "Zweite Spur ü.wav",
        "x" * 140 + ".wav",
        "¿q¡ #$.flac",
        "a.b.wav",
        ".hid",
        "日本" * 40,
    ],
)
def test_results_are_found_whatever_the_file_is_called(name: str, tmp_path: Path) -> None:
    require(missing_ardour())
    job, results = "ardour-6b09bf67-604cf735-2", tmp_path / "it's here"
    folder = results / folder_name(JobRequest(JobId(job), Path("/x") / name))
    folder.mkdir(parents=True)
    (results / f"other {job}2").mkdir()
    script = tmp_path / "find.lua"
    script.write_text(
        f"""
        local daemon = dofile("{SCRIPTS}/stembridge/daemon.lua")
        print("FOUND" .. daemon.job_folder({{results = "{results}"}}, "{job}", "/x/{name}"))
        """
    )
    done = subprocess.run(
        ["ardour7-lua", script],
        env=os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"FOUND{folder}\n" in done.stdout, done.stdout + done.stderr

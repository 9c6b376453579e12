"""What REAPER's play actions send for what is selected, as the daemon's own table understands it: path, start, end, at, rate, bpm."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.music.sound import Stem
from bridge.session.commands import StartJob
from bridge.session.request import JobRequest, Sync
from tests.alone import require
from tests.daw_scripts.reaper_peer import PLAY_VOCALS, Reaper, ScriptedBridge, audio, clip, missing_lua, section

TEMPO_CHANGE = {"bpm": 120, "markers": [{"seconds": 0.0, "bpm": 120}, {"seconds": 8.0, "bpm": 90}]}
"""Second 8 is quarter 16; after it a quarter lasts 2/3 s."""

Play = Callable[..., tuple[list[JobRequest], list[str]]]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Run the action on a project; return the jobs that arrive, by their place, and what message boxes say."""
    require(missing_lua())
    with ScriptedBridge() as bridge:

        def run(
            *items: Any, action: str = PLAY_VOCALS, jobs: int = 1, **project: Any
        ) -> tuple[list[JobRequest], list[str]]:
            tracks = [{"items": items}, *project.pop("tracks", [])]
            with Reaper(tmp_path / "the musician's own", bridge.port, tracks=tracks, **project) as reaper:
                reaper.run(action)
                if jobs:
                    reaper.turn_until(lambda: len(bridge.of("job/start")) >= jobs)
                    reaper.turn(2)
                boxes = reaper.boxes
            commands = [parsed.command for parsed in bridge.parsed("job/start")]
            assert len(commands) == jobs
            requests = [command.request for command in commands if isinstance(command, StartJob)]
            return sorted(requests, key=lambda request: request.at or 0.0), boxes

        yield run


@pytest.fixture
def song(tmp_path: Path) -> dict[str, Any]:
    return audio(tmp_path / "a song's \u266b.wav", 60.0)


def values(request: JobRequest) -> tuple[Any, ...]:
    """Start, end, at, rate, bpm, rounded to microseconds."""
    return tuple(
        round(value, 6)
        for value in (request.start, request.end, request.at, request.rate, request.bpm)
        if value is not None
    )


def test_a_whole_file_at_its_place(play: Play, song: dict[str, Any]) -> None:
    [request], boxes = play(clip(song, 2.0, 60.0))
    assert boxes == []
    assert request.path == song["path"]
    assert values(request) == (0.0, 60.0, 4.0, 1.0, 120.0)
    assert (request.stems, request.sync) == ((Stem.VOCALS,), Sync.TRANSPORT)


@pytest.mark.parametrize("stem", ["vocals", "bass", "drums", "other"])
def test_each_action_asks_for_its_stem(play: Play, song: dict[str, Any], stem: str) -> None:
    [request], _ = play(clip(song, 0.0, 10.0), action=f"Play stem as MIDI ({stem})")
    assert request.stems == (Stem(stem),)


def test_an_offset_stretched_clip_split_at_a_tempo_change(play: Play, song: dict[str, Any]) -> None:
    # The clip began at 4 s with 3.5 s of its file, at 1.25 times its speed; the split is at the tempo change, 4 s later.
    left = clip(song, 4.0, 4.0, D_STARTOFFS=3.5, D_PLAYRATE=1.25)
    right = clip(song, 8.0, 6.0, D_STARTOFFS=8.5, D_PLAYRATE=1.25)
    requests, boxes = play(left, right, jobs=2, **TEMPO_CHANGE)
    assert boxes == []
    assert [values(request) for request in requests] == [
        (3.5, 8.5, 8.0, 1.25, 96.0),
        (8.5, 16.0, 16.0, 1.25, 72.0),
    ]


def test_a_clip_across_a_tempo_change_is_one_job(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(song, 7.0, 4.0, D_STARTOFFS=1.0), **TEMPO_CHANGE)
    assert values(request) == (1.0, 5.0, 14.0, 1.0, 120.0)


def test_behind_a_tempo_change_and_on_a_ramp(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(song, 11.0, 2.0), **TEMPO_CHANGE)
    assert values(request) == (0.0, 2.0, 20.5, 1.0, 90.0)


def test_a_ramp_of_the_tempo_is_followed(play: Play, song: dict[str, Any]) -> None:
    ramp = [{"seconds": 0.0, "bpm": 60, "ramps": True}, {"seconds": 10.0, "bpm": 120}]
    [request], _ = play(clip(song, 5.0, 2.0), markers=ramp, bpm=60)
    assert request.at == pytest.approx((60 + 90) / 2 * 5 / 60)
    assert request.bpm == pytest.approx(90, abs=0.01)


def test_bpm_counts_quarters_under_a_signature_of_eighths(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(song, 0.0, 2.0), markers=[{"seconds": 0.0, "bpm": 100}], signature_denominator=8)
    assert request.bpm == pytest.approx(100)


def test_a_file_that_begins_later_than_its_clip_and_ends_before_it(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(song, 10.0, 100.0, D_STARTOFFS=-3.0, D_PLAYRATE=2.0))
    assert values(request) == (0.0, 60.0, 23.0, 2.0, 60.0)


def test_a_looped_clip_is_a_job_for_each_pass(play: Play, tmp_path: Path) -> None:
    bar = audio(tmp_path / "bar.wav", 2.0)
    requests, _ = play(clip(bar, 1.0, 6.0, B_LOOPSRC=1, D_STARTOFFS=0.5), jobs=4)
    assert [values(request) for request in requests] == [
        (0.5, 2.0, 2.0, 1.0, 120.0),
        (0.0, 2.0, 5.0, 1.0, 120.0),
        (0.0, 2.0, 9.0, 1.0, 120.0),
        (0.0, 0.5, 13.0, 1.0, 120.0),
    ]
    assert len({(request.start, request.end) for request in requests}) == 4, (
        "StemBridge keeps one place for each region"
    )


def test_the_passes_of_a_loop_have_the_tempo_that_they_begin_in(play: Play, tmp_path: Path) -> None:
    bar = audio(tmp_path / "bar.wav", 2.0)
    requests, _ = play(clip(bar, 7.0, 4.0, B_LOOPSRC=1), jobs=2, **TEMPO_CHANGE)
    assert [values(request) for request in requests] == [(0.0, 2.0, 14.0, 1.0, 120.0), (0.0, 2.0, 17.5, 1.0, 90.0)]


def test_a_clip_that_loops_very_often_is_refused(play: Play, tmp_path: Path) -> None:
    _, boxes = play(clip(audio(tmp_path / "hit.wav", 0.25), 0.0, 60.0, B_LOOPSRC=1), jobs=0)
    assert "more than 64 times" in boxes[0]


def test_a_section_and_a_section_of_a_section(play: Play, song: dict[str, Any]) -> None:
    part = section(song, 10.0, 8.0)
    requests, _ = play(
        clip(part, 0.0, 20.0, D_STARTOFFS=1.0), clip(section(part, 3.0, 2.0), 30.0, 2.0, D_PLAYRATE=0.5), jobs=2
    )
    assert [values(request) for request in requests] == [(11.0, 18.0, 0.0, 1.0, 120.0), (13.0, 14.0, 60.0, 0.5, 240.0)]


def test_a_looped_section_repeats_the_section(play: Play, song: dict[str, Any]) -> None:
    requests, _ = play(clip(section(song, 10.0, 2.0), 0.0, 3.0, B_LOOPSRC=1), jobs=2)
    assert [values(request) for request in requests] == [(10.0, 12.0, 0.0, 1.0, 120.0), (10.0, 11.0, 4.0, 1.0, 120.0)]


def test_of_sections_in_sections_the_outer_one_repeats_and_the_inner_one_ends(play: Play, song: dict[str, Any]) -> None:
    inside = section(section(song, 10.0, 8.0), 3.0, 2.0)
    beyond = section(section(song, 30.0, 4.0), 3.0, 5.0)
    requests, _ = play(clip(inside, 0.0, 3.0, B_LOOPSRC=1), clip(beyond, 10.0, 6.0, B_LOOPSRC=1), jobs=4)
    assert [values(request) for request in requests] == [
        (13.0, 15.0, 0.0, 1.0, 120.0),
        (13.0, 14.0, 4.0, 1.0, 120.0),
        (33.0, 34.0, 20.0, 1.0, 120.0),
        (33.0, 34.0, 30.0, 1.0, 120.0),
    ]


def test_a_section_ends_where_its_file_does(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(section(song, 58.0, 8.0), 0.0, 8.0))
    assert values(request) == (58.0, 60.0, 0.0, 1.0, 120.0)


def test_the_time_selection_cuts_what_it_touches(play: Play, song: dict[str, Any]) -> None:
    items = (clip(song, 0.0, 10.0), clip(song, 10.0, 10.0, D_STARTOFFS=20.0, D_PLAYRATE=0.5), clip(song, 30.0, 5.0))
    requests, boxes = play(*items, jobs=2, time_selection=[6.0, 14.0])
    assert boxes == []
    assert [values(request) for request in requests] == [(6.0, 10.0, 12.0, 1.0, 120.0), (20.0, 22.0, 20.0, 0.5, 240.0)]


def test_a_time_selection_elsewhere_is_left_aside(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(song, 0.0, 10.0), time_selection=[40.0, 50.0])
    assert values(request) == (0.0, 10.0, 0.0, 1.0, 120.0)


def test_without_items_the_selected_track_and_the_time_selection_count(play: Play, song: dict[str, Any]) -> None:
    track = {"selected": True, "items": [{**clip(song, 0.0, 10.0), "selected": False}]}
    [request], _ = play(tracks=[track], time_selection=[2.0, 3.0])
    assert values(request) == (2.0, 3.0, 4.0, 1.0, 120.0)


def test_copies_of_a_clip_play_each_at_its_place(play: Play, song: dict[str, Any]) -> None:
    requests, _ = play(clip(song, 0.0, 4.0), clip(song, 8.0, 4.0), jobs=2)
    assert [values(request) for request in requests] == [(0.0, 4.0, 0.0, 1.0, 120.0), (0.0, 4.0, 16.0, 1.0, 120.0)]
    assert requests[0].end != requests[1].end


def test_the_transports_play_rate_is_the_clips_too(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(song, 4.0, 4.0, D_PLAYRATE=1.5), play_rate=0.5)
    assert values(request) == (0.0, 6.0, 8.0, 0.75, 80.0)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_mono_stereo_and_more_channels_are_heard_whole(play: Play, tmp_path: Path, channels: int, mode: int) -> None:
    [request], boxes = play(clip(audio(tmp_path / "a.wav", 9.0, channels=channels), 0.0, 9.0, I_CHANMODE=mode))
    assert (request.end, boxes) == (9.0, [])


File = dict[str, Any]

REFUSED: dict[str, tuple[Callable[[File], dict[str, Any]], str]] = {
    "reversed": (lambda f: clip(section(f, 0.0, 9.0, reversed=True), 0.0, 9.0), "is reversed"),
    "reversed below a section": (
        lambda f: clip(section(section(f, 0, 9, reversed=True), 1, 2), 0.0, 2.0),
        "is reversed",
    ),
    "midi": (lambda _: clip({"type": "MIDI"}, 0.0, 4.0, midi=True), "is MIDI already"),
    "empty": (lambda _: {"values": {"D_POSITION": 0.0, "D_LENGTH": 4.0}}, "is an empty item"),
    "no source": (lambda _: clip(None, 0.0, 4.0), "has no source"),
    "gone": (
        lambda _: clip({"path": "/nowhere/gone.wav", "length": 5.0}, 0.0, 4.0),
        "/nowhere/gone.wav cannot be read",
    ),
    "offline": (lambda f: clip({**f, "type": "OFFLINEWAVE"}, 0.0, 4.0), "is offline"),
    "no length": (lambda f: clip({**f, "length": 0.0}, 0.0, 4.0), "is offline"),
    "subproject": (lambda f: clip({**f, "type": "RPP_PROJECT"}, 0.0, 4.0), "a project inside the project"),
    "click": (lambda _: clip({"type": "CLICK"}, 0.0, 4.0), "is a click source"),
    "no file": (lambda _: clip({"type": "EMPTY"}, 0.0, 4.0), "has no file"),
    "stretch markers": (lambda f: clip(f, 0.0, 4.0, markers=2), "has stretch markers"),
    "stretches": (lambda f: clip(f, 6.0, 4.0, C_BEATATTACHMODE=1, C_AUTOSTRETCH=1), "stretches with the tempo"),
    "left channel only": (lambda f: clip(f, 0.0, 4.0, I_CHANMODE=3), "only some of the 2 channels"),
    "too slow": (lambda f: clip(f, 0.0, 4.0, D_PLAYRATE=0.01), "plays at rate 0.01"),
    "after the end": (lambda f: clip(f, 0.0, 4.0, D_STARTOFFS=10.0), "plays no sound"),
    "section after the end": (lambda f: clip(section(f, 20.0, 2.0), 0.0, 2.0), "beyond the end"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_played_is_refused_with_the_reason_and_the_rest_plays(
    play: Play, tmp_path: Path, song: dict[str, Any], case: str
) -> None:
    make, words = REFUSED[case]
    [request], [box] = play(make(audio(tmp_path / "a.wav", 9.0)), clip(song, 20.0, 4.0), **TEMPO_CHANGE)
    assert request.path == song["path"]
    assert words in box
    assert re.match(r'("take"|The item) at 0:0\d\.000 ', box)


def test_a_clip_that_follows_a_steady_tempo_plays(play: Play, song: dict[str, Any]) -> None:
    [request], _ = play(clip(song, 0.0, 4.0, C_BEATATTACHMODE=1, C_AUTOSTRETCH=1), **TEMPO_CHANGE)
    assert values(request) == (0.0, 4.0, 0.0, 1.0, 120.0)


def test_nothing_selected_says_what_to_do(play: Play) -> None:
    _, boxes = play(jobs=0)
    assert boxes == ["Nothing is selected. Select an audio item, or a track and a time selection."]

"""REAPER's background script: the transport it tells, the jobs it keeps, and what the musician hears of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.midi.file_tempo import read_tempo
from bridge.music.bars import bar_length
from bridge.session.commands import ObserveClock, SetParameter, StartJob, UseTempoMap
from bridge.units import Beats, Seconds
from tests.alone import require
from tests.daw_scripts.reaper_peer import BACKGROUND, PLAY_VOCALS, Reaper, ScriptedBridge, audio, clip, missing_lua

PLAYING, PAUSED, RECORDING = 1, 2, 4
STEPS = [{"seconds": 0.0, "bpm": 120}, {"seconds": 8.0, "bpm": 90}, {"seconds": 12.0, "bpm": 150}]

Open = Callable[..., Reaper]


@pytest.fixture
def bridge() -> Iterator[ScriptedBridge]:
    with ScriptedBridge() as bridge:
        yield bridge


@pytest.fixture
def reaper(tmp_path: Path, bridge: ScriptedBridge) -> Iterator[Open]:
    """Open REAPER with a project; it is closed after the test."""
    require(missing_lua())
    opened: list[Reaper] = []

    def open_(*items: Any, **project: Any) -> Reaper:
        opened.append(Reaper(tmp_path / "the musician's own", bridge.port, tracks=[{"items": items}], **project))
        return opened[-1]

    yield open_
    for each in opened:
        each.__exit__()


@pytest.fixture
def song(tmp_path: Path) -> dict[str, Any]:
    return audio(tmp_path / "song.wav", 60.0)


def observed(bridge: ScriptedBridge) -> ObserveClock:
    command = bridge.parsed("clock/observe")[-1].command
    assert isinstance(command, ObserveClock)
    return command


def played(reaper: Reaper, bridge: ScriptedBridge, count: int = 1, action: str = PLAY_VOCALS) -> list[str]:
    """Play what is selected; return the ids of all jobs so far."""
    reaper.run(action)
    reaper.turn_until(lambda: len(bridge.of("job/start")) >= count, "the job")
    return [str(message.arguments[0]) for message in bridge.of("job/start")]


# The transport


def observation(reaper: Reaper, bridge: ScriptedBridge, change: str) -> ObserveClock:
    """What is told of the project after a change."""
    reaper.lua(change)
    reaper.turn(2)
    count = len(bridge.of("clock/observe"))
    reaper.turn_until(lambda: len(bridge.of("clock/observe")) > count + 1)
    return observed(bridge)


def test_the_transport_is_told_thirty_times_a_second(reaper: Open, bridge: ScriptedBridge) -> None:
    project = reaper(cursor=3.0)
    project.run(BACKGROUND)
    project.turn_until(lambda: bridge.of("clock/observe"))
    before = len(bridge.of("clock/observe"))
    project.turn(30)
    project.turn_until(lambda: len(bridge.of("clock/observe")) >= before + 30)
    assert len(bridge.of("clock/observe")) <= before + 34
    assert observed(bridge) == ObserveClock(Seconds(3.0), Beats(6.0), pytest.approx(120.0), False, None)


def test_positions_are_quarters_through_tempo_changes(reaper: Open, bridge: ScriptedBridge) -> None:
    project = reaper(markers=STEPS)
    project.run(BACKGROUND)
    seen = observation(project, bridge, f"project.state, project.position = {PLAYING}, 10.0")
    assert seen.playing
    assert seen.seconds is not None
    assert 10.0 < seen.seconds < 11.0
    assert seen.beats == pytest.approx(16 + (seen.seconds - 8) * 1.5)
    assert seen.bpm == pytest.approx(90)


def test_what_rolls_is_told_as_processed_or_as_heard(reaper: Open, bridge: ScriptedBridge) -> None:
    project = reaper(play_rate=1.0)
    project.run(BACKGROUND)
    told = []
    for position in ("processed", "heard"):
        # As it were recording without moving: the stub's speakers are 20 ms behind.
        project.lua(f'stage.ext["StemBridge/position"] = "{position}"')
        seen = observation(
            project, bridge, f"project.state, project.position, project.moving = {RECORDING}, 10.0, false"
        )
        assert seen.playing
        told.append(seen.seconds)
    assert told == [pytest.approx(10.0), pytest.approx(9.98)]


def test_paused_stays_where_it_paused_and_the_loop_is_told(reaper: Open, bridge: ScriptedBridge) -> None:
    project = reaper(markers=STEPS, loop=[6.0, 10.0], repeats=True, cursor=1.0)
    project.run(BACKGROUND)
    seen = observation(project, bridge, f"project.state, project.position = {PAUSED}, 4.02")
    assert (seen.seconds, seen.playing) == (pytest.approx(4.0), False)
    assert seen.loop is not None
    assert (seen.loop.start, seen.loop.end) == (12.0, 19.0)
    assert observation(project, bridge, "project.repeats = 0").loop is None
    assert observation(project, bridge, "project.repeats, project.loop = 1, { 6.0, 6.0 }").loop is None


def test_at_another_play_rate_the_beats_alone_say_where_it_is(reaper: Open, bridge: ScriptedBridge) -> None:
    project = reaper(cursor=2.0, play_rate=1.5)
    project.run(BACKGROUND)
    seen = observation(project, bridge, "")
    assert (seen.seconds, seen.beats, seen.bpm) == (None, 4.0, pytest.approx(180))


def test_the_projects_tempi_are_told_ahead_and_anew_when_they_change(reaper: Open, bridge: ScriptedBridge) -> None:
    project = reaper(markers=STEPS)
    project.run(BACKGROUND)

    def told(count: int) -> Path:
        project.turn_until(lambda: len(bridge.of("clock/map")) >= count)
        command = bridge.parsed("clock/map")[-1].command
        assert isinstance(command, UseTempoMap)
        assert command.path is not None
        return command.path

    for seconds, beats in ((4.0, 8.0), (10.0, 19.0), (14.0, 27.0)):
        assert read_tempo(told(1)).beats_at(Seconds(seconds)) == pytest.approx(beats, abs=1e-4)
    project.turn(10)
    assert len(bridge.of("clock/map")) == 1
    project.lua("project.markers[2].bpm, project.changes = 60, project.changes + 1")
    assert read_tempo(told(2)).beats_at(Seconds(10.0)) == pytest.approx(18.0, abs=1e-4)
    project.quit()
    assert bridge.of("clock/map")[-1].arguments == ()


def test_a_ramp_is_many_short_steps(reaper: Open, bridge: ScriptedBridge) -> None:
    project = reaper(bpm=60, markers=[{"seconds": 0.0, "bpm": 60, "ramps": True}, {"seconds": 10.0, "bpm": 120}])
    project.run(BACKGROUND)
    project.turn_until(lambda: bridge.of("clock/map"))
    tempo = read_tempo(Path(str(bridge.of("clock/map")[0].arguments[0])))
    for seconds in (1.0, 3.3, 5.0, 9.9, 12.0):
        expected = float(project.lua(f"return project.quarters({seconds})"))
        assert tempo.seconds_at(Beats(expected)) == pytest.approx(seconds, abs=0.003)


def test_signatures_are_told_with_the_tempi(reaper: Open, bridge: ScriptedBridge) -> None:
    waltz = {"seconds": 4.0, "bpm": 120, "numerator": 6, "denominator": 8}
    project = reaper(markers=[{"seconds": 0.0, "bpm": 120}, waltz, {"seconds": 7.0, "bpm": 90}])
    project.run(BACKGROUND)
    project.turn_until(lambda: bridge.of("clock/map"))
    tempo = read_tempo(Path(str(bridge.of("clock/map")[0].arguments[0])))
    assert [bar_length(tempo.signatures, tempo.beats_per_bar, beat) for beat in (0.0, 7.9, 8.0, 15.0)] == [4, 4, 3, 3]


# Jobs


def test_an_action_starts_the_background_script_once_and_lights_it(
    reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]
) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    played(project, bridge)
    played(project, bridge, 2, "Play stem as MIDI (bass)")
    assert project.lua("return #stage.commands") == 1
    assert project.summary["toggles"] == [1]
    project.quit()
    assert project.summary["toggles"] == [0]


def test_playing_again_replaces_what_the_clip_played(
    reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]
) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    [first] = played(project, bridge)
    bridge.answer("job/accepted", first)
    bridge.answer("job/done", first)
    project.turn(3)
    project.lua("project.tracks[1].items[1].values.D_POSITION = 8.0")
    _, second = played(project, bridge, 2)
    assert [message.arguments for message in bridge.of("job/unload")] == [(first,)]
    assert second != first
    command = bridge.parsed("job/start")[1].command
    assert isinstance(command, StartJob)
    assert command.request.at == 16.0


def test_cancel_ends_what_is_selected_or_all(reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]) -> None:
    project = reaper(clip(song, 0.0, 4.0), clip(song, 8.0, 4.0))
    first, second = played(project, bridge, 2)
    project.lua("project.tracks[1].items[1].selected = false")
    project.run("Cancel")
    project.turn_until(lambda: bridge.of("job/cancel"))
    by_place = {
        str(m.arguments[0]): dict(zip(m.arguments[2::2], m.arguments[3::2], strict=True))["at"]
        for m in bridge.of("job/start")
    }
    assert [by_place[str(message.arguments[0])] for message in bridge.of("job/cancel")] == [16.0]
    project.lua("project.tracks[1].items[2].selected = false")
    project.run("Cancel")
    project.turn_until(lambda: len(bridge.of("job/cancel")) == 2)
    assert {message.arguments[0] for message in bridge.of("job/cancel")} == {first, second}


def test_many_passes_go_a_few_at_a_time_and_a_cancel_drops_the_rest(
    reaper: Open, bridge: ScriptedBridge, tmp_path: Path
) -> None:
    project = reaper(clip(audio(tmp_path / "bar.wav", 1.0), 0.0, 10.0, B_LOOPSRC=1))
    ids = played(project, bridge, 4)
    project.turn(5)
    assert len(bridge.of("job/start")) == 4
    bridge.answer("job/accepted", ids[0])
    bridge.answer("job/done", ids[0])
    project.turn_until(lambda: len(bridge.of("job/start")) == 5)
    project.run("Cancel")
    project.turn_until(lambda: len(bridge.of("job/cancel")) == 5)
    project.turn(5)
    assert len(bridge.of("job/start")) == 5


def test_a_transposed_clip_is_heard_transposed(reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]) -> None:
    project = reaper(
        clip(song, 0.0, 4.0, D_PITCH=-3.0), clip(song, 10.0, 4.0, D_PLAYRATE=2.0, B_PPITCH=0), clip(song, 20.0, 4.0)
    )
    ids = played(project, bridge, 3)
    for job in ids:
        bridge.answer("job/accepted", job)
    project.turn_until(lambda: len(bridge.of("param/transpose")) == 2)
    project.turn(3)
    commands = [parsed.command for parsed in bridge.parsed("param/transpose")]
    assert sorted(c.value for c in commands if isinstance(c, SetParameter)) == [-3, 12]
    assert {c.job for c in commands if isinstance(c, SetParameter)} < set(ids)


def test_a_project_that_is_left_takes_its_notes_with_it(
    reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]
) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    [job] = played(project, bridge)
    project.turn(5)
    assert bridge.of("job/unload") == []
    project.lua('stage.project = "userdata: 0x2"')
    project.turn_until(lambda: bridge.of("job/unload"))
    assert bridge.of("job/unload")[0].arguments == (job,)


# What goes wrong


def test_a_refusal_and_a_failure_are_told_in_words(reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    [first] = played(project, bridge)
    bridge.answer("error", first, "/bridge/job/start", "bad_audio", "song.wav is not audio that can be decoded")
    project.turn_until(lambda: project.boxes, "the box")
    assert project.boxes == ["StemBridge refused: song.wav is not audio that can be decoded (bad_audio)"]
    second = played(project, bridge, 2)[1]
    project.lua(f"project.state = {PLAYING}")
    bridge.answer("job/accepted", second)
    bridge.answer("job/failed", second, "out_of_memory", "the clip is too long")
    project.turn_until(lambda: project.console, "words on the console, as a box would stop the clock")
    assert len(project.boxes) == 1
    [words] = project.console
    assert "could not play the vocals of" in words
    assert "the clip is too long (out_of_memory)" in words


def test_what_ails_every_pass_is_said_once(reaper: Open, bridge: ScriptedBridge, tmp_path: Path) -> None:
    project = reaper(clip(audio(tmp_path / "bar.wav", 1.0), 0.0, 3.0, B_LOOPSRC=1))
    for job in played(project, bridge, 3):
        bridge.answer("error", job, "/bridge/job/start", "no_model", "there is no model")
    project.turn(10)
    assert len(project.boxes) == 1


def test_without_a_daemon_the_musician_is_told_to_start_it(tmp_path: Path, song: dict[str, Any]) -> None:
    require(missing_lua())
    with ScriptedBridge() as bridge:
        port = bridge.port
    with Reaper(tmp_path / "the musician's own", port, tracks=[{"items": [clip(song, 0.0, 4.0)]}]) as project:
        project.run(PLAY_VOCALS)
        project.turn_until(lambda: project.boxes, "the box")
        project.turn(20)
        assert len(project.boxes) == 1
        assert "Start it with `stembridge run`" in project.boxes[0]
        assert project.summary["running"], "the clock goes on: it may be started now"


def test_a_daemon_that_never_answers_is_told_too(reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    played(project, bridge)
    project.lua("stage.now = stage.now + 9")
    project.turn_until(lambda: project.boxes, "the box")
    assert "It does not answer" in project.boxes[0]


def test_an_analysis_may_take_its_time(reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    [job] = played(project, bridge)
    bridge.answer("job/accepted", job)
    project.turn(5)
    project.lua("stage.now = stage.now + 300")
    project.turn(5)
    assert project.boxes == []


def test_without_python_the_musician_is_told_and_reaper_lives(reaper: Open, song: dict[str, Any]) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    project.lua('stage.ext["StemBridge/python"] = "/nowhere/python3"')
    project.run(PLAY_VOCALS)
    project.turn(10)
    project.lua("stage.now = stage.now + 11")
    project.turn_until(lambda: project.boxes, "the box")
    assert "Python 3 does not start" in project.boxes[0]
    assert "/nowhere/python3" in project.boxes[0], "with what the system said"
    project.turn()
    assert not project.summary["running"]


def test_a_sender_that_dies_does_not_take_reaper_with_it(reaper: Open, bridge: ScriptedBridge, tmp_path: Path) -> None:
    dying = tmp_path / "python that dies"
    dying.write_text("#!/bin/sh\nhead -c 100 > /dev/null\nexit 3\n")
    dying.chmod(0o755)
    project = reaper()
    project.lua(f'stage.ext["StemBridge/python"] = "{dying}"')
    project.run(BACKGROUND)
    project.turn(30)
    assert project.summary["running"]
    assert bridge.of("clock/observe") == []


def test_leaving_takes_back_notes_and_leaves_no_files(
    reaper: Open, bridge: ScriptedBridge, song: dict[str, Any]
) -> None:
    project = reaper(clip(song, 0.0, 4.0))
    [job] = played(project, bridge)
    project.quit()
    assert [message.arguments for message in bridge.of("job/unload")] == [(job,)]
    assert [path.name for path in project.folder.iterdir()] == ["project.lua"]

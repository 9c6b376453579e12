"""The tempo of a job's source: given, or tracked in its audio."""

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.music.beat_track import BeatTrack
from bridge.session.plan import playback_rate
from bridge.session.request import Follow, JobRequest

TRACK = BeatTrack(tuple(0.3 + k * 0.5 for k in range(9)), (0, 4, 8), 0.6)
ASKED = JobRequest("job", Path("a.wav"), follow=Follow.TEMPO)


def test_what_was_given_comes_before_what_was_tracked():
    assert ASKED.tempo is None
    assert replace(ASKED, beats=TRACK).tempo.beats_at(0.8) == 1.0
    assert replace(ASKED, beats=TRACK, bpm=60.0).tempo.beats_at(0.8) == pytest.approx(0.8)


def test_beats_that_were_tracked_do_not_make_it_another_request():
    assert replace(ASKED, beats=TRACK) == ASKED


@pytest.mark.parametrize(
    ("fields", "rate"),
    [({"beats": TRACK}, 0.75), ({"bpm": 45.0}, 2.0), ({"beats": TRACK, "follow": Follow.TIME, "rate": 3.0}, 3.0)],
)
def test_playback_uses_clip_seconds_by_the_source_s_tempo(fields, rate):
    assert playback_rate(replace(ASKED, **fields), 90.0) == pytest.approx(rate)

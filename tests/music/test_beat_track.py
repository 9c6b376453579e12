import pytest

from bridge.music.bars import Signature
from bridge.music.beat_track import UNTRACKED, BeatTrack


def test_beats_become_a_map_with_beat_0_on_the_first_downbeat():
    track = BeatTrack((0.5, 1.0, 1.6, 2.1), (1,), 0.9)
    tempo = track.tempo_map()
    assert [tempo.beats_at(b) for b in track.beats] == [-1.0, 0.0, 1.0, 2.0]
    assert tempo.seconds_at(0.5) == pytest.approx(1.3)
    assert track.bpm == 120


def test_before_the_first_beat_and_after_the_last_the_neighbouring_tempo_holds():
    beats = tuple(1.0 + k * 0.5 for k in range(10))
    late = (*beats[:-1], beats[-1] + 0.1)  # One beat that was heard late speaks for nothing beyond it.
    tempo = BeatTrack(late, (0,), 0.9).tempo_map()
    assert tempo.bpm == pytest.approx(120)
    assert tempo.beats_at(0.0) == pytest.approx(-2.0)
    assert tempo.beats_at(-10.0) == pytest.approx(-22.0)


def test_bars_have_the_beats_that_lie_between_downbeats():
    track = BeatTrack(tuple(k * 0.5 for k in range(16)), (2, 5, 8, 12), 0.9)
    tempo = track.tempo_map()
    assert tempo.signatures == (Signature(0.0, 3, 4), Signature(6.0, 4, 4))
    assert [tempo.next_bar(b) for b in (-2.0, 0.5, 6.5)] == [0.0, 3.0, 10.0]


@pytest.mark.parametrize("beats", [(), (1.0,)])
def test_too_few_beats_make_a_map_all_the_same(beats):
    track = BeatTrack(beats, (), 0.0)
    assert track.bpm == UNTRACKED
    assert track.tempo_map().beats_at(1.0) == 2.0


@pytest.mark.parametrize(
    ("beats", "downbeats"), [((1.0, 1.0), ()), ((1.0, 2.0), (2,)), ((1.0, 2.0), (1, 0)), ((2.0, 1.0), ())]
)
def test_beats_out_of_order_and_downbeats_that_are_none_are_refused(beats, downbeats):
    with pytest.raises(ValueError, match="beats must"):
        BeatTrack(beats, downbeats, 1.0)

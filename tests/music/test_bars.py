import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.music.bars import BarPosition, Signature, bar_length
from bridge.music.tempo import TempoMap, TempoPoint


def project(*signatures, beats_per_bar=4.0):
    return TempoMap((TempoPoint(0.0, 0.0),), 120, beats_per_bar, tuple(Signature(*s) for s in signatures))


places = st.integers(-60_000, 300_000).map(lambda k: k / 1024)


@st.composite
def projects(draw):
    beats = sorted(draw(st.sets(st.integers(-40, 200), max_size=6)))
    signatures = [(b / 2, draw(st.integers(1, 12)), draw(st.sampled_from([2, 4, 8, 16]))) for b in beats]
    return project(*signatures, beats_per_bar=draw(st.sampled_from([4.0, 3.0, 3.5])))


def test_bars_without_a_change_run_from_beat_0_both_ways():
    tempo = TempoMap.constant(120, 3.0)
    assert [tempo.bar_at(b) for b in (0.0, 2.5, 3.0, -0.5, -3.0)] == [
        (0, 0.0),
        (0, 2.5),
        (1, 0.0),
        (-1, 2.5),
        (-1, 0.0),
    ]
    assert [tempo.next_bar(b) for b in (0.0, 0.1, 3.0, -0.5, -4.0)] == [0.0, 3.0, 3.0, 0.0, -3.0]


def test_a_change_of_signature_changes_the_bars_from_there_on():
    tempo = project((8, 3, 4), (14, 7, 8))
    assert [tempo.next_bar(b) for b in (4.5, 8.0, 8.5, 11.5, 14.1, 18.0)] == [8, 8, 11, 14, 17.5, 21]
    assert tempo.bar_at(11.0) == BarPosition(3, 0.0)
    assert tempo.bar_at(15.5) == BarPosition(4, 1.5)
    assert [bar_length(tempo.signatures, 4.0, b) for b in (7.9, 8.0, 14.0)] == [4.0, 3.0, 3.5]


def test_a_change_within_a_bar_cuts_it_short_and_begins_the_next():
    tempo = project((6, 4, 4))
    assert tempo.next_bar(4.5) == 6
    assert tempo.bar_at(5.0) == BarPosition(1, 1.0)
    assert tempo.bar_at(6.0) == BarPosition(2, 0.0)


@given(projects(), places)
def test_a_bar_begins_at_the_next_bar_and_none_between(tempo, beats):
    line = tempo.next_bar(beats)
    assert line >= beats
    assert tempo.bar_at(line).beat == 0.0
    here = tempo.bar_at(beats)
    assert tempo.bar_at(line).bar == here.bar + (here.beat > 0)


@given(projects(), places, st.floats(0, 50))
def test_bars_are_counted_up_and_no_longer_than_their_signature_says(tempo, beats, step):
    assert tempo.bar_at(beats + step) >= tempo.bar_at(beats)
    assert 0 <= tempo.bar_at(beats).beat < bar_length(tempo.signatures, tempo.beats_per_bar, beats)


@pytest.mark.parametrize("wrong", [[(0, 0, 4)], [(0, 4, 3)], [(0, 4, 0)]])
def test_a_signature_that_no_bar_could_have_is_refused(wrong):
    with pytest.raises(ValueError, match="time signature needs"):
        project(*wrong)


def test_signatures_out_of_order_are_refused():
    with pytest.raises(ValueError, match="in order"):
        project((4, 4, 4), (4, 3, 4))

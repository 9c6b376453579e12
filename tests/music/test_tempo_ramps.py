from decimal import Decimal, getcontext
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.music.ramps import Over, Ramp
from bridge.music.tempo import TempoChange, TempoMap, TempoPoint

getcontext().prec = 50

HOUR = 3600.0
bpms = st.floats(20, 400)
overs = st.sampled_from([None, *Over])


@st.composite
def projects(draw, changes=20):
    """Changes and ramps on quarter-note fractions over up to an hour and a bit, some of them in a pre-roll."""
    beats = sorted(draw(st.sets(st.integers(-4000, 400_000), min_size=1, max_size=changes)))
    return [TempoChange(beat / 24, draw(bpms), draw(overs)) for beat in beats]


def exact_seconds(changes, beats):
    """Fifty digits: seconds from the first change to a beat."""
    at, total = Decimal(beats), Decimal(0)
    first = Decimal(changes[0].bpm)
    if at < Decimal(changes[0].beats):
        return (at - Decimal(changes[0].beats)) * 60 / first
    for a, b in pairwise([*changes, None]):
        begin, v = Decimal(a.beats), Decimal(a.bpm) / 60
        end = at if b is None else min(at, Decimal(b.beats))
        if b is None or a.ramp is None or b.bpm == a.bpm:
            total += (end - begin) / v
        else:
            w, whole = Decimal(b.bpm) / 60, Decimal(b.beats) - begin
            if a.ramp is Over.BEATS:
                gain = (w - v) / whole
                total += (1 + gain * (end - begin) / v).ln() / gain
            else:
                gain = (w * w - v * v) / (2 * whole)
                total += ((v * v + 2 * gain * (end - begin)).sqrt() - v) / gain
        if b is None or at <= Decimal(b.beats):
            return total
    raise AssertionError


@settings(deadline=None)
@given(projects(), st.floats(-100, 17_000))
def test_ramps_take_the_seconds_that_fifty_digits_say(changes, beats):
    tempo = TempoMap.of_changes(changes)
    expected = exact_seconds(changes, beats) - exact_seconds(changes, 0.0)
    assert abs(Decimal(tempo.seconds_at(beats)) - expected) < Decimal("1e-9")


@settings(deadline=None)
@given(projects(), st.floats(-60, HOUR))
def test_an_hour_s_seconds_become_beats_and_the_same_seconds_again(changes, seconds):
    tempo = TempoMap.of_changes(changes)
    assert abs(tempo.seconds_at(tempo.beats_at(seconds)) - seconds) < 1e-9


@settings(deadline=None)
@given(projects(), st.floats(-200, 20_000))
def test_an_hour_s_beats_become_seconds_and_the_same_beats_again(changes, beats):
    tempo = TempoMap.of_changes(changes)
    assert abs(tempo.beats_at(tempo.seconds_at(beats)) - beats) < 1e-9


@settings(deadline=None)
@given(projects(), st.floats(-200, 20_000), st.floats(1e-6, 10))
def test_time_never_stands_still_on_a_ramp(changes, beats, step):
    tempo = TempoMap.of_changes(changes)
    assert tempo.seconds_at(beats + step) > tempo.seconds_at(beats)


def test_thousands_of_changes_lose_nothing():
    changes = [TempoChange(k, 97.3 + (k * 7919 % 13) / 7, Over.BEATS if k % 3 else None) for k in range(6000)]
    tempo = TempoMap.of_changes(changes)
    for beats in (0.5, 1234.25, 5999.75, 7000.0):
        assert abs(Decimal(tempo.seconds_at(beats)) - exact_seconds(changes, beats)) < Decimal("1e-10")
        assert abs(tempo.beats_at(tempo.seconds_at(beats)) - beats) < 1e-10


@pytest.mark.parametrize("over", Over)
@pytest.mark.parametrize(("begin", "end"), [(60, 180), (180, 60), (120, 120), (120, 120 + 1e-9)])
def test_the_tempo_of_a_ramp_is_straight_along_its_axis(over, begin, end):
    tempo = TempoMap.of_changes([TempoChange(0, begin, over), TempoChange(16, end)])
    length = tempo.seconds_at(16)
    halfway = tempo.seconds_at(8) if over is Over.BEATS else length / 2
    assert tempo.bpm_at(halfway) == pytest.approx((begin + end) / 2)
    assert tempo.bpm_at(0.0) == pytest.approx(begin)
    assert tempo.bpm_at(length - 1e-9) == pytest.approx(end)
    assert tempo.bpm_at(length + 5) == end


def test_a_slowing_ramp_over_beats_takes_what_was_measured_of_cubase():
    # 150 to 50 bpm over four bars: bar lines at 1.750, 3.892, 6.654 and 10.546 s.
    tempo = TempoMap.of_changes([TempoChange(0, 150, Over.BEATS), TempoChange(16, 50)])
    assert [tempo.seconds_at(b) for b in (4, 8, 12, 16)] == pytest.approx([1.750, 3.892, 6.654, 10.546], abs=2e-3)


def test_a_ramp_over_seconds_passes_the_beats_of_its_mean_tempo():
    tempo = TempoMap.of_changes([TempoChange(0, 60, Over.SECONDS), TempoChange(16, 180)])
    assert tempo.seconds_at(16) == pytest.approx(16 / 120 * 60)


def test_before_its_first_ramp_a_map_is_steady():
    tempo = TempoMap.of_changes([TempoChange(0, 60, Over.BEATS), TempoChange(4, 240)])
    assert tempo.bpm_at(-50.0) == 60
    assert tempo.beats_at(-50.0) == -50.0


def test_beat_0_is_second_0_wherever_the_changes_begin():
    assert TempoMap.of_changes([TempoChange(-8, 60), TempoChange(4, 120)]).points[0].seconds == -8.0
    assert TempoMap.of_changes([TempoChange(8, 120)]).seconds_at(0.0) == 0.0


@pytest.mark.parametrize(
    "changes",
    [[], [TempoChange(0, 0)], [TempoChange(0, 60, Over.BEATS), TempoChange(4, -1)], [TempoChange(0, float("nan"))]],
)
def test_changes_without_a_tempo_are_refused(changes):
    with pytest.raises(ValueError, match="above 0"):
        TempoMap.of_changes(changes)


@pytest.mark.parametrize("beats", [(4, 0), (4, 4)])
def test_changes_out_of_order_are_refused(beats):
    with pytest.raises(ValueError, match="must increase"):
        TempoMap.of_changes([TempoChange(b, 60) for b in beats])


@pytest.mark.parametrize("seconds", [4.0, 2.0, 3.0])
def test_a_ramp_that_does_not_fit_between_its_points_is_refused(seconds):
    ramp = Ramp(60, 120, Over.SECONDS)
    points = (TempoPoint(0.0, 0.0, ramp), TempoPoint(seconds, 4.0))
    with pytest.raises(ValueError, match="does not end at"):
        TempoMap(points, 120)


def test_a_ramp_needs_a_point_to_lead_to():
    with pytest.raises(ValueError, match="to nowhere"):
        TempoMap((TempoPoint(0.0, 0.0, Ramp(60, 120, Over.BEATS)),), 120)

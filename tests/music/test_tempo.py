from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.music.tempo import SHORTEST_LOOP, Loop, TempoMap, TempoPoint, Transport

steps = st.tuples(st.floats(0.05, 30), st.floats(0.1, 60))
bpms = st.floats(20, 400)


@st.composite
def tempo_maps(draw):
    start = (draw(st.floats(-20, 20)), draw(st.floats(-20, 20)))
    points = accumulate(draw(st.lists(steps, max_size=6)), lambda a, b: (a[0] + b[0], a[1] + b[1]), initial=start)
    return TempoMap(tuple(TempoPoint(*p) for p in points), draw(bpms))


@st.composite
def transports(draw, loops=True):
    tempo = draw(tempo_maps())
    loop = None
    if loops:
        start = draw(st.floats(-10, 100))
        loop = draw(st.none() | st.floats(0.5, 60).map(lambda length: Loop(start, start + length)))
    return Transport(draw(st.floats(0, 1e5)), draw(st.floats(-30, 120)), True, tempo, loop)


@settings(deadline=None)
@given(tempo_maps(), st.floats(-100, 500))
def test_seconds_become_beats_and_the_same_seconds_again(tempo, seconds):
    assert tempo.seconds_at(tempo.beats_at(seconds)) == pytest.approx(seconds, abs=1e-9)


@settings(deadline=None)
@given(tempo_maps(), st.floats(-100, 500))
def test_beats_become_seconds_and_the_same_beats_again(tempo, beats):
    assert tempo.beats_at(tempo.seconds_at(beats)) == pytest.approx(beats, abs=1e-9)


@settings(deadline=None)
@given(tempo_maps(), st.floats(-100, 500), st.floats(0.001, 10))
def test_later_seconds_are_later_beats(tempo, seconds, step):
    assert tempo.beats_at(seconds + step) > tempo.beats_at(seconds)


@settings(deadline=None)
@given(tempo_maps(), st.floats(-100, 500))
def test_the_tempo_is_the_slope_of_the_map(tempo, seconds):
    step = 1e-4
    if any(seconds < p.seconds < seconds + step for p in tempo.points):
        return
    slope = (tempo.beats_at(seconds + step) - tempo.beats_at(seconds)) / step
    assert slope * 60 == pytest.approx(tempo.bpm_at(seconds), rel=1e-6)


@settings(deadline=None)
@given(transports(), st.floats(0, 200), st.floats(0.001, 200))
def test_spans_tile_the_interval(transport, after, length):
    begin, end = transport.host + after, transport.host + after + length
    at = begin
    for span in transport.spans(begin, end):
        assert span.host == pytest.approx(at, abs=1e-9)
        assert span.length > 0
        at = span.host + span.length
    assert at == pytest.approx(end, abs=1e-9)


@settings(deadline=None)
@given(transports(), st.floats(0, 200), st.floats(0.001, 200))
def test_a_span_runs_where_the_position_says_and_wraps_at_the_loop_s_end(transport, after, length):
    begin = transport.host + after
    for span in transport.spans(begin, begin + length):
        middle = span.host + span.length / 2
        assert transport.position(middle) == pytest.approx(span.seconds + span.length / 2, abs=1e-6)
        if span.wraps:
            assert span.seconds + span.length == pytest.approx(transport.loop_seconds[1], abs=1e-9)


def test_a_thousand_rounds_do_not_drift():
    transport = Transport(12345.678, 0.3, True, TempoMap.constant(117.3), Loop(1.0, 4.7))
    start, end = transport.loop_seconds
    spans = list(transport.spans(transport.host, transport.host + 1000.5 * (end - start)))
    assert len(spans) > 1000
    for rounds, span in enumerate(spans[1:]):
        assert span.host == pytest.approx(transport.host + (end - 0.3) + rounds * (end - start), abs=1e-9)
        assert span.seconds == pytest.approx(start, abs=1e-9)


@settings(deadline=None)
@given(transports(), st.floats(0, 500))
def test_the_next_wrap_is_after_the_time_asked_for_and_less_than_a_round_away(transport, after):
    host = transport.host + after
    wrap = transport.wrap_after(host)
    if transport.loop_seconds is None:
        assert wrap is None
        return
    start, end = transport.loop_seconds
    first = transport.host + end - transport.seconds
    assert host < wrap <= max(first, host + (end - start)) + 1e-9


def test_a_parked_transport_stands_still_and_has_no_spans():
    transport = Transport(5.0, 3.0, False, loop=Loop(0.0, 4.0))
    assert transport.position(99.0) == 3.0
    assert list(transport.spans(5.0, 99.0)) == []
    assert transport.wrap_after(5.0) is None


def test_a_playhead_beyond_the_loop_runs_on():
    transport = Transport(0.0, 10.0, True, TempoMap.constant(60), Loop(0.0, 4.0))
    assert transport.position(50.0) == 60.0


def test_a_loop_too_short_to_be_heard_does_not_act():
    transport = Transport(0.0, 0.0, True, TempoMap.constant(60), Loop(1.0, 1.0 + SHORTEST_LOOP / 2))
    assert transport.position(50.0) == 50.0


@pytest.mark.parametrize("points", [(), ((0.0, 0.0), (0.0, 1.0)), ((0.0, 0.0), (1.0, 0.0)), ((1.0, 1.0), (0.0, 2.0))])
def test_a_map_that_does_not_increase_is_refused(points):
    with pytest.raises(ValueError, match="tempo map"):
        TempoMap(tuple(TempoPoint(*p) for p in points), 120)

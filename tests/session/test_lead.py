"""When playback may start: simulated against every moment of what it promises."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.music.notes import Extent
from bridge.session.lead import SAFETY, Lead
from bridge.units import HostTime, Seconds

START = Seconds(0.0)


def up_to(end: float, begin: float = 0.0) -> tuple[Extent, ...]:
    return (Extent(Seconds(begin), Seconds(end)),)


@given(
    duration=st.floats(1, 600),
    stretch=st.floats(0.5, 12),
    speed=st.floats(0.2, 50),
    rate=st.floats(0.25, 4),
)
def test_a_playhead_that_starts_when_there_is_enough_never_overtakes_a_steady_analysis(
    duration: float, stretch: float, speed: float, rate: float
) -> None:
    lead = Lead(Seconds(duration), rate, HostTime(0.0))
    known = [0.0]
    while known[-1] < duration:
        known.append(min(duration, known[-1] + stretch))
    started: float | None = None
    for before, until in pairwise(known):
        now = until / speed
        if started is not None:
            assert (now - started) * rate <= before + 1e-6, "the playhead, just before this stretch became known"
        lead.advance(Seconds(until), up_to(until), HostTime(now), START)
        if started is None and lead.enough:
            started = now
    assert started is not None, "at the end there is always enough"


def test_nothing_is_enough_before_the_first_note_is_known() -> None:
    lead = Lead(Seconds(10.0), 1.0, HostTime(0.0))
    lead.advance(Seconds(6.0), (), HostTime(0.1), START)
    assert not lead.enough


def test_an_analysis_fast_enough_plays_after_its_first_stretch() -> None:
    lead = Lead(Seconds(240.0), 1.0, HostTime(0.0))
    lead.advance(Seconds(6.0), up_to(5.5), HostTime(6.0 / 2.0), START)
    assert lead.enough


@pytest.mark.parametrize("speed", [0.5, 0.9])
def test_a_slow_analysis_is_waited_for_no_longer_than_needed(speed: float) -> None:
    lead = Lead(Seconds(100.0), 1.0, HostTime(0.0))
    for until in range(5, 105, 5):
        lead.advance(Seconds(until), up_to(until), HostTime(until / speed), START)
        if lead.enough:
            break
    assert until <= 100 * (1 - SAFETY * speed) + 5 / (SAFETY * speed) + 5


def test_in_the_middle_only_the_way_to_the_end_counts() -> None:
    lead = Lead(Seconds(100.0), 1.0, HostTime(0.0))
    lead.advance(Seconds(6.0), up_to(96.0, 90.0), HostTime(3.0), Seconds(90.0))
    assert lead.enough, "4 s are left, and 6 s are known"
    assert lead.known - lead.playhead == 6.0


def test_what_is_known_elsewhere_is_no_lead() -> None:
    lead = Lead(Seconds(100.0), 1.0, HostTime(0.0))
    known = (*up_to(49.0), *up_to(100.0, 60.0))
    lead.advance(Seconds(89.0), known, HostTime(10.0), Seconds(50.0))
    assert not lead.enough, "a seek into what is not known"
    lead.advance(Seconds(89.0), known, HostTime(10.0), Seconds(70.0))
    assert lead.enough, "and out of it"


def test_a_playhead_that_rolled_out_of_what_is_known_has_no_lead() -> None:
    lead = Lead(Seconds(100.0), 1.0, HostTime(0.0))
    lead.advance(Seconds(6.0), up_to(26.0, 20.0), HostTime(3.0), Seconds(26.5))
    assert not lead.enough


def test_the_end_is_known_whatever_rounding_made_of_it() -> None:
    lead = Lead(Seconds(40.0), 1.0, HostTime(0.0))
    lead.advance(Seconds(20.0), up_to(40.0 - 1e-14, 20.0), HostTime(100.0), Seconds(20.0))
    assert lead.enough

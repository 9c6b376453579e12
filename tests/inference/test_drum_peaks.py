"""Strokes picked from made-up activations: when, of which drum, and which peaks are none."""

import numpy as np
import pytest

from bridge.inference.drum_network import SOURCES
from bridge.inference.drum_peaks import FLOOR, StrokePicker


def pick(curves, frames=20):
    """The strokes of these sources' activations, {source: {frame: value}}; and when each was given."""
    activations = np.zeros((frames + 1, len(SOURCES)), np.float32)
    for source, values in curves.items():
        for frame, value in values.items():
            activations[frame, SOURCES.index(source)] = value
    picker = StrokePicker()
    return [(stroke, now) for now, row in enumerate(activations) for stroke in picker.feed(row)]


def test_a_peak_is_given_one_frame_later():
    ((stroke, given),) = pick({"kick": {4: 0.2, 5: 0.9, 6: 0.2}})
    assert (stroke.frame, stroke.source, given) == (5, "kick", 6)
    assert stroke.strength == pytest.approx(0.9)
    assert stroke.shift == pytest.approx(0)


def test_a_stroke_lies_towards_the_higher_neighbour():
    early, late = (pick({"snare": {4: a, 5: 0.8, 6: b}})[0][0].shift for a, b in ((0.6, 0.1), (0.1, 0.6)))
    assert -0.5 <= early < 0 < late <= 0.5


@pytest.mark.parametrize(("one", "other"), [("closed_hat", "open_hat"), ("snare", "side_stick"), ("crash", "ride")])
def test_what_cannot_be_struck_together_is_one_stroke_of_the_likelier(one, other):
    ((stroke, _),) = pick({one: {5: 0.45}, other: {5: 0.35}})
    assert stroke.source == one
    assert stroke.strength == pytest.approx(1 - 0.55 * 0.65)


def test_different_drums_are_struck_together():
    found = pick({"kick": {5: 0.9}, "closed_hat": {5: 0.8}, "tom": {5: 0.7}})
    assert {stroke.source for stroke, _ in found} == {"kick", "closed_hat", "tom"}


def test_a_weaker_peak_right_after_a_stronger_one_is_its_echo():
    assert len(pick({"snare": {5: 0.9, 7: 0.6}})) == 1
    assert len(pick({"snare": {5: 0.6, 7: 0.9}})) == 2
    assert len(pick({"snare": {5: 0.9, 9: 0.6}})) == 2


def test_peaks_at_the_very_beginning_and_end_are_strokes():
    found = pick({"kick": {0: 0.9, 19: 0.8}})
    assert [stroke.frame for stroke, _ in found] == [0, 19]


def test_weak_peaks_and_silence_are_no_strokes():
    assert pick({"kick": {5: FLOOR / 2}}) == []
    assert pick({}) == []


def test_a_plateau_is_one_stroke_at_its_beginning():
    ((stroke, _),) = pick({"tom": {5: 0.7, 6: 0.7, 7: 0.7}})
    assert stroke.frame == 5

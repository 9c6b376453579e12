"""A stem whose stretches come in any order ends with the notes of one pass, and on the way says only what a player can bear."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.music.notes import Note, NoteKey
from bridge.music.sound import Samples
from bridge.session import stitch
from bridge.session.stitch import StitchedTranscription
from tests.session.gate import AHEAD, GRID, RATE, GateTranscriber, one_pass

Stretch = tuple[int, int]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few seconds are several pieces, and catching up takes several stretches."""
    monkeypatch.setattr(stitch, "PIECE", 0.7)
    monkeypatch.setattr(stitch, "CATCH_UP", 1.5)


class Listener:
    """Follows the changes as the player does, and holds them to what they may do."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.there = np.zeros(samples.shape[1], bool)
        self.transcriber = GateTranscriber()
        self.stitched = StitchedTranscription(self.transcriber, RATE, samples.shape[1], self._read)
        self.notes: dict[NoteKey, Note] = {}
        self.withdrawn: list[NoteKey] = []

    def _read(self, start: int, stop: int) -> Samples:
        assert self.there[start:stop].all(), "it reads only what was separated"
        return self.samples[:, start:stop]

    def hear(self, stretch: Stretch | None) -> None:
        if stretch is not None:
            self.there[slice(*stretch)] = True
        for change in self.stitched.finish() if stretch is None else self.stitched.add(*stretch):
            assert not {note.key for note in change.notes} & set(change.withdrawn)
            self.withdrawn += change.withdrawn
            for key in change.withdrawn:
                del self.notes[key]
            self.notes.update((note.key, note) for note in change.notes)
            assert tuple(self.notes[key] for key in sorted(self.notes)) == self.stitched.notes
            for extent, following in pairwise(self.stitched.known):
                assert extent.begin < extent.end < following.begin
        if stretch is not None:
            end = stretch[1]
            while end < len(self.there) and self.there[end]:
                end += 1
            going_on = [note for note in self.notes.values() if note.duration is None]
            assert all(note.onset < end / RATE for note in going_on)
            assert all(self.there[round(note.onset * RATE) : end].all() for note in going_on), (
                "an open note goes on where it is heard"
            )


@st.composite
def sounds(draw: st.DrawFn) -> Samples:
    steps = draw(st.integers(1, 120))
    levels = draw(st.lists(st.sampled_from([0.0, 0.0, 0.6, 0.8, 1.0]), min_size=steps, max_size=steps))
    odd = draw(st.integers(0, GRID - 1))
    samples = np.repeat(np.array(levels, np.float32), GRID)
    return np.stack([samples, samples])[:, : max(1, len(samples) - odd)]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Samples, Sequence[Stretch]]:
    samples = draw(sounds())
    frames = samples.shape[1]
    cuts = sorted(draw(st.sets(st.integers(1, frames - 1), max_size=12))) if frames > 1 else []
    stretches = list(pairwise([0, *cuts, frames]))
    return samples, draw(st.permutations(stretches))


@given(histories())
def test_whatever_order_the_stretches_come_in_the_notes_are_those_of_one_pass(
    history: tuple[Samples, Sequence[Stretch]],
) -> None:
    samples, order = history
    listener = Listener(samples)
    for stretch in order:
        listener.hear(stretch)
    listener.hear(None)
    assert listener.stitched.complete
    assert tuple(listener.notes[key] for key in sorted(listener.notes)) == one_pass(samples)
    (extent,) = listener.stitched.known
    assert extent.begin == 0
    assert listener.stitched.heard == samples.shape[1] / RATE


def blocks(*levels: float, steps: int = 10) -> Samples:
    return np.tile(np.repeat(np.array(levels, np.float32), steps * GRID), (2, 1))


def test_in_order_nothing_is_decoded_twice_and_nothing_withdrawn() -> None:
    samples = blocks(0, 0.6, 0, 0.8, 0, 1.0, 0)
    listener = Listener(samples)
    for start, stop in pairwise(range(0, 701, 100)):
        listener.hear((start, stop))
    listener.hear(None)
    assert listener.transcriber.fed == [700]
    assert not listener.withdrawn


def test_what_comes_first_is_known_at_once_wherever_it_lies() -> None:
    listener = Listener(blocks(0, 0.6, 0, 0.8, 0, 1.0, 0))
    listener.hear((400, 700))
    assert [extent.begin for extent in listener.stitched.known] == [4.0]
    assert [note.onset for note in listener.stitched.notes] == [5.0]


def test_a_note_that_an_edge_made_is_withdrawn_when_its_past_is_known() -> None:
    # The third note in a row is none; seen from its own start it is the first.
    row = blocks(0, 0.6, 0, 0.6, 0, 0.6, 0, steps=2)
    listener = Listener(row)
    listener.hear((90, 140))
    assert [note.onset for note in listener.notes.values()] == [1.0]
    listener.hear((0, 90))
    listener.hear(None)
    assert [note.onset for note in listener.notes.values()] == [0.2, 0.6]


def test_a_note_open_where_the_playhead_left_ends_there_until_the_analysis_comes_back() -> None:
    listener = Listener(blocks(0, 1.0, 1.0, 1.0, 0, 0, 0, 0))
    listener.hear((0, 200))
    (note,) = listener.notes.values()
    assert note.duration is None, "it goes on, as far as anyone knows"
    listener.hear((500, 600))
    (note,) = listener.notes.values()
    assert note.duration == 1.0, "up to where the sound is known"
    listener.hear((200, 300))
    (note,) = listener.notes.values()
    assert note.duration is None
    listener.hear((300, 500))
    (note,) = listener.notes.values()
    assert note.duration == 3.0


def test_decoding_a_seam_again_does_not_hold_up_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stitch, "CATCH_UP", 1.0)
    listener = Listener(blocks(0, 1.0, *[0.0] * 40, 1.0, 0, 0))
    listener.hear((200, 4200))
    fed = sum(listener.transcriber.fed)
    listener.hear((0, 200))
    assert sum(listener.transcriber.fed) - fed <= 200 + 100, "the stretch itself and what may be caught up"
    listener.hear((4200, 4500))
    assert 42.0 in [note.onset for note in listener.notes.values()], "while the seam is still being decoded again"
    assert not listener.stitched.complete
    listener.hear(None)
    assert listener.stitched.complete


def test_knowledge_ends_where_the_transcriber_has_not_decided() -> None:
    listener = Listener(blocks(0, 0, 0))
    listener.hear((0, 200))
    assert listener.stitched.known[0].end == pytest.approx(2.0 - AHEAD / 10)

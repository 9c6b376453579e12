"""Which segment comes next, against the rule in plain words, frame by frame."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.inference.separate_demucs import cut_segments
from bridge.inference.separate_order import Coverage, Span
from bridge.inference.separate_spleeter import cut_blocks


def frames_final(segments, done, frames):
    """Which frames have every segment that covers them done, the slow way."""
    return [all(index in done for index, s in enumerate(segments) if s.begin <= f < s.end) for f in range(frames)]


def expected_next(segments, done, frame):
    """The rule of the separators: under the playhead, then forward, then from the start."""
    order = [*range(frame, segments[-1].end), *range(frame)]
    final = frames_final(segments, done, segments[-1].end)
    waiting = next(f for f in order if not final[f])
    own = max(index for index, s in enumerate(segments) if s.begin <= waiting)
    return own if own not in done else own - 1


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 300), st.integers(4, 120), st.data())
def test_any_playhead_gets_the_segment_that_the_rule_names_and_every_frame_is_final_once(frames, length, data):
    segments = cut_segments(frames, length)
    coverage = Coverage(segments)
    done, seen = set(), []
    for _ in segments:
        frame = data.draw(st.integers(0, frames - 1))
        final = frames_final(segments, done, frames)
        order = [*range(frame, frames), *range(frame)]
        assert coverage.final_after(frame) == [final[f] for f in order].index(False)
        index = coverage.next_segment(frame)
        assert index == expected_next(segments, done, frame)
        assert index not in done
        became = coverage.finish(index)
        done.add(index)
        after = frames_final(segments, done, frames)
        assert [f for f in range(frames) if after[f] and not final[f]] == list(range(became.begin, became.end))
        seen += range(became.begin, became.end)
    assert sorted(seen) == list(range(frames))
    assert coverage.final_after(data.draw(st.integers(0, frames - 1))) == frames


def test_a_playhead_that_stands_still_gets_its_segment_its_predecessor_then_forward_then_from_the_start():
    coverage = Coverage(cut_segments(70, 12))  # every 9 frames; 3 of each segment fade into the next
    order = []
    for _ in coverage.segments:
        order.append(coverage.next_segment(28))  # segment 3 begins at 27, segment 2 ends at 30
        coverage.finish(order[-1])
    assert order == [3, 2, 4, 5, 6, 7, 0, 1]


def test_a_playhead_past_the_fade_needs_no_predecessor():
    coverage = Coverage(cut_segments(70, 12))
    order = []
    for _ in coverage.segments:
        order.append(coverage.next_segment(30))
        coverage.finish(order[-1])
    assert order == [3, 4, 5, 6, 7, 0, 1, 2]


@given(st.integers(1, 3_000_000))
def test_blocks_cover_the_clip_and_overlap_only_their_neighbours(frames):
    for spans in (cut_blocks(frames), cut_segments(frames, 343_980)):
        assert spans[0].begin == 0
        assert spans[-1].end == frames
        assert all(a.begin < b.begin <= a.end <= b.end for a, b in pairwise(spans))
        assert all(a.end <= c.begin for a, c in zip(spans, spans[2:], strict=False))


def test_a_segment_that_its_predecessor_covers_is_final_with_it():
    coverage = Coverage([Span(0, 10), Span(8, 10)])
    assert coverage.finish(1) == Span(10, 10)
    assert coverage.finish(0) == Span(0, 10)

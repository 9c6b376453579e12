"""Overlap-add in any order: each frame is given away once, as soon as it is final; memory holds what waits, no more."""

from abc import ABC, abstractmethod
from bisect import insort
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import torch

from bridge.inference.separate_order import Coverage, Span
from bridge.session.ports import Playhead


class Weighted(NamedTuple):
    """A segment's result, ready to be summed."""

    values: torch.Tensor
    """Shape (..., frames), multiplied by the weights."""
    weights: torch.Tensor
    """Shape (frames)."""


class Track(ABC):
    """One network on its way through a clip.

    Overlapping results are summed, two at most for a frame, and divided by the sum of their weights: two numbers have the
    same sum in either order, so the order in which segments come changes no bit of the result.
    """

    def __init__(self, segments: Sequence[Span]) -> None:
        self.coverage = Coverage(segments)
        self._fades: dict[int, Weighted] = {}
        """By the index of the later segment: what the first of two neighbours gave for the frames that both cover."""
        self._pieces: list[tuple[Span, torch.Tensor]] = []
        """Final and not yet taken, in order."""

    @abstractmethod
    def infer(self, segment: Span) -> Weighted:
        """Return the network's result for all frames of a segment, new tensors or such as nobody else changes."""

    @property
    def ready(self) -> list[Span]:
        """What can be taken."""
        return [span for span, _ in self._pieces]

    def advance(self, frame: int) -> None:
        """Infer the segment that a playhead at `frame` needs next."""
        index = self.coverage.next_segment(frame)
        segment = self.coverage.segments[index]
        values, weights = self.infer(segment)
        weights = weights.clone()
        self._fade(index, index - 1, Weighted(values, weights))
        self._fade(index + 1, index + 1, Weighted(values, weights))
        final = self.coverage.finish(index)
        if final.begin < final.end:
            inside = slice(final.begin - segment.begin, final.end - segment.begin)
            insort(self._pieces, (final, values[..., inside] / weights[inside]), key=itemgetter(0))

    def take(self, span: Span) -> torch.Tensor:
        """Return frames of one span of `ready`, or of a part of one, and forget them; shape (..., frames)."""
        position = next(at for at, (piece, _) in enumerate(self._pieces) if span.begin < piece.end)
        piece, values = self._pieces.pop(position)
        for rest in (Span(piece.begin, span.begin), Span(span.end, piece.end)):
            if rest.begin < rest.end:
                kept = values[..., rest.begin - piece.begin : rest.end - piece.begin]
                insort(self._pieces, (rest, kept), key=itemgetter(0))
        return values[..., span.begin - piece.begin : span.end - piece.begin]

    def _fade(self, later: int, neighbour: int, result: Weighted) -> None:
        """Add what a neighbour gave for the frames that it shares with this result, or keep this one's for it."""
        if not 0 < later < len(self.coverage.segments):
            return
        shared = Span(self.coverage.segments[later].begin, self.coverage.segments[later - 1].end)
        begin = 0 if neighbour < later else result.weights.shape[0] - (shared.end - shared.begin)
        inside = slice(begin, begin + shared.end - shared.begin)
        if self.coverage.is_done(neighbour):
            kept = self._fades.pop(later)
            result.values[..., inside] += kept.values
            result.weights[inside] += kept.weights
        else:
            self._fades[later] = Weighted(result.values[..., inside].clone(), result.weights[inside].clone())


def follow(tracks: Sequence[Track], playhead: Playhead, sample_rate: int) -> Iterator[Span]:
    """Work through a clip behind the playhead; yield each span as soon as all tracks can give it.

    The caller takes it from every track before going on. The tracks are those of one clip, at least one.
    """
    frames = tracks[0].coverage.frames
    while True:
        frame = min(max(0, int(playhead() * sample_rate)), frames - 1)
        # Networks may see segments of different lengths: the one that is least far from the playhead on goes on.
        behind = min(tracks, key=lambda track: track.coverage.final_after(frame))
        if behind.coverage.final_after(frame) == frames:
            return
        behind.advance(frame)
        yield from common(track.ready for track in tracks)


def common(ready: Iterator[list[Span]]) -> list[Span]:
    """Return the spans that are part of each of several lists."""
    shared = next(ready)
    for spans in ready:
        shared = [
            Span(max(one.begin, other.begin), min(one.end, other.end))
            for one in shared
            for other in spans
            if max(one.begin, other.begin) < min(one.end, other.end)
        ]
    return shared

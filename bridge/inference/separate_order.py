"""Which segment comes next: the one under the playhead, then what follows it, then what lies before."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Frames `begin` to `end` of a clip."""

    begin: int
    end: int


class Coverage:
    """Segments that cover a clip, each overlapping at most its neighbours: which are done, and what is final by that.

    A frame is final when every segment that covers it is done.
    """

    def __init__(self, segments: Sequence[Span]) -> None:
        """`segments`, at least one, ascend from frame 0 to the clip's end without a gap."""
        self.segments = tuple(segments)
        self._begins = [segment.begin for segment in self.segments]
        self._done = [False] * len(self.segments)

    @property
    def frames(self) -> int:
        """Of the clip."""
        return self.segments[-1].end

    def is_done(self, index: int) -> bool:
        """Whether `finish` was called for a segment; there is none before the first and after the last."""
        return 0 <= index < len(self._done) and self._done[index]

    def final_after(self, frame: int) -> int:
        """How many frames are final from `frame` on, to the clip's end and then from its start; all, when all is done."""
        ahead = self._first_open(frame)
        if ahead is not None:
            return ahead - frame
        before = self._first_open(0)
        return self.frames if before is None else self.frames - frame + before

    def next_segment(self, frame: int) -> int:
        """Return which segment to do next for a playhead at `frame`; one must be left."""
        open_frame = (frame + self.final_after(frame)) % self.frames
        index = self._at(open_frame)
        # Where the segment that begins last before that frame is done, the frame waits for the one that fades out into it.
        return index - 1 if self._done[index] else index

    def finish(self, index: int) -> Span:
        """Count a segment as done; return what became final: one span, empty where its neighbours cover all of it."""
        self._done[index] = True
        segment, last = self.segments[index], len(self.segments) - 1
        begin = segment.begin if index == 0 or self._done[index - 1] else self.segments[index - 1].end
        end = segment.end if index == last or self._done[index + 1] else self.segments[index + 1].begin
        return Span(begin, end)

    def _at(self, frame: int) -> int:
        """The last segment that begins at `frame` or before."""
        return bisect_right(self._begins, frame) - 1

    def _first_open(self, frame: int) -> int | None:
        """The first frame from `frame` on that is not final."""
        for index in range(self._at(frame), len(self.segments)):
            begin = max(frame, self._begins[index])
            covered_twice = index > 0 and begin < self.segments[index - 1].end
            if not self._done[index] or (covered_twice and not self._done[index - 1]):
                return begin
        return None

"""Notes from frames: the cheapest way to cut a pitch curve into notes and gaps, found online.

A note has one pitch and pays `hold` at its start, and then in each frame the frame's distance from that pitch, what
speaks against a voice, and the depth of a dip in level; a gap costs nothing. That is the cost which the package
swift-f0 minimises over a whole file (`segment_notes`). Three things differ. While the pitch glides, and when a note
has just begun, distance counts less, so that a scoop belongs to the note that it leads to. A note that sounds on
through an attack pays for it, so that a note struck again is one of its own; it begins where the pitch turned before
the attack, as a syllable does. And a note lasts at least `SHORTEST`.

Dynamic programming follows every way frame by frame. A frame is decided as soon as the ways that differ in it cost
`MARGIN` more than the best one, or after `LATEST`; the ways that differ are dropped then, so nothing that was decided
is ever taken back. Ways that differ in a note's pitch by less than a key read it alike: which key it has, the frames
heard say, and a note whose pitch lies near the border between two keys waits for more of them.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import floor, inf, log

import numpy as np
import numpy.typing as npt

from bridge.inference.mono_frames import Frame
from bridge.units import Pitch, Seconds

STEP = 0.2
"""Semitones between the pitches that a note may have: a singer's lie between the keys."""
FARTHEST = 2.0
"""Semitones; a frame farther from its note than this costs no more."""
GLIDE = 0.4
"""Semitones a frame at which a distance counts half."""
SHORTEST = Seconds(0.08)
SETTLING = 0.7
"""How much of the distance counts in a note's first `SHORTEST`: it may not have arrived at its pitch yet."""
STRUCK_AGAIN = Seconds(0.1)
"""A note younger than this pays little for an attack: consonants sound for a while."""
YOUNG = 0.1
"""How little: enough that a note struck again begins with the attack, or where the pitch turned, and not beside it."""
ATTACK_SPAN = 3.0
"""An attack of `attack` decibels costs nothing yet; from this many times that on it costs twice `hold`."""
CLEAR = 0.8
"""Decibels: no dent makes a weaker attack count."""
DENT = 2.0
"""Semitones of a dent that would halve the attack from which on a note counts as struck again."""
MARGIN = 1.7
"""As much as three or four frames of clear voice half a semitone off; more finds notes a little better, and later."""
ALIKE = 2
"""Frames by which ways may differ in a note's beginning and still be the same reading."""
NEAR = 0.5
"""Semitones by which ways may differ in a note's pitch and still be the same reading."""
BORDER = 0.2
"""Semitones: a pitch this near to the next key may become that key's as the note goes on."""
LATEST = Seconds(0.32)

_Costs = npt.NDArray[np.float64]
"""One for each pitch."""
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What notes are looked for."""

    hold: Seconds
    """A pitch one semitone away becomes a note of its own once it lasts longer than this."""
    attack: float
    """Decibels of `Frame.attack` above which a note counts as struck again; somewhat less where the pitch dents."""
    lowest: Pitch
    highest: Pitch


@dataclass(frozen=True, slots=True)
class Found:
    """A note that is certain to exist."""

    begin: int
    """Its first frame."""
    pitch: Pitch
    voicing: float
    """The mean of its frames that were known when it was decided, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The note found last is over."""

    end: int
    """The frame after its last."""


@dataclass(slots=True)
class _Node:
    """The best way to a frame's beginning on which no note goes on."""

    cost: float
    begin: int
    """Where the note began that ends here; -1 where a gap leads here."""
    pitch: float


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the best way does in the frame to be decided, and which ways agree."""

    open: tuple[int, float] | None
    """Begin and pitch of the note that sounds on after the frame."""
    until: int
    """Where that note ends so far."""
    nodes: list[bool]
    sounding: _Flags
    alike: _Flags
    """Those that agree and those that differ by little."""


class Segmenter:
    """Fed frame by frame; remembers some twenty frames."""

    def __init__(self, period: Seconds, how: Segmentation) -> None:
        """`period` is a frame's."""
        self._pitches = np.arange(how.lowest - 0.5 + STEP / 2, how.highest + 0.5, STEP)
        self._hold = how.hold / period
        self._how = how
        self._shortest = round(SHORTEST / period)
        self._struck_again = round(STRUCK_AGAIN / period)
        self._latest = round(LATEST / period)
        self._heard: deque[Frame] = deque(maxlen=self._latest + 2)
        self._costs: deque[_Costs] = deque(maxlen=self._shortest)
        """Of the last frames, for a note that begins there."""
        self._struck = np.zeros(self._shortest)
        """What a note that begins there has paid for attacks."""
        self._sounding = np.full(self._pitches.size, inf)
        """Of the best way on which a note of this pitch sounds in the last frame."""
        self._begins = np.zeros(self._pitches.size, np.int64)
        """Where that note began."""
        self._nodes = deque([_Node(0.0, -1, 0.0)])
        """Of the frames from `known` on; the last is that of the frame to come."""
        self._end = 0
        """How many frames were fed."""
        self._open: tuple[int, float] | None = None
        """Begin and pitch of the note that was found and has not ended."""
        self.known = 0
        """No note found later begins before this frame."""

    def feed(self, frames: Iterable[Frame]) -> Iterator[Found | Ended]:
        """Take the next frames; yield what they decide."""
        for frame in frames:
            self._extend(frame)
            while self._end - self.known > self._shortest:
                reading = self._read()
                early = self._end - self.known <= self._latest
                if early and (self._lead(reading) < MARGIN or not self._is_key_certain(reading)):
                    break
                yield from self._decide(reading)

    def finish(self) -> Iterator[Found | Ended]:
        """Decide the rest; a note that sounds in the last frame ends with it."""
        while self.known < self._end:
            yield from self._decide(self._read())

    def _extend(self, frame: Frame) -> None:
        """Follow every way through one more frame."""
        threshold = max(min(self._how.attack, CLEAR), self._how.attack / (1.0 + frame.dent / DENT))
        struck = 2.0 * self._hold * min(max((frame.attack / threshold - 1.0) / (ATTACK_SPAN - 1.0), 0.0), 1.0)

        def young(age: npt.NDArray[np.int64]) -> _Costs:
            # The attack lies between the middles of the last frame and this one; a note may begin with either, or with
            # either of the two between which the pitch turned.
            return np.where((age == frame.turn) | (age == frame.turn + 1), 0.0, YOUNG * struck)

        age = self._end - self._begins
        self._sounding += np.where(age > self._struck_again, struck, young(age))
        self._struck = np.append(self._struck[1:], 0.0) + young(np.arange(self._shortest)[::-1])
        voicing = min(max(frame.voicing, 0.01), 0.99)
        distance = np.minimum(np.abs(self._pitches - frame.pitch), FARTHEST)
        steady = 1.0 / (1.0 + (frame.slope / GLIDE) ** 2)
        off_pitch = frame.voicing * steady * distance
        against = frame.dip - log(voicing / (1.0 - voicing))
        cost = off_pitch + against
        self._heard.append(frame)
        self._costs.append(SETTLING * off_pitch + against)
        self._sounding += cost
        self._end += 1
        begin = self._end - self._shortest
        if begin >= 0:
            paid = self._node(begin).cost + self._hold + self._struck[0]
            started = sum(self._costs, np.full(cost.size, paid))
            fresh = started < self._sounding
            self._sounding[fresh] = started[fresh]
            self._begins[fresh] = begin
        best = int(self._sounding.argmin())
        gap = self._nodes[-1].cost
        if self._sounding[best] < gap:
            self._nodes.append(_Node(float(self._sounding[best]), int(self._begins[best]), float(self._pitches[best])))
        else:
            self._nodes.append(_Node(gap, -1, 0.0))

    def _node(self, frame: int) -> _Node:
        return self._nodes[frame - self.known]

    def _read(self) -> _Reading:
        """Say what the best way does in the first frame that is not known."""
        known = self.known + 1
        at, node = self._end, self._nodes[-1]
        while at > known and not 0 <= node.begin < known:
            at = node.begin if node.begin >= 0 else at - 1
            node = self._node(at)
        sounds_on = (node.begin, node.pitch) if at > known else None
        agree = [sounds_on is None]
        for node in list(self._nodes)[2:]:
            if node.begin < 0:
                agree.append(agree[-1])
            elif node.begin < known:
                agree.append(_is_same(sounds_on, node.begin, node.pitch))
            else:
                agree.append(agree[node.begin - known])
        later = self._begins >= known
        sounding = later & np.array(agree)[np.where(later, self._begins - known, 0)]
        alike = sounding
        if sounds_on is not None:
            begin, pitch = sounds_on
            near = np.abs(self._pitches - pitch) <= NEAR
            sounding = sounding | (near & (self._begins == begin))
            alike = sounding | (near & (np.abs(self._begins - begin) <= ALIKE))
        return _Reading(sounds_on, at, agree, sounding, alike)

    def _is_key_certain(self, reading: _Reading) -> bool:
        """Whether a note that begins in the frame to be decided has the key that it will have when it is over."""
        if self._open is not None or reading.open is None or reading.until < self._end:
            return True
        pitch = _heard_pitch(self._heard_of(reading), reading.open[1])
        return 0.5 - abs(pitch - floor(pitch + 0.5)) >= BORDER

    def _heard_of(self, reading: _Reading) -> list[Frame]:
        """Return the open note's frames so far."""
        assert reading.open is not None, "no note sounds on"
        begin, _ = reading.open
        return list(self._heard)[begin - self._end :][: reading.until - begin]

    def _lead(self, reading: _Reading) -> float:
        """Return how much more the best way costs that reads the frame otherwise."""
        last = self._nodes[-1].cost
        other = float(self._sounding[~reading.alike].min(initial=inf))
        if not reading.nodes[-1]:
            other = min(other, last)
        return other - min(last, float(self._sounding[reading.sounding].min(initial=inf)))

    def _decide(self, reading: _Reading) -> Iterator[Found | Ended]:
        """Let the frame be known, forget the ways that read it otherwise, and yield what happens in it."""
        before, self._open = self._open, reading.open
        self._nodes.popleft()
        self.known += 1
        for node, agrees in zip(self._nodes, reading.nodes, strict=True):
            if not agrees:
                node.cost = inf
        self._sounding[~reading.sounding] = inf
        if before is None and reading.open is not None:
            heard = self._heard_of(reading)
            key = min(max(floor(_heard_pitch(heard, reading.open[1]) + 0.5), self._how.lowest), self._how.highest)
            yield Found(reading.open[0], Pitch(key), sum(frame.voicing for frame in heard) / len(heard))
        elif before is not None and reading.open is None:
            yield Ended(self.known)


def _is_same(note: tuple[int, float] | None, begin: int, pitch: float) -> bool:
    """Whether a begin and a pitch are a note's."""
    return note is not None and note[0] == begin and abs(note[1] - pitch) <= NEAR


def _heard_pitch(frames: Sequence[Frame], pitch: float) -> float:
    """Return the median of the frames, the clearer and the later the more it counts; of those at all near to `pitch`."""
    weights = np.linspace(0.5, 1.5, len(frames)) * [frame.voicing for frame in frames]
    pitches = np.array([frame.pitch for frame in frames])
    near = np.flatnonzero(np.abs(pitches - pitch) <= FARTHEST)
    if not near.size:
        return pitch
    order = near[np.argsort(pitches[near], kind="stable")]
    shares = np.cumsum(weights[order])
    return float(pitches[order[np.searchsorted(shares, shares[-1] / 2.0)]])

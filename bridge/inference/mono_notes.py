"""Notes from frames: the cheapest way to cut a pitch curve into notes and gaps, found online.

A note has one pitch and pays `hold` at its start, and then in each frame the frame's distance from that pitch, what
speaks against a voice, and the depth of a dip in level; a gap costs nothing. That is the cost which the package
swift-f0 minimises over a whole file (`segment_notes`). Three things differ. While the pitch glides, and when a note
has just begun, distance counts less, so that a scoop belongs to the note that it leads to. A note that sounds on
through an attack pays for it, so that a note struck again is one of its own. And a note lasts at least `SHORTEST`.

Dynamic programming follows every way frame by frame. A frame is decided as soon as the ways that differ in it cost
`MARGIN` more than the best one, or after `LATEST`; the ways that differ are dropped then, so nothing that was decided
is ever taken back.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf, log

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
"""How little: enough that a note struck again begins with the attack, and not somewhat before it."""
ATTACK_SPAN = 3.0
"""An attack of `attack` decibels costs nothing yet; from this many times that on it costs twice `hold`."""
MARGIN = 1.7
"""As much as three or four frames of clear voice half a semitone off; more finds notes a little better, and later."""
ALIKE = 2
"""Frames by which ways may differ in a note's beginning and still be the same reading."""
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
    """Decibels of `Frame.attack` above which a note counts as struck again."""
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
    key: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the best way does in the frame to be decided, and which ways agree."""

    open: tuple[int, int] | None
    """Begin and key of the note that sounds on after the frame."""
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
        self._keys = np.floor(self._pitches + 0.5).astype(np.int64)
        self._hold = how.hold / period
        self._attack = how.attack
        self._shortest = round(SHORTEST / period)
        self._struck_again = round(STRUCK_AGAIN / period)
        self._latest = round(LATEST / period)
        self._voicings: deque[float] = deque(maxlen=self._latest + 2)
        self._costs: deque[_Costs] = deque(maxlen=self._shortest)
        """Of the last frames, for a note that begins there."""
        self._struck: deque[float] = deque(maxlen=self._shortest)
        """What a young note pays in them for an attack."""
        self._sounding = np.full(self._pitches.size, inf)
        """Of the best way on which a note of this pitch sounds in the last frame."""
        self._begins = np.zeros(self._pitches.size, np.int64)
        """Where that note began."""
        self._nodes = deque([_Node(0.0, -1, -1)])
        """Of the frames from `known` on; the last is that of the frame to come."""
        self._end = 0
        """How many frames were fed."""
        self._open: tuple[int, int] | None = None
        """Begin and key of the note that was found and has not ended."""
        self.known = 0
        """No note found later begins before this frame."""

    def feed(self, frames: Iterable[Frame]) -> Iterator[Found | Ended]:
        """Take the next frames; yield what they decide."""
        for frame in frames:
            self._extend(frame)
            while self._end - self.known > self._shortest:
                reading = self._read()
                if self._end - self.known <= self._latest and self._lead(reading) < MARGIN:
                    break
                yield from self._decide(reading)

    def finish(self) -> Iterator[Found | Ended]:
        """Decide the rest; a note that sounds in the last frame ends with it."""
        while self.known < self._end:
            yield from self._decide(self._read())

    def _extend(self, frame: Frame) -> None:
        """Follow every way through one more frame."""
        struck = 2.0 * self._hold * min(max((frame.attack / self._attack - 1.0) / (ATTACK_SPAN - 1.0), 0.0), 1.0)
        # The attack lies between the middles of the last frame and this one; a note may begin with either.
        age = self._end - self._begins
        self._sounding += np.where(age > self._struck_again, struck, np.where(age > 1, YOUNG * struck, 0.0))
        self._struck.append(YOUNG * struck)
        voicing = min(max(frame.voicing, 0.01), 0.99)
        distance = np.minimum(np.abs(self._pitches - frame.pitch), FARTHEST)
        steady = 1.0 / (1.0 + (frame.slope / GLIDE) ** 2)
        off_pitch = frame.voicing * steady * distance
        against = frame.dip - log(voicing / (1.0 - voicing))
        cost = off_pitch + against
        self._voicings.append(frame.voicing)
        self._costs.append(SETTLING * off_pitch + against)
        self._sounding += cost
        self._end += 1
        begin = self._end - self._shortest
        if begin >= 0:
            paid = self._node(begin).cost + self._hold + sum(list(self._struck)[2:])
            started = sum(self._costs, np.full(cost.size, paid))
            fresh = started < self._sounding
            self._sounding[fresh] = started[fresh]
            self._begins[fresh] = begin
        best = int(self._sounding.argmin())
        gap = self._nodes[-1].cost
        if self._sounding[best] < gap:
            self._nodes.append(_Node(float(self._sounding[best]), int(self._begins[best]), int(self._keys[best])))
        else:
            self._nodes.append(_Node(gap, -1, -1))

    def _node(self, frame: int) -> _Node:
        return self._nodes[frame - self.known]

    def _read(self) -> _Reading:
        """Say what the best way does in the first frame that is not known."""
        known = self.known + 1
        at, node = self._end, self._nodes[-1]
        while at > known and not 0 <= node.begin < known:
            at = node.begin if node.begin >= 0 else at - 1
            node = self._node(at)
        sounds_on = (node.begin, node.key) if at > known else None
        agree = [sounds_on is None]
        for node in list(self._nodes)[2:]:
            if node.begin < 0:
                agree.append(agree[-1])
            elif node.begin < known:
                agree.append((node.begin, node.key) == sounds_on)
            else:
                agree.append(agree[node.begin - known])
        later = self._begins >= known
        sounding = later & np.array(agree)[np.where(later, self._begins - known, 0)]
        alike = sounding
        if sounds_on is not None:
            begin, key = sounds_on
            sounding = sounding | ((self._begins == begin) & (self._keys == key))
            alike = sounding | ((np.abs(self._begins - begin) <= ALIKE) & (self._keys == key))
        return _Reading(sounds_on, at, agree, sounding, alike)

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
            begin, key = reading.open
            heard = list(self._voicings)[begin - self._end :][: reading.until - begin]
            yield Found(begin, Pitch(key), sum(heard) / len(heard))
        elif before is not None and reading.open is None:
            yield Ended(self.known)

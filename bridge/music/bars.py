"""Bars: where they begin as time signatures change, and which one a beat lies in. A beat is a quarter note throughout."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor
from typing import NamedTuple

from bridge.units import Beats


class Signature(NamedTuple):
    """A time signature, from a beat on; a bar begins there, and cuts the one before."""

    beats: Beats
    numerator: int
    denominator: int
    """2 for half notes, 4 for quarters, 8 for eighths."""

    @property
    def beats_per_bar(self) -> float:
        """Quarter notes in a bar."""
        return self.numerator * 4 / self.denominator


class BarPosition(NamedTuple):
    """A place in bars and beats, both counted from 0: the first bar begins at beat 0 of the project; a pre-roll's are below 0."""

    bar: int
    beat: Beats
    """Quarter notes from the bar's begin."""


class _Section(NamedTuple):
    """A run of equal bars."""

    beats: float
    """Where a bar begins: the section's first, or, before all changes, the project's."""
    bar: int
    length: float


def check_signatures(signatures: Sequence[Signature]) -> None:
    """Raise ValueError for time signatures that no bar could have, or that are not in order."""
    for signature in signatures:
        numerator, denominator = signature.numerator, signature.denominator
        if numerator < 1 or denominator < 1 or denominator & (denominator - 1):
            raise ValueError(
                f"a time signature needs a whole number over a power of two, not {numerator}/{denominator}"
            )
    for a, b in pairwise(signatures):
        if b.beats <= a.beats:
            raise ValueError(f"time signatures must come in order: {a} is followed by {b}")


def _section(signatures: Sequence[Signature], beats_per_bar: float, beats: float) -> _Section:
    """The section that a beat lies in; before the first signature bars are counted from beat 0, both ways."""
    section = _Section(0.0, 0, beats_per_bar)
    for signature in signatures:
        if signature.beats > beats:
            break
        # A bar that a change of signature cuts short is a bar of its own.
        bars = ceil((signature.beats - section.beats) / section.length)
        section = _Section(signature.beats, section.bar + bars, signature.beats_per_bar)
    return section


def bar_length(signatures: Sequence[Signature], beats_per_bar: float, beats: float) -> float:
    """Quarter notes that a bar has by the signature at a beat."""
    return _section(signatures, beats_per_bar, beats).length


def bar_at(signatures: Sequence[Signature], beats_per_bar: float, beats: float) -> BarPosition:
    """The bar that a beat lies in."""
    section = _section(signatures, beats_per_bar, beats)
    bars = floor((beats - section.beats) / section.length)
    return BarPosition(section.bar + bars, Beats(beats - section.beats - bars * section.length))


def next_bar(signatures: Sequence[Signature], beats_per_bar: float, beats: float) -> Beats:
    """The first beat, this one or a later, at which a bar begins."""
    section = _section(signatures, beats_per_bar, beats)
    line = section.beats + ceil((beats - section.beats) / section.length) * section.length
    following = next((s.beats for s in signatures if s.beats > beats), None)
    return Beats(line if following is None else min(line, following))

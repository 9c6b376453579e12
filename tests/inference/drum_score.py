"""How many strokes were found, counted as mir_eval counts onsets."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """Counts that add up over pieces."""

    matched: int = 0
    found: int = 0
    true: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(self.matched + other.matched, self.found + other.found, self.true + other.true)

    def __str__(self) -> str:
        if not self.true:
            return f"not played; {self.found} invented"
        return f"P {self.precision:.2f}  R {self.recall:.2f}  F {self.f:.2f}  ({self.true} played)"

    @property
    def precision(self) -> float:
        return self.matched / max(1, self.found)

    @property
    def recall(self) -> float:
        return self.matched / max(1, self.true)

    @property
    def f(self) -> float:
        return 2 * self.matched / max(1, self.found + self.true)


def score(found: Sequence[float], true: Sequence[float], tolerance: float = 0.05) -> Score:
    """Match onsets one to one, as many as can be; in order of time the first that fits is never a loss."""
    left, right = sorted(found), sorted(true)
    i = j = matched = 0
    while i < len(left) and j < len(right):
        if abs(left[i] - right[j]) <= tolerance:
            matched, i, j = matched + 1, i + 1, j + 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return Score(matched, len(left), len(right))

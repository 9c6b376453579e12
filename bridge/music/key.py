"""The key of a piece, as a number, and with how much certainty it was found."""

from dataclasses import dataclass

TONICS = 12
_MAJORS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINORS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
"""As keys are mostly written: with the fewer accidentals."""


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    """The one key that fits a whole clip best."""

    key: int
    """0 to 11 C to B major, 12 to 23 C to B minor, as the live parameter `key` has it."""
    confidence: float
    """0 to 1: the probability of this key among all 24."""

    @property
    def name(self) -> str:
        """Such as `A minor`."""
        minor, tonic = divmod(self.key, TONICS)
        return f"{_MINORS[tonic]} minor" if minor else f"{_MAJORS[tonic]} major"

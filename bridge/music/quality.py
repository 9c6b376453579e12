"""What a quality report holds: measures between a stem and the resynthesis of its notes, each beside its null baseline."""

from dataclasses import dataclass

from bridge.units import Seconds

QUALITY_SCHEMA = 1
"""Grows when a field of `QualityReport` changes its meaning."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number and what chance would score."""

    value: float | None
    """None where it is undefined: silence on either side, or nothing to compare."""
    null: float | None
    """The mean of the same measure over seeded shuffles of the notes."""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """How well notes match their stem from `begin` to `end`, in clip seconds."""

    begin: Seconds
    end: Seconds
    notes: int
    """Notes at the threshold, with their onset in that range."""
    pitchgram: Measure
    """Correlation of the log-frequency spectrograms, -1 to 1: are pitch and time right?"""
    onset: Measure
    """Largest correlation of the onset envelopes within +-50 ms, -1 to 1: is the time right?"""
    onset_lag_ms: float | None
    """Where that largest one is; above 0 the notes are late."""
    chroma: Measure
    """Energy-weighted cosine of the chroma vectors, 0 to 1: are the pitch classes right?"""
    waveform: Measure
    """Largest normalised cross-correlation of the waveforms within +-100 ms, by magnitude."""
    waveform_lag_ms: float | None
    xcorr_max: Measure
    """Raw maximum over all lags as MATLAB's `xcorr` gives it; it grows with gain and length and compares nothing else."""

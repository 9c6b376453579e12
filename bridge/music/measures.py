"""Listens to a stem while it is separated and says how well notes match it, over any stretch, beside what chance would score."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from bridge.music.features import Decimator, Matrix, decimation, onset_envelope, pitchgram
from bridge.music.notes import Note
from bridge.music.quality import Measure, QualityReport
from bridge.music.similarity import (
    UNDEFINED,
    Lagged,
    RawCorrelation,
    WaveformCorrelation,
    chroma_cosine,
    onset_correlation,
    pitchgram_correlation,
)
from bridge.music.sound import Samples
from bridge.music.synth import AdditiveSynth, Mono, Score
from bridge.units import Seconds

SHUFFLES = 20
"""How many shuffles of the notes a null baseline is the mean of."""

LONGEST_XCORR = Seconds(600.0)
"""Beyond this the first channel is no longer kept, and `xcorr_max` is undefined."""

SILENCE = 1e-4
"""A stem that stays below this (-80 dB full scale) is silent: noise has no notes to match."""

_BLOCK_SECONDS = 30
_LIFT = np.float32(1024.0)
_HALF_MAX = np.finfo(np.float16).max


class QualityMeter:
    """Takes one stem, stretch by stretch, and compares notes with it.

    It keeps the channel mean at the analysis rate (22 kB a second at 44.1 kHz), and the first channel as it came for at most 10
    minutes (4 bytes a frame).
    """

    def __init__(self, sample_rate: int) -> None:
        """Take the stem's sample rate in hertz."""
        self._sample_rate = sample_rate
        self._factor = decimation(sample_rate)
        self._rate = sample_rate / self._factor
        self._decimator = Decimator(self._factor)
        self._synth = AdditiveSynth(sample_rate)
        self._thin_synth = AdditiveSynth(self._rate)
        self._mean = _Tape(np.dtype(np.float16))
        self._first: _Tape | None = _Tape(np.dtype(np.float32))
        self._frames = 0

    def add(self, samples: Samples) -> None:
        """Take the next stretch, float32, shape (channels, frames)."""
        self._frames += samples.shape[1]
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        self._mean.append(self._halved(self._decimator.feed(samples.mean(axis=0))))
        if self._frames > LONGEST_XCORR * self._sample_rate:
            self._first = None
        elif self._first is not None:
            self._first.append(samples[0])

    def report(
        self, notes: Sequence[Note], begin: Seconds, end: Seconds, between: Callable[[], object] = lambda: None
    ) -> QualityReport:
        """Compare the notes that should sound with what was added, from `begin` to `end`, cut to what was added.

        `notes` may hold more than sound there. A null baseline is the mean of the measure over 20 shuffles, seeded, so that the same
        call gives the same numbers: each keeps the notes' durations and velocities, permutes the pitches among them, transposes all by
        one interval of up to six semitones, never none, and draws every onset anew. `between` is called before each shuffle, a twentieth
        of the time apart; what it raises ends the report.
        """
        first = min(self._frames, max(0, round(begin * self._rate) * self._factor))
        last = min(self._frames, max(first, round(end * self._rate) * self._factor))
        counted = sum(1 for n in notes if begin <= n.onset < end)
        score = _sounding(Score.of(notes), first / self._sample_rate, last / self._sample_rate)
        waveform = self._waveform(first, last)
        if not len(score) or not np.abs(waveform).max(initial=0.0) >= SILENCE:
            return _report(begin, end, counted, _NOTHING, [])
        stem = _Stem(
            pitches=pitchgram(waveform, self._rate),
            onsets=onset_envelope(waveform, self._rate),
            correlation=WaveformCorrelation(waveform, self._rate),
            raw=None if self._first is None else RawCorrelation(self._first.read(first, last), self._factor),
        )
        found = self._compare(stem, *self._resynthesis(score, first, last))
        chance = []
        for seed in range(SHUFFLES):
            between()
            chance.append(self._chance(stem, score, first, last, seed))
        return _report(begin, end, counted, found, chance)

    def _waveform(self, first: int, last: int) -> Mono:
        """What was added, from one frame to another, at the analysis rate."""
        begin, end, kept = first // self._factor, -(-last // self._factor), self._mean.length
        rest = self._halved(self._decimator.rest())[max(0, begin - kept) : max(0, end - kept)]
        lifted: Mono = np.concatenate([self._mean.read(begin, end), rest]).astype(np.float32)
        return lifted / _LIFT

    @staticmethod
    def _halved(samples: Mono) -> npt.NDArray[np.float16]:
        """The same in half the bytes; lifted, for half floats are coarse near 0, and cut where they end."""
        lifted = np.clip(samples * _LIFT, -_HALF_MAX, _HALF_MAX)
        return np.asarray(lifted, dtype=np.float16)

    def _resynthesis(self, score: Score, first: int, last: int) -> tuple[Mono, Mono | None]:
        """The notes through the very filter that the stem went through; and unfiltered, where the stem is kept unfiltered."""
        decimator = Decimator(self._factor)
        margin = decimator.margin
        block = _BLOCK_SECONDS * self._sample_rate
        full = None if self._first is None else np.zeros(last - first, dtype=np.float32)
        thin = []
        for a, b in pairwise([first - margin, *range(first + block, last, block), last + margin]):
            sound = self._synth.render(score, a, b)
            thin.append(decimator.feed(sound))
            if full is not None:
                inside = slice(max(a, first) - first, min(b, last) - first)
                full[inside] = sound[max(0, first - a) :][: inside.stop - inside.start]
        skipped = margin // self._factor
        return np.concatenate(thin)[skipped : skipped + -(-(last - first) // self._factor)], full

    def _chance(self, stem: "_Stem", score: Score, first: int, last: int, seed: int) -> "_Scores":
        """The measures of one shuffle, rendered at the analysis rate: the synth has nothing above it."""
        shuffled = _shuffle(score, first / self._sample_rate, last / self._sample_rate, seed)
        sound = self._thin_synth.render(shuffled, first // self._factor, -(-last // self._factor))
        return self._compare(stem, sound, None)

    def _compare(self, stem: "_Stem", thin: Mono, full: Mono | None) -> "_Scores":
        """Measure a resynthesis given at the analysis rate and, for the exact raw maximum, at the stem's."""
        pitches = pitchgram(thin, self._rate)
        raw = None
        if stem.raw is not None:
            raw = stem.raw.maximum_thinned(thin) if full is None else stem.raw.maximum(full)
        return _Scores(
            pitchgram=pitchgram_correlation(stem.pitches, pitches),
            onset=onset_correlation(stem.onsets, onset_envelope(thin, self._rate), self._rate),
            chroma=chroma_cosine(stem.pitches, pitches),
            waveform=stem.correlation.best(thin),
            xcorr_max=raw,
        )


class _Tape:
    """A growing line of frames, read by range."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        self._starts: list[int] = []
        self._pieces: list[npt.NDArray[Any]] = []
        self.length = 0

    def append(self, samples: npt.NDArray[Any]) -> None:
        """Keep a copy of these frames."""
        self._starts.append(self.length)
        self._pieces.append(samples.astype(self._kind))
        self.length += len(samples)

    def read(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Return the frames of a range, cut to what is there."""
        begin, end = max(0, begin), min(end, self.length)
        if end <= begin:
            return np.zeros(0, dtype=self._kind)
        low, high = bisect_right(self._starts, begin) - 1, bisect_right(self._starts, end - 1)
        offset = self._starts[low]
        return np.concatenate(self._pieces[low:high])[begin - offset : end - offset]


@dataclass(frozen=True, slots=True, eq=False)
class _Stem:
    """A stretch of the stem with all that comparing it needs."""

    pitches: Matrix
    onsets: Matrix
    correlation: WaveformCorrelation
    raw: RawCorrelation | None
    """None where the first channel is not kept."""


@dataclass(frozen=True, slots=True)
class _Scores:
    """The measures between a stem and one resynthesis."""

    pitchgram: float | None
    onset: Lagged
    chroma: float | None
    waveform: Lagged
    xcorr_max: float | None


_NOTHING = _Scores(None, UNDEFINED, None, UNDEFINED, None)


def _report(begin: Seconds, end: Seconds, notes: int, found: _Scores, chance: Sequence[_Scores]) -> QualityReport:
    """Each measure beside the mean of what the shuffles scored."""
    return QualityReport(
        begin=begin,
        end=end,
        notes=notes,
        pitchgram=_measure(found.pitchgram, [c.pitchgram for c in chance]),
        onset=_measure(found.onset.value, [c.onset.value for c in chance]),
        onset_lag_ms=found.onset.lag_ms,
        chroma=_measure(found.chroma, [c.chroma for c in chance]),
        waveform=_measure(found.waveform.value, [c.waveform.value for c in chance]),
        waveform_lag_ms=found.waveform.lag_ms,
        xcorr_max=_measure(found.xcorr_max, [c.xcorr_max for c in chance]),
    )


def _measure(value: float | None, chance: Sequence[float | None]) -> Measure:
    defined = [c for c in chance if c is not None]
    return Measure(value, sum(defined) / len(defined) if value is not None and defined else None)


def _sounding(score: Score, begin: float, end: float) -> Score:
    """The notes that sound between two seconds; an open end becomes `end`."""
    duration = np.where(np.isinf(score.duration), np.maximum(end - score.onset, 0.0), score.duration)
    inside = (score.onset < end) & (score.onset + duration > begin)
    return Score(score.onset[inside], duration[inside], score.pitch[inside], score.amplitude[inside])


def _shuffle(score: Score, begin: float, end: float, seed: int) -> Score:
    """The same notes at other times and pitches between two seconds."""
    draw = np.random.default_rng(seed)
    transposed = int(draw.choice([*range(-6, 0), *range(1, 7)]))
    latest = np.maximum(begin, end - score.duration)
    return replace(score, onset=draw.uniform(begin, latest), pitch=draw.permutation(score.pitch) + transposed)

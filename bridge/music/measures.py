"""Says how well notes match a stem, over any stretch of it, beside what chance would score."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from bridge.music.compare import NOTHING, Comparison, Scores
from bridge.music.features import Decimator, Sound, decimation
from bridge.music.notes import Note
from bridge.music.quality import Measure, QualityReport
from bridge.music.sound import Samples
from bridge.music.synth import AdditiveSynth, Mono, Score
from bridge.music.xcorr import RawCorrelation
from bridge.units import Seconds

SHUFFLES = 20
"""How many shuffles of the notes a null baseline is the mean of."""

LONGEST_XCORR = Seconds(600.0)
"""Over a longer stretch `xcorr_max` is undefined: it alone must look at all of it at once."""

SILENCE = 1e-4
"""A stem that stays below this (-80 dB full scale) is silent: noise has no notes to match."""

_LOUDEST = 64.0
"""Samples are cut at this, 36 dB above full scale: nothing louder was ever meant."""

_BLOCK_SECONDS = 10


class QualityMeter:
    """Compares notes with one stem, which it reads anew for each report: of the stem itself it keeps nothing.

    A report needs about 90 kB of memory a second of its stretch, and up to `LONGEST_XCORR` 700 kB.
    """

    def __init__(self, read: Callable[[int, int], Samples], sample_rate: int) -> None:
        """Take the stem.

        Args:
            read: returns frames `start` to `stop` of the stem, cut to its ends; float32, shape (channels, frames).
            sample_rate: the stem's, in hertz.

        """
        self._read = read
        self._sample_rate = sample_rate
        self._factor = decimation(sample_rate)
        self._rate = sample_rate / self._factor
        self._decimator = Decimator(self._factor)
        self._synth = AdditiveSynth(sample_rate)
        self._thin_synth = AdditiveSynth(self._rate)

    def report(
        self, notes: Sequence[Note], begin: Seconds, end: Seconds, between: Callable[[], object] = lambda: None
    ) -> QualityReport:
        """Compare the notes that should sound with the stem from `begin` to `end`, cut to the stem.

        Of the stem nothing outside of these is read: there both the stem and the notes count as silent, so that a report over the same
        stretch gives the same numbers whenever it is asked for. `notes` may hold more than sounds there.

        A null baseline is the mean of the measure over 20 shuffles, seeded, so that the same call gives the same numbers: each keeps
        the notes' durations and velocities, permutes the pitches among them, transposes all by one interval of up to six semitones,
        never none, and draws every onset anew. `between` is called before each shuffle, a twentieth of the time apart; what it raises
        ends the report.
        """
        first = max(0, round(begin * self._rate) * self._factor)
        last = max(first, round(end * self._rate) * self._factor)
        # The stem's end is where reading one frame gives none.
        last = first + bisect_left(range(first, last), 1, key=lambda frame: not self._read(frame, frame + 1).size)
        counted = sum(1 for n in notes if begin <= n.onset < end)
        score = _sounding(Score.of(notes), first / self._sample_rate, last / self._sample_rate)
        if not len(score):
            return _report(begin, end, counted, NOTHING, [])
        frames = last - first
        mean = self._decimator.thinned(self._stem(first, lambda samples: samples.mean(axis=0)), frames)
        stem = Comparison(mean, -(-frames // self._factor), self._rate)
        if not stem.peak >= SILENCE:
            return _report(begin, end, counted, NOTHING, [])
        resynthesis = _later(self._synth, score, first)
        found = stem.compare(self._decimator.thinned(resynthesis, frames), None)
        raw = None
        if frames <= LONGEST_XCORR * self._sample_rate:
            channel = self._stem(first, lambda samples: samples[0])
            raw = RawCorrelation(self._phases(channel, frames), -(-frames // self._factor), self._factor)
            found = replace(found, xcorr_max=raw.maximum(self._phases(resynthesis, frames)))
        chance = []
        for seed in range(SHUFFLES):
            between()
            # At the analysis rate: the synth has nothing above it.
            shuffled = _shuffle(score, first / self._sample_rate, last / self._sample_rate, seed)
            chance.append(stem.compare(_later(self._thin_synth, shuffled, first // self._factor), raw))
        return _report(begin, end, counted, found, chance)

    def _stem(self, first: int, mix: Callable[[Samples], Mono]) -> Sound:
        """One channel made of the stem, from a frame on."""

        def sound(begin: int, end: int) -> Mono:
            samples = self._read(first + begin, first + end)
            sane = np.isfinite(samples)
            if not sane.all():
                samples = np.where(sane, samples, np.float32(0.0))
            return mix(np.clip(samples, -_LOUDEST, _LOUDEST))

        return sound

    def _phases(self, sound: Sound, frames: int) -> Iterator[Mono]:
        """A whole sound as every `factor`-th frame from frame 0 on, then from frame 1 on, and so forth; none is kept once given."""
        factor = self._factor
        step = _BLOCK_SECONDS * self._sample_rate // factor * factor
        phases = [np.zeros(-(-frames // factor), dtype=np.float32) for _ in range(factor)]
        for begin in range(0, frames, step):
            piece = sound(begin, min(begin + step, frames))
            for r, phase in enumerate(phases):
                part = piece[r::factor]
                phase[begin // factor : begin // factor + len(part)] = part
        while phases:
            yield phases.pop(0)


def _later(synth: AdditiveSynth, score: Score, first: int) -> Sound:
    """What a synth makes of notes, from a frame of the clip on."""
    return lambda begin, end: synth.render(score, first + begin, first + end)


def _report(begin: Seconds, end: Seconds, notes: int, found: Scores, chance: Sequence[Scores]) -> QualityReport:
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

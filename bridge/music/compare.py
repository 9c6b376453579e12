"""A stretch of a stem, listened to once, and then compared with one sound after the other."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bridge.music.features import Block, Framing, Matrix, Sound, blocks, onset_envelope, onset_power, pitch_power
from bridge.music.similarity import (
    UNDEFINED,
    ChromaCosine,
    Lagged,
    PitchgramCorrelation,
    WaveformCorrelation,
    onset_correlation,
)
from bridge.music.xcorr import RawCorrelation


@dataclass(frozen=True, slots=True)
class Scores:
    """The measures between a stem and one other sound."""

    pitchgram: float | None
    onset: Lagged
    chroma: float | None
    waveform: Lagged
    xcorr_max: float | None


NOTHING = Scores(None, UNDEFINED, None, UNDEFINED, None)


class Comparison:
    """What of a stem the measures compare other sounds with; all are at one analysis rate and of one length."""

    def __init__(self, stem: Sound, frames: int, rate: float) -> None:
        """Listen to the stem, so many frames at so many hertz."""
        self._frames = frames
        self._rate = rate
        self.peak = 0.0
        """The stem's largest magnitude."""
        self._waveform = WaveformCorrelation(frames, rate)
        pitches, self._onsets = self._hear(stem, self._waveform.take, self._take_peak)
        self._pitchgram = PitchgramCorrelation(pitches)
        self._chroma = ChromaCosine(pitches)

    def compare(self, other: Sound, raw: RawCorrelation | None) -> Scores:
        """Compare with another sound; `raw`, where it is there, is the stem's at the full rate."""
        match = self._waveform.start()
        whole = np.zeros(0 if raw is None else self._frames, dtype=np.float32)

        def keep(block: Block) -> None:
            whole[block.begin : block.end] = block.samples[block.begin - block.at : block.end - block.at]

        pitches, onsets = self._hear(other, match.take, *(() if raw is None else (keep,)))
        return Scores(
            pitchgram=self._pitchgram.value(pitches),
            onset=onset_correlation(self._onsets, onsets, self._rate),
            chroma=self._chroma.value(pitches),
            waveform=match.best(),
            xcorr_max=None if raw is None else raw.maximum_thinned(whole),
        )

    def _hear(self, sound: Sound, *takers: Callable[[Block], None]) -> tuple[Matrix, Matrix]:
        """Go through a sound once; return its pitchgram and its onset envelope."""
        pitches, onsets = pitch_power(self._rate, self._frames), onset_power(self._rate, self._frames)
        for block in blocks(sound, self._frames, Framing.pitch(self._rate).window):
            for take in (pitches.take, onsets.take, *takers):
                take(block)
        return pitches.power, onset_envelope(onsets.power)

    def _take_peak(self, block: Block) -> None:
        self.peak = max(self.peak, float(np.abs(block.samples).max()))

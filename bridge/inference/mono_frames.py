"""What is heard in each frame of a monophonic stem: pitch, voicing, level, and how much an attack it looks like.

All of it is known a fixed time after the frame and depends on the audio alone, not on how it was fed.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from bridge.inference.mono_network import AHEAD, BEHIND, GRID, HOP, RATE, PitchNetwork
from bridge.inference.mono_resample import Decimator
from bridge.inference.recent_audio import RecentAudio

_FFT = 512
_BANDS = 24
_BANDS_FROM, _BANDS_TO = 40.0, 7900.0
"""Hertz, at the network's rate."""
_FLOOR = 60.0
"""Decibels below the loudest band of the last third of a second, under which nothing is an attack."""
_SILENCE_LEVEL = -75.0
_RECENT = 20
_QUIET_REACH = 4
"""Frames on both sides with which a frame's level is compared."""
_QUIET_FREE = 3.0
"""Decibels that a frame may lie below both sides without being a dip."""
_PEAK_REACH = 3
_TURN_REACH = 5
"""Frames before an attack within which the pitch may have turned; of the first, a note may no longer begin there."""
_FALL_REACH = 3
"""Frames before it turned within which it fell."""
_SHALLOWEST, _DEEPEST = 0.15, 0.75
"""Semitones: less is how a voice wavers, more says no more."""
_VOICED = 0.5


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, 256 samples at the rate that the network is fed at, centred on its time."""

    pitch: float
    """MIDI note number with its fraction."""
    slope: float
    """Semitones a frame by which the pitch moves, up or down; 0 where there is none next to it."""
    voicing: float
    """0 to 1; from 0.5 up a pitch is heard."""
    dip: float
    """Decibels by which it is quieter than the loudest frames within 64 ms on both sides, beyond 3."""
    attack: float
    """Decibels by which the bands rise on average, at most by as much as all grows louder; 0 beside such a peak."""
    dent: float = 0.0
    """Semitones by which the pitch falls and rises again up to an attack, as it does where a consonant is sung."""
    turn: int = 0
    """How many frames before the attack it turned; a syllable begins there, and is as loud as a vowel at the attack."""


class FrameStream:
    """Frames of 44.1 kHz audio as it comes; the network runs `GRID` frames at a time at fixed places."""

    def __init__(
        self, network: PitchNetwork, audio: RecentAudio, stretch: float, lowest: float, highest: float
    ) -> None:
        """`stretch` scales what the network hears up in pitch and so down in time; pitches are MIDI note numbers."""
        self._network, self._audio = network, audio
        self.rate = round(RATE / stretch)
        """Hertz; a frame is 256 samples at this."""
        self._decimator = Decimator(self.rate)
        self._shift = 12.0 * float(np.log2(RATE / self.rate))
        self._limits = _hertz(lowest + self._shift), _hertz(highest + self._shift)
        self._bands = _band_weights()
        self._window = np.hanning(_FFT).astype(np.float32)
        self._signal = np.zeros(HOP, np.float32)
        """Decimated audio; a hop of silence stands before the first."""
        self._origin = -HOP
        self._sampled = 0
        self._given = 0
        self._levels: list[float] = []
        self._rises: list[float] = []
        """Of the frames from `_first` on."""
        self._first = 0
        self._spectra: deque[npt.NDArray[np.float64]] = deque(maxlen=2)
        self._loudest: deque[float] = deque(maxlen=_RECENT + 1)
        self._pitches: deque[float] = deque(maxlen=_FALL_REACH + _TURN_REACH + 1)
        """Of the frames given last, those since a voice was heard again."""

    @property
    def needs(self) -> int:
        """The first 44.1 kHz frame that is still to be read."""
        return self._decimator.first_input(self._sampled)

    def advance(self) -> list[Frame]:
        """Return the frames that are known now."""
        frames: list[Frame] = []
        self._sample(self._decimator.available(self._audio.frames) // HOP, frames)
        return frames

    def finish(self) -> list[Frame]:
        """Return the rest; what lacks a whole hop is not heard."""
        frames: list[Frame] = []
        hops = self._decimator.total(self._audio.frames) // HOP
        self._sample(hops, frames)
        while self._given < hops:
            frames += self._run(min(GRID, hops - self._given))
        return frames

    def _sample(self, hops: int, frames: list[Frame]) -> None:
        """Listen up to a hop; append the frames that the network gives on the way."""
        while self._sampled < hops * HOP:
            self._listen()
            if self._sampled >= (self._given + GRID + AHEAD) * HOP:
                frames += self._run(GRID)

    def _listen(self) -> None:
        """Take one more hop, and the spectrum of the frame that it completes."""
        hop = self._decimator.read(self._audio, self._sampled, self._sampled + HOP)
        self._signal = np.concatenate([self._signal, hop])
        self._sampled += HOP
        piece = self._signal[-_FFT:]
        self._levels.append(10.0 * float(np.log10(np.mean(np.square(piece, dtype=np.float64)) + 1e-14)))
        power = np.square(np.abs(np.fft.rfft(piece * self._window)) * (2.0 / float(self._window.sum())))
        bands = 10.0 * np.log10(self._bands @ power + 1e-12)
        self._loudest.append(float(bands.max()))
        floor = max(max(self._loudest) - _FLOOR, _SILENCE_LEVEL)
        bands = np.maximum(bands, floor)
        before = self._spectra[0] if self._spectra else bands
        # A partial that vibrates moves to the next band and back: only what no neighbour had before is a rise.
        neighbours = np.maximum(before, np.maximum(np.append(before[1:], -np.inf), np.append(-np.inf, before[:-1])))
        self._rises.append(float(np.maximum(0.0, bands - np.maximum(neighbours, floor)).mean()))
        self._spectra.append(bands)

    def _run(self, count: int) -> list[Frame]:
        """Return the next frames, so many, with the sound so far after them."""
        first = self._given
        begin = max(0, first - BEHIND)
        audio = self._signal[begin * HOP - self._origin :]
        frequency, voicing = self._network.run(audio, *self._limits)
        pitch = 69.0 + 12.0 * np.log2(frequency / 440.0) - self._shift
        slope = np.abs(np.gradient(pitch)) if pitch.size > 1 else np.zeros(1)
        frames = [
            self._frame(n, float(pitch[n - begin]), float(slope[n - begin]), float(voicing[n - begin]))
            for n in range(first, first + count)
        ]
        self._given += count
        self._forget()
        return frames

    def _frame(self, frame: int, pitch: float, slope: float, voicing: float) -> Frame:
        """To be called for every frame in turn."""
        if voicing < _VOICED:
            self._pitches.clear()
        else:
            self._pitches.append(pitch)
        attack = self._attack(frame)
        dent, turn = self._dent() if attack > 0.0 else (0.0, 0)
        return Frame(pitch, slope, voicing, self._dip(frame), attack, dent, turn)

    def _dent(self) -> tuple[float, int]:
        """Return how deep the pitch fell before the last frame and rose again, and how many frames back it turned."""
        if len(self._pitches) < _FALL_REACH + _TURN_REACH + 1:
            return 0.0, 0
        pitches = list(self._pitches)
        lowest = min(range(_FALL_REACH, len(pitches)), key=pitches.__getitem__)
        fallen_from = max(pitches[lowest - _FALL_REACH : lowest + 1])
        depth = min(fallen_from, max(pitches[lowest:])) - pitches[lowest]
        if depth < _SHALLOWEST:
            return 0.0, 0
        return min(depth, _DEEPEST), max(0, len(pitches) - 2 - lowest)

    def _dip(self, frame: int) -> float:
        at = frame - self._first
        sides = self._levels[max(0, at - _QUIET_REACH) : at + 1], self._levels[at : at + _QUIET_REACH + 1]
        return max(0.0, min(max(side) for side in sides) - self._levels[at] - _QUIET_FREE)

    def _attack(self, frame: int) -> float:
        at = frame - self._first
        rise = self._rises[at]
        if rise < max(islice(self._rises, max(0, at - _PEAK_REACH), at + _PEAK_REACH + 1)):
            return 0.0
        louder = max(self._levels[at : at + _PEAK_REACH + 1]) - min(self._levels[max(0, at - _PEAK_REACH) : at + 1])
        return min(rise, louder)

    def _forget(self) -> None:
        keep = max(-1, self._given - BEHIND)
        self._signal, self._origin = self._signal[keep * HOP - self._origin :], keep * HOP
        drop = max(0, self._given - max(_QUIET_REACH, _PEAK_REACH)) - self._first
        del self._levels[:drop], self._rises[:drop]
        self._first += drop


def _hertz(pitch: float) -> float:
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def _band_weights() -> npt.NDArray[np.float64]:
    """Triangles, equally wide on the mel scale, shape (bands, bins); each sums to 1."""
    low_mel, high_mel = (2595.0 * np.log10(1.0 + hertz / 700.0) for hertz in (_BANDS_FROM, _BANDS_TO))
    mel = np.linspace(low_mel, high_mel, _BANDS + 2)
    edges = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    bins = np.arange(_FFT // 2 + 1) * (RATE / _FFT)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0.0, None)
    # The narrowest bands may lie between two bins: they take the nearest.
    empty = weights.sum(axis=1) == 0.0
    weights[empty, np.rint(edges[1:-1][empty] * _FFT / RATE).astype(int)] = 1.0
    scaled: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return scaled

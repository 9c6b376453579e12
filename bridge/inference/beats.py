"""Beats and downbeats of a clip: madmom's recurrent network and its dynamic Bayesian network, on audio read piece by piece.

The network is bidirectional and remembers for long. A clip of up to `WHOLE` is read as one, and the beats are those of madmom's
`RNNDownBeatProcessor` and `DBNDownBeatTrackingProcessor`; a longer one in overlapping windows of that length.
"""

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from bridge.inference.bar_pointer import BarPointerModel
from bridge.inference.beat_rnn import BeatActivations, BeatRnn
from bridge.inference.madmom_models import fingerprint, madmom
from bridge.inference.piano_features import Features, FeatureStream, piano_rnn_resolutions
from bridge.inference.recent_audio import PIECE, SAMPLE_RATE, RecentAudio, mono, require_rate
from bridge.music.beat_track import BeatTrack
from bridge.music.sound import Clip
from bridge.units import Seconds

downbeats: Any = importlib.import_module(f"{madmom.__name__}.features.downbeats")

ALGORITHM = 1
"""To be raised when the code may give other beats for the same clip: kept beats are then tracked anew."""
FPS = 100
WHOLE = 90 * FPS
"""Frames that the network reads at once: what it then needs is some 300 MB."""
OVERLAP = 10 * FPS
"""Frames at a window's edge whose activations are taken from its neighbour."""
BEATS_PER_BAR = (3, 4)
"""The bars that are told apart."""


@cache
def _processor() -> Any:
    return downbeats.RNNDownBeatProcessor()


@cache
def _network() -> BeatRnn:
    return BeatRnn(_processor().processors[1])


class MadmomBeats:
    """Fulfils `ClipEstimator[BeatTrack]`; the networks are loaded when they are first needed, and kept."""

    sample_rate = SAMPLE_RATE

    @property
    def fingerprint(self) -> str:
        """The weights and what runs them."""
        return fingerprint("madmom-beats", ALGORITHM, madmom.models.DOWNBEATS_BLSTM, "torch", "numpy")

    def estimate(self, clip: Clip, heed: Callable[[], None]) -> BeatTrack | None:
        """Return the beats of a clip; None where there is no beat in it.

        The confidence is how likely the network holds a beat where one was decided on, on the average: the decoder places beats
        wherever it must, the network says whether it heard them. `heed` is called at least about every two seconds and may raise to
        end the tracking. Raises BridgeError NOT_SUPPORTED unless the clip is at 44100 Hz.
        """
        require_rate(clip.sample_rate)
        track = decode(activations(clip, heed), heed)
        return track if len(track.beats) > 1 else None


def activations(clip: Clip, heed: Callable[[], None]) -> BeatActivations:
    """Return how likely a beat that is no downbeat, and a downbeat, is in each hundredth of a second."""
    found = [np.empty((0, 2), np.float32)]
    held, begin, given = None, 0, 0
    for features, last in _features(clip, heed):
        held = features if held is None else np.concatenate([held, features])
        while held is not None and (last or len(held) >= WHOLE):
            window = held[:WHOLE]
            ends = last and len(window) == len(held)
            stop = begin + len(window) - (0 if ends else OVERLAP)
            found.append(_network().activate(window, heed)[given - begin : stop - begin])
            begin, given = max(0, stop - OVERLAP), stop
            held = None if ends else held[WHOLE - 2 * OVERLAP :]
    return np.concatenate(found)


def _features(clip: Clip, heed: Callable[[], None]) -> Iterator[tuple[Features, bool]]:
    """The network's input, piece by piece, and whether that was the last."""
    audio = RecentAudio()
    stream = FeatureStream(audio, piano_rnn_resolutions(_processor()))
    for start in range(0, clip.frames, PIECE):
        heed()
        audio.append(mono(clip.read(start, start + PIECE)))
        yield stream.until(stream.complete), False
        audio.forget(stream.needs)
    yield stream.until(stream.last), True


def decode(found: BeatActivations, heed: Callable[[], None]) -> BeatTrack:
    """Return the likeliest beats for activations of shape (frames, 2)."""
    decoder = downbeats.DBNDownBeatTrackingProcessor(beats_per_bar=list(BEATS_PER_BAR), fps=FPS)
    decoder.hmms = [BarPointerModel(hmm, heed) for hmm in decoder.hmms]
    placed = decoder(found)
    frames = np.rint(placed[:, 0] * FPS).astype(np.intp)
    either = found.sum(axis=1)
    return BeatTrack(
        tuple(Seconds(_peak(either, int(frame)) / FPS) for frame in frames),
        tuple(np.flatnonzero(placed[:, 1] == 1).tolist()),
        min(1.0, float(either[frames].mean())) if len(frames) else 0.0,
    )


def _peak(heights: npt.NDArray[np.float32], frame: int) -> float:
    """Where between the frames a parabola through a peak and its neighbours is highest."""
    if not 0 < frame < len(heights) - 1:
        return float(frame)
    before, here, after = (float(height) for height in heights[frame - 1 : frame + 2])
    if here < max(before, after):
        return float(frame)
    bent = before - 2 * here + after
    return frame + (0.5 * (before - after) / bent if bent else 0.0)

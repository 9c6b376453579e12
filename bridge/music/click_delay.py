"""How long after a note is sent it is heard: from the times of clicks and a recording of what they made sound.

Clicks come at irregular distances, so that only one delay explains them all, however long it is; what else is heard meanwhile, echoes and the
ends of notes included, explains fewer of them or comes later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np
import numpy.typing as npt

from bridge.errors import BridgeError, ErrorCode
from bridge.units import HostTime, Seconds

FEWEST_CLICKS = 8
LONGEST_DELAY = Seconds(1.5)
"""Beyond it a note is not looked for."""

_CLOSEST, _FARTHEST = 0.35, 0.65
"""Seconds between clicks: most sounds have died away, and nobody has to wait long."""
_GOLDEN = (sqrt(5) - 1) / 2

_HOP = Seconds(0.0005)
_AHEAD = Seconds(0.002)
_BEHIND = Seconds(0.02)
_RISE = 6.0
"""How many times its recent power a sound must reach; noise and hum by themselves come to 2, and what rings on from a click hides none."""
_ABOVE_NOISE = 10.0
"""How many times the power of the recording's quiet parts."""
_QUIETEST = 1e-9
"""Power that is silence in any case: 90 dB below full scale."""
_REST = Seconds(0.08)
"""An onset is followed by no other within this."""
_ATTACK = Seconds(0.005)
_FIRST_HEARD = 0.2
"""An onset is where a sound reaches this share of what it comes to within the attack."""

_WINDOW = Seconds(0.03)
"""Delays that differ by less can be one and the same delay, with its jitter."""
_NEARLY_BEST = 0.9
_MUST_FIT = 0.75
"""The share of all clicks that one delay must explain."""
_WIDEST = Seconds(0.01)
"""The spread beyond which no offset makes notes sit."""
_TOO_EARLY = Seconds(0.002)

Mono = npt.NDArray[np.float32]
"""One channel, shape (frames,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What was heard."""

    samples: Mono
    rate: float
    """Frames a second of the host's clock."""
    begin: HostTime
    """When the first frame was heard."""


@dataclass(frozen=True, slots=True)
class Delay:
    """From a note's leaving to its sound."""

    median: Seconds
    low: Seconds
    high: Seconds
    """Between these the median of endlessly many clicks would lie, with 95 % confidence."""
    spread: Seconds
    """Half the distance between the 10th and the 90th percentile."""
    heard: int
    """Clicks that this delay explains."""
    played: int
    strays: int
    """Onsets that no click explains."""


def click_times(count: int) -> list[Seconds]:
    """When to play so many clicks, from 0 on, at distances of which no two are alike."""
    distances = (_CLOSEST + (_FARTHEST - _CLOSEST) * (k * _GOLDEN % 1.0) for k in range(1, count))
    times = [Seconds(0.0)]
    for distance in distances:
        times.append(Seconds(times[-1] + distance))
    return times


def find_onsets(recorded: Recorded) -> list[HostTime]:
    """When something began to sound, wherever the sound rose well above what was there before."""
    hop = max(1, round(_HOP * recorded.rate))
    count = len(recorded.samples) // hop
    ahead, behind = round(_AHEAD / _HOP), round(_BEHIND / _HOP)
    if count <= ahead + behind:
        return []
    # Cheap inputs add a constant.
    samples = recorded.samples - np.mean(recorded.samples, dtype=np.float64).astype(np.float32)
    power = np.mean(np.square(samples[: count * hop].reshape(count, hop), dtype=np.float64), axis=1)
    quiet = max(_QUIETEST, float(np.percentile(power, 20)))
    coming = np.lib.stride_tricks.sliding_window_view(np.append(power, np.zeros(ahead - 1)), ahead).max(axis=1)
    total = np.concatenate(([0.0], np.cumsum(power)))
    first = np.maximum(np.arange(count) - behind, 0)
    recent = (total[:count] - total[first]) / np.maximum(np.arange(count) - first, 1)
    rises = (coming > _RISE * (recent + quiet)) & (coming > _ABOVE_NOISE * quiet)
    # What sounds as the recording begins has begun before it.
    rises[:behind] = False
    onsets: list[HostTime] = []
    following = 0
    for place in np.flatnonzero(rises).tolist():
        if place >= following:
            onsets.append(HostTime(recorded.begin + _refine(samples, recorded.rate, place * hop) / recorded.rate))
            following = place + round(_REST / _HOP)
    return onsets


def _refine(samples: Mono, rate: float, place: int) -> int:
    """The frame from which on the sound that rises near a place is there."""
    attack = round(_ATTACK * rate)
    before = samples[max(0, place - attack) : place]
    rising = np.abs(samples[place : place + round(_AHEAD * rate) + attack])
    background = float(np.abs(before).max()) if len(before) else 0.0
    level = background + _FIRST_HEARD * max(0.0, float(rising.max()) - background)
    return place + int(np.argmax(rising >= level))


def measure_delay(sent: Sequence[HostTime], heard: Sequence[HostTime]) -> Delay:
    """The delay that explains the clicks that were sent by the onsets that were heard.

    Raises:
        BridgeError: BAD_AUDIO where nothing was heard, or no steady delay explains most clicks.

    """
    if len(sent) < FEWEST_CLICKS:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{len(sent)} clicks left: at least {FEWEST_CLICKS} tell a delay")
    if not heard:
        message = (
            "nothing was heard: is the instrument connected, on that channel, and does its sound reach this input?"
        )
        raise BridgeError(ErrorCode.BAD_AUDIO, message)
    delays = _fitting(np.asarray(sent, np.float64), np.asarray(heard, np.float64))
    fitting = f"{len(delays)} of {len(sent)} clicks were answered at one delay"
    if len(delays) < _MUST_FIT * len(sent):
        message = f"only {fitting} ({len(heard)} sounds heard): does something else sound there?"
        raise BridgeError(ErrorCode.BAD_AUDIO, message)
    low, high = np.percentile(delays, (10, 90))
    spread = float(high - low) / 2
    if spread > _WIDEST:
        message = (
            f"the delay is not steady: {fitting}, between {low * 1000:.1f} and {high * 1000:.1f} ms;"
            " no offset would make these notes sit"
        )
        raise BridgeError(ErrorCode.BAD_AUDIO, message)
    rank = 0.98 * sqrt(len(delays))
    bounds = (max(0, floor(len(delays) / 2 - rank)), min(len(delays) - 1, ceil(len(delays) / 2 + rank)))
    return Delay(
        median=Seconds(float(np.median(delays))),
        low=Seconds(float(delays[bounds[0]])),
        high=Seconds(float(delays[bounds[1]])),
        spread=Seconds(spread),
        heard=len(delays),
        played=len(sent),
        strays=len(heard) - len(delays),
    )


def _fitting(sent: npt.NDArray[np.float64], heard: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The delays, in order of size, of those clicks that one delay explains: the earliest of those that explain (nearly) the most."""
    distances = heard[np.newaxis, :] - sent[:, np.newaxis]
    clicks, _ = np.nonzero((distances >= -_TOO_EARLY) & (distances <= LONGEST_DELAY))
    delays = distances[(distances >= -_TOO_EARLY) & (distances <= LONGEST_DELAY)]
    if not len(delays):
        return delays
    order = np.argsort(delays)
    clicks, delays = clicks[order], delays[order]
    ends = np.searchsorted(delays, delays + _WINDOW, side="right")
    explained = np.array([len(set(clicks[k:end].tolist())) for k, end in enumerate(ends.tolist())])
    best = int(np.argmax(explained >= _NEARLY_BEST * explained.max()))
    # A window that begins earlier may hold some of its sounds but not all: what it found most of lies at its median.
    centre = float(np.median(delays[best : ends[best]]))
    offsets = np.abs(distances - centre)
    nearest = offsets.argmin(axis=1)
    rows = np.arange(len(sent))
    fits = offsets[rows, nearest] <= _WINDOW / 2
    found: npt.NDArray[np.float64] = np.sort(distances[rows, nearest][fits])
    return found

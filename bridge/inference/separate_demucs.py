"""Demucs, streamed: the same numbers as `demucs.api.Separator(shifts=0, overlap=0.25)`, given segment by segment.

Demucs separates overlapping segments one by one and fades them into each other with triangular weights; a frame is
final as soon as no later segment covers it. Parity needs the details of `demucs.apply`: a segment shorter than what the
network takes is padded with the audio around it, not with zeros, and zeros stand beyond the clip's ends only after
normalising.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.device import memory_guard
from bridge.inference.separate_clip import Loudness, check_request, loudness, read_window, to_samples
from bridge.inference.separate_overlap import OverlapAdd
from bridge.music.sound import Clip, Stem
from bridge.session.ports import StemStretch

OVERLAP = 0.25
"""Share of a segment that the next one covers too; Demucs' default."""


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a bag."""

    network: nn.Module
    """Of demucs; its `sources` name the outputs, its `segment` says how many seconds it sees at once."""
    weights: Mapping[Stem, float]
    """How much it counts for each stem; a stem that it does not count for is missing."""


@dataclass(frozen=True, slots=True)
class Bag:
    """Networks whose outputs are averaged; a single model is a bag of one."""

    name: str
    members: tuple[Member, ...]
    """Those that were loaded: at least all that count for one of `stems`."""
    stems: frozenset[Stem]
    sample_rate: int
    channels: int


class Segment(NamedTuple):
    """What a network infers in one go."""

    offset: int
    length: int


def forward_segments(frames: int, length: int, stride: int) -> deque[Segment]:
    """Cut a clip into segments from its start to its end; the last ones may be shorter."""
    return deque(Segment(offset, min(length, frames - offset)) for offset in range(0, frames, stride))


class DemucsSeparator:
    """Any Demucs model; on CPU in float32 equal to Demucs' own whole-file result within rounding."""

    def __init__(self, bag: Bag, device: torch.device) -> None:
        self._bag = bag
        self._device = device
        with memory_guard(f"loading {bag.name}"):
            for member in bag.members:
                member.network.to(device).eval()

    @property
    def model(self) -> str:
        return self._bag.name

    @property
    def sample_rate(self) -> int:
        return self._bag.sample_rate

    @property
    def channels(self) -> int:
        return self._bag.channels

    @property
    def stems(self) -> frozenset[Stem]:
        """What the loaded members separate; other stems of the bag need it loaded again."""
        return self._bag.stems

    def separate(self, clip: Clip, stems: Sequence[Stem]) -> Iterator[StemStretch]:
        """Yield the stems stretch by stretch; each `next` runs at most one segment of each member that counts.

        Memory holds one segment and the window in which segments overlap, however long the clip is.
        """
        check_request(clip, stems, self.model, self.sample_rate, self.channels)
        for stem in stems:
            if stem not in self.stems:
                raise BridgeError(
                    ErrorCode.STEM_UNAVAILABLE,
                    f"{self.model} is loaded for {', '.join(sorted(self.stems))}, not {stem}",
                )
        return self._stretches(clip, tuple(dict.fromkeys(stems)))

    def _stretches(self, clip: Clip, stems: tuple[Stem, ...]) -> Iterator[StemStretch]:
        if not clip.frames:
            return
        level = loudness(clip)
        tracks = [
            _Track(member, stems, clip, level, self._device)
            for member in self._bag.members
            if any(stem in member.weights for stem in stems)
        ]
        done = 0
        while done < clip.frames:
            with memory_guard(f"separating with {self.model}"):
                # Members may see segments of different lengths: the one that is least far goes on.
                min(tracks, key=lambda track: track.final).advance()
                until = min(track.final for track in tracks)
                if until == done:
                    continue
                taken = [track.take(until) for track in tracks]
                mixed = {stem: to_samples(_average(stem, tracks, taken, level)) for stem in stems}
            yield StemStretch(done, mixed)
            done = until


def _average(
    stem: Stem, tracks: Sequence["_Track"], taken: Sequence[Mapping[Stem, torch.Tensor]], level: Loudness
) -> torch.Tensor:
    """Weigh the members' estimates of one stem and undo the normalisation, in the order in which Demucs does."""
    parts = [
        (track.member.weights[stem], part[stem]) for track, part in zip(tracks, taken, strict=True) if stem in part
    ]
    estimate = torch.zeros_like(parts[0][1])
    for weight, part in parts:
        estimate += part * weight
    estimate /= sum(weight for weight, _ in parts)
    return estimate * level.deviation + level.mean


class _Track:
    """One member on its way through a clip."""

    def __init__(
        self, member: Member, stems: Sequence[Stem], clip: Clip, level: Loudness, device: torch.device
    ) -> None:
        self.member = member
        self._stems = [stem for stem in stems if stem in member.weights]
        sources = list(network_sources(member.network))
        self._rows = [sources.index(stem) for stem in self._stems]
        self._clip, self._level, self._device = clip, level, device
        length = int(clip.sample_rate * member.network.segment)  # type: ignore[operator]
        self._weight = triangle(length)
        self._remaining = forward_segments(clip.frames, length, int((1 - OVERLAP) * length))
        self._overlap = OverlapAdd(len(self._stems), clip.channels)

    @property
    def final(self) -> int:
        """Frames before this are covered by no segment that remains."""
        return min((segment.offset for segment in self._remaining), default=self._clip.frames)

    def advance(self) -> None:
        """Infer the next segment."""
        segment = self._remaining.popleft()
        weight = self._weight[: segment.length]
        self._overlap.add(segment.offset, self._infer(segment) * weight, weight)

    def take(self, until: int) -> dict[Stem, torch.Tensor]:
        """Return what was not taken yet of each stem before frame `until`, normalised, shape (channels, frames)."""
        return dict(zip(self._stems, self._overlap.take(until), strict=True))

    def _infer(self, segment: Segment) -> torch.Tensor:
        """Return the stems of one segment, shape (stems, channels, frames), normalised."""
        padding = input_length(self.member.network, segment.length) - segment.length
        start = segment.offset - padding // 2
        stop = start + segment.length + padding
        window = read_window(self._clip, start, stop)
        inside = slice(max(0, -start), min(stop, self._clip.frames) - start)
        window[:, inside] = (window[:, inside] - self._level.mean) / self._level.deviation
        with torch.no_grad():
            output: torch.Tensor = self.member.network(window[None].to(self._device))[0]
        # What the network gives may be longer than the segment; Demucs cuts an odd frame off the end.
        before = (output.shape[-1] - segment.length) // 2
        return output[self._rows, :, before : before + segment.length].cpu()


def network_sources(network: nn.Module) -> tuple[str, ...]:
    """What a network's outputs are, in order."""
    return tuple(network.sources)  # type: ignore[arg-type]


def input_length(network: nn.Module, length: int) -> int:
    """How many frames a network is given for a segment of `length`: some take only lengths that fit their strides."""
    valid_length = getattr(network, "valid_length", None)
    return length if valid_length is None else int(valid_length(length))


def triangle(length: int) -> torch.Tensor:
    """Demucs' weights of a segment, rising to 1 in the middle; shape (length,)."""
    half = length // 2
    weight = torch.cat([torch.arange(1, half + 1), torch.arange(length - half, 0, -1)])
    return weight / weight.max()

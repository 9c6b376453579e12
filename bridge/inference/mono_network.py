"""SwiftF0's network: the fundamental frequency of one voice, frame by frame, on a fixed grid.

The network (MIT, 14,386 parameters, Nieradzik, "SwiftF0", arXiv 2508.18440) reads 16 kHz audio; its weights lie in
the package `swift-f0`. A frame is 256 samples. The package's own stream waits for ten frames beyond a frame, all that
the network can see; five bring pitches within half a cent (median) and voicings within 0.006 (mean) of that on
singing, 80 ms earlier.
"""

from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.recent_audio import Mono

RATE = 16000
"""Hertz; the network was trained at this rate."""
HOP = 256
AHEAD = 5
"""Frames after a frame that the network sees besides it."""
BEHIND = 8
"""Frames before it."""
GRID = 2
"""Frames that one run gives: more would cost less and come later."""
LOWEST, HIGHEST = 46.875, 2093.75
"""Hertz; between these the network hears."""
_SILENCE = 1e-3
"""A hop whose samples all lie below this is unvoiced: the network never saw digital silence and hears voices in it."""

Values = npt.NDArray[np.float64]
"""Shape (frames,)."""


class PitchNetwork:
    """The loaded network; it keeps no state, so that any number of streams may share it."""

    def __init__(self) -> None:
        """Load the weights; raises BridgeError NO_MODEL where the package is not installed."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(_weights(), options, providers=["CPUExecutionProvider"])

    @property
    def fingerprint(self) -> str:
        """A digest of the weights and of what runs them."""
        return sha256(f"{sha256(_weights()).hexdigest()} {onnxruntime.__version__}".encode()).hexdigest()

    def run(self, audio: Mono, lowest: float, highest: float) -> tuple[Values, Values]:
        """Return frequency, in hertz, and voicing, 0 to 1, of every hop of `audio`; both of shape (frames,).

        `lowest` and `highest`, in hertz, bound the frequencies.
        """
        limits = {
            "fmin": np.asarray(max(lowest, LOWEST), np.float32),
            "fmax": np.asarray(min(highest, HIGHEST), np.float32),
        }
        frequency, voicing = self._session.run(["pitch", "confidence"], {"audio": audio[None], **limits})
        heard = np.abs(audio[: audio.size // HOP * HOP].reshape(-1, HOP)).max(axis=1) >= _SILENCE
        return np.asarray(frequency[0], np.float64), np.where(heard, np.asarray(voicing[0], np.float64), 0.0)


@cache
def _weights() -> bytes:
    found = find_spec("swift_f0")
    if found is None or found.origin is None:
        message = "the transcriber mono needs the weights inside the package swift-f0; `pip install swift-f0`"
        raise BridgeError(ErrorCode.NO_MODEL, message)
    return (Path(found.origin).parent / "model.onnx").read_bytes()

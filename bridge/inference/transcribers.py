"""The transcribers by name; each loads its network when it is first asked for and stays loaded."""

from collections.abc import Callable
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.music.sound import Stem
from bridge.session.ports import Transcriber

if TYPE_CHECKING:
    from bridge.inference.device import DeviceName

AUTO = "auto"
"""The name of the default for the stem."""


def _madmom_cnn(device: "DeviceName") -> Transcriber:
    from bridge.inference.device import choose_device  # noqa: PLC0415  # as below
    from bridge.inference.transcribe_cnn import MadmomCnn  # noqa: PLC0415  # seconds of torch and madmom, if asked for

    return MadmomCnn(choose_device(device))


def _madmom_rnn(device: "DeviceName") -> Transcriber:  # noqa: ARG001  # its steps are too small to be worth a graphics card
    from bridge.inference.transcribe_rnn import MadmomRnn  # noqa: PLC0415  # as above

    return MadmomRnn()


_LOAD: dict[str, Callable[["DeviceName"], Transcriber]] = {"madmom-cnn": _madmom_cnn, "madmom-rnn": _madmom_rnn}

NAMES = (AUTO, *_LOAD)


def _warm(transcriber: Transcriber) -> Transcriber:
    """Let what libraries make at first use, half a second of it, be made before the first stem waits for it."""
    transcription = transcriber.start(SAMPLE_RATE)
    noise = np.random.default_rng(0).normal(0.0, 0.1, (1, 3 * SAMPLE_RATE))
    transcription.feed(noise.astype(np.float32))
    transcription.finish()
    return transcriber


class MadmomTranscribers:
    """Fulfils `Transcribers`."""

    def __init__(self, default: str = AUTO, device: "DeviceName" = "cpu") -> None:
        self._default, self._device = default, device
        self._loaded: dict[str, Transcriber] = {}

    def get(self, name: str | None, stem: Stem) -> Transcriber:  # noqa: ARG002  # one default serves all stems
        """Return the named transcriber, or the default one for None; `auto` is `madmom-cnn`.

        Raises:
            BridgeError: BAD_ARGUMENT with the valid names, the nearest first.

        """
        wanted = self._default if name is None else name
        if wanted == AUTO:
            wanted = "madmom-cnn"
        if wanted not in _LOAD:
            nearest = sorted(NAMES, key=lambda valid: -SequenceMatcher(None, wanted, valid).ratio())
            message = f"unknown transcriber {wanted!r}, expected one of {', '.join(nearest)}"
            raise BridgeError(ErrorCode.BAD_ARGUMENT, message)
        if wanted not in self._loaded:
            self._loaded[wanted] = _warm(_LOAD[wanted](self._device))
        return self._loaded[wanted]

"""The transcribers by name; each loads its network when it is first asked for and stays loaded."""

from collections.abc import Callable
from difflib import SequenceMatcher

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session.ports import Transcriber

AUTO = "auto"
"""The name of the default for the stem."""


def _madmom_cnn() -> Transcriber:
    from bridge.inference.transcribe_cnn import MadmomCnn  # noqa: PLC0415  # seconds of torch and madmom, if asked for

    return MadmomCnn()


def _madmom_rnn() -> Transcriber:
    from bridge.inference.transcribe_rnn import MadmomRnn  # noqa: PLC0415  # as above

    return MadmomRnn()


_LOAD: dict[str, Callable[[], Transcriber]] = {"madmom-cnn": _madmom_cnn, "madmom-rnn": _madmom_rnn}

NAMES = (AUTO, *_LOAD)


class MadmomTranscribers:
    """Fulfils `Transcribers`."""

    def __init__(self, default: str = AUTO) -> None:
        self._default = default
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
            self._loaded[wanted] = _LOAD[wanted]()
        return self._loaded[wanted]

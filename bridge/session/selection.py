"""What is selected in the DAW, and the jobs that buttons make of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session.request import JobRequest
from bridge.units import JobId


class OwnIds:
    """Request ids for jobs that nobody gave one: `play 20260131-201500 1`, then 2. Each begins with its word.

    The time is the daemon's start, as an id names the job's folder too: another day's results stay where they are.
    """

    def __init__(self, word: str) -> None:
        self._beginning = f"{word} {datetime.now().astimezone():%Y%m%d-%H%M%S}"
        self._numbers = count(1)

    def next(self) -> JobId:
        return JobId(f"{self._beginning} {next(self._numbers)}")


class Selection:
    """One clip with all that a job on it takes, remembered until another is selected."""

    def __init__(self) -> None:
        self.request: JobRequest | None = None
        """None until something was selected."""
        self._ids = OwnIds("play")

    def job(self, stems: Sequence[Stem]) -> JobRequest:
        """Return a job on these stems of what is selected; raises BridgeError NO_SELECTION."""
        if self.request is None:
            raise BridgeError(
                ErrorCode.NO_SELECTION,
                "nothing is selected: expected /bridge/select with the path of a clip first, from a script in the DAW or by hand",
            )
        return replace(self.request, id=self._ids.next(), stems=tuple(stems))

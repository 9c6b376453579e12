"""A port that leads into a file: for machines without a MIDI system, and for looking at what was sent."""

import json
from pathlib import Path
from time import perf_counter

import platformdirs

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.deadline import SPIN, DeadlineSender
from bridge.units import Seconds


def default_recording() -> Path:
    """Where recordings go unless told otherwise."""
    return Path(platformdirs.user_data_path("stembridge", appauthor=False)) / "recording.jsonl"


class RecordingPort(DeadlineSender):
    """Writes each message as one line of JSON, `{"host": seconds of perf_counter, "bytes": [...]}`, when it is due.

    An older recording of the same name is replaced. Raises BridgeError DISK where the file cannot be written.
    """

    backend = "recording"
    lead = SPIN
    xruns = 0

    def __init__(self, path: Path | None, tolerance: Seconds) -> None:
        path = path or default_recording()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Line buffered: whoever reads along sees whole messages.
            self._file = path.open("w", encoding="ascii", buffering=1)
        except OSError as error:
            raise BridgeError(ErrorCode.DISK, f"cannot write the recording {path}: {error.strerror}") from error
        self.name = str(path)
        super().__init__(self._write, tolerance)

    def tend(self) -> str | None:
        return self.lost

    def close(self) -> None:
        super().close()
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.write(json.dumps({"host": perf_counter(), "bytes": list(data)}) + "\n")

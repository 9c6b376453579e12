"""What the daemon hands to the inference process: a request with all that only the daemon knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.music.sound import Stem
from bridge.session.request import JobRequest
from bridge.units import Bpm


class JobCancelled(Exception):  # noqa: N818 - not an error: what was asked for
    """The job was cancelled; raised between two steps of its work."""


@dataclass(frozen=True, slots=True)
class Work:
    """A request with all that the daemon knows and the inference process does not."""

    request: JobRequest
    folder: Path
    """Where the stems and MIDI files go."""
    bpm: Bpm
    """The tempo that the MIDI file states."""
    channels: Mapping[Stem, int]
    """1 to 16."""
    thresholds: Mapping[Stem, float | None]
    """None where neither the job nor the live parameter sets one, and the transcriber's own holds."""
    holds: Mapping[Stem, float]
    """The live parameter `hold_ms`."""
    key_first: bool
    """Whether notes are to wait for the clip's key, as they are snapped to it."""

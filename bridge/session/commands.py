"""What a user can ask of the daemon, one value a command, whichever wire it came over."""

from dataclasses import dataclass

from bridge.session.request import JobRequest
from bridge.units import Beats, Bpm, JobId


@dataclass(frozen=True, slots=True)
class StartJob:
    """Separate, transcribe and play."""

    request: JobRequest


@dataclass(frozen=True, slots=True)
class CancelJob:
    """End the analysis of one job, or of all, and what they play."""

    id: JobId | None


@dataclass(frozen=True, slots=True)
class UnloadJob:
    """End what one job, or all, play; an analysis that still runs is cancelled with it."""

    id: JobId | None


@dataclass(frozen=True, slots=True)
class AskJobs:
    """Say the state of one job, or of all that are remembered."""

    id: JobId | None


@dataclass(frozen=True, slots=True)
class PlayTransport:
    """Roll the internal clock."""


@dataclass(frozen=True, slots=True)
class StopTransport:
    """Stop the internal clock and every launched part."""


@dataclass(frozen=True, slots=True)
class Locate:
    """Move the internal clock."""

    beats: Beats


@dataclass(frozen=True, slots=True)
class SetTempo:
    """Set the internal clock's tempo."""

    bpm: Bpm


@dataclass(frozen=True, slots=True)
class SetLoop:
    """Set the internal clock's loop."""

    start: Beats
    end: Beats
    on: bool


@dataclass(frozen=True, slots=True)
class SetParameter:
    """Set a live parameter, for all or for one job."""

    name: str
    value: float
    job: JobId | None = None


@dataclass(frozen=True, slots=True)
class AskParameter:
    """Say what a live parameter is."""

    name: str


@dataclass(frozen=True, slots=True)
class AskVersion:
    """Say which version runs."""


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Say how the daemon is."""


@dataclass(frozen=True, slots=True)
class Panic:
    """Silence everything, now."""


TransportCommand = PlayTransport | StopTransport | Locate | SetTempo | SetLoop

Command = (
    StartJob
    | CancelJob
    | UnloadJob
    | AskJobs
    | TransportCommand
    | SetParameter
    | AskParameter
    | AskVersion
    | AskStatus
    | Panic
)

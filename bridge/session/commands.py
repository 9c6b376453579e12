"""What a user can ask of the daemon, one value a command, whichever wire it came over."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bridge.music.sound import Stem
from bridge.music.tempo import Loop
from bridge.session.request import JobRequest
from bridge.units import Beats, Bpm, JobId, Seconds


class ClockName(StrEnum):
    """Who may say where the project is."""

    AUTO = "auto"
    """The best one that is heard."""
    INTERNAL = "internal"
    MIDI = "midi"
    MTC = "mtc"
    LINK = "link"
    JACK = "jack"
    REAPER = "reaper"
    ARDOUR = "ardour"
    ABLETON = "ableton"
    BITWIG = "bitwig"
    OSC = "osc"
    """Any script, through `/bridge/clock/observe`."""


class ClockOut(StrEnum):
    """By what others can follow our transport."""

    MIDI = "midi"
    LINK = "link"


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
class Select:
    """Remember what is to be played when somebody presses a button; nothing sounds."""

    request: JobRequest
    """Its id is empty: each job made of it has one of its own."""


@dataclass(frozen=True, slots=True)
class PlaySelection:
    """Start a job on what is selected."""

    stems: tuple[Stem, ...]


@dataclass(frozen=True, slots=True)
class AskJobs:
    """Say the state of one job, or of all that are remembered."""

    id: JobId | None


@dataclass(frozen=True, slots=True)
class PlayTransport:
    """Roll the project."""


@dataclass(frozen=True, slots=True)
class StopTransport:
    """Stop the project and every launched part."""


@dataclass(frozen=True, slots=True)
class Locate:
    """Move the project."""

    beats: Beats


@dataclass(frozen=True, slots=True)
class SetTempo:
    """Set the project's tempo."""

    bpm: Bpm


@dataclass(frozen=True, slots=True)
class SetLoop:
    """Set the project's loop."""

    start: Beats
    end: Beats
    on: bool


@dataclass(frozen=True, slots=True)
class ChooseClock:
    """Follow this clock; None: say which one is followed."""

    name: ClockName | None


@dataclass(frozen=True, slots=True)
class ObserveClock:
    """A script says how its project is. What is None is not known to it."""

    seconds: Seconds | None
    beats: Beats | None
    bpm: Bpm | None
    playing: bool
    loop: Loop | None


@dataclass(frozen=True, slots=True)
class SendClock:
    """Let others follow our transport, or end that."""

    out: ClockOut
    on: bool


@dataclass(frozen=True, slots=True)
class UseTempoMap:
    """Read positions through the tempi of this MIDI file; None: as they are heard."""

    path: Path | None


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
ClockCommand = ChooseClock | ObserveClock | SendClock | UseTempoMap

Command = (
    StartJob
    | CancelJob
    | UnloadJob
    | Select
    | PlaySelection
    | AskJobs
    | TransportCommand
    | ClockCommand
    | SetParameter
    | AskParameter
    | AskVersion
    | AskStatus
    | Panic
)

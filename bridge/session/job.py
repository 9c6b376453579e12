"""One job as the book keeps it."""

from dataclasses import dataclass, field
from typing import Protocol

from bridge.music.key import KeyEstimate
from bridge.music.sound import Stem
from bridge.session.events import Cancelled, JobEvent, JobState, Stage, StretchNotes, Unloaded
from bridge.session.lead import Lead
from bridge.session.request import JobRequest, Sync
from bridge.units import HostTime, Seconds

NATURAL = ("played", "failed")
"""Reasons for being unloaded that nobody asked for."""


class Audience(Protocol):
    """Who hears what happens to a job."""

    def answer(self, event: JobEvent) -> None:
        """Tell the requester alone."""

    def tell(self, event: JobEvent) -> None:
        """Tell the requester and all who listen to jobs, each once."""


@dataclass(slots=True)
class Job:
    """A request and what has become of it."""

    request: JobRequest
    audience: Audience
    accepted_at: HostTime
    state: JobState = JobState.QUEUED
    stage: Stage = Stage.QUEUED
    fraction: float = 0.0
    overrides: dict[Stem, dict[str, float]] = field(default_factory=dict)
    """Live parameters set for this job since it was asked for."""
    loaded: set[Stem] = field(default_factory=set)
    """Stems that the player was given."""
    parts: set[Stem] = field(default_factory=set)
    """Of those, the ones it still holds."""
    key: KeyEstimate | None = None
    """The clip's, once it is known."""
    answer: list[JobEvent] = field(default_factory=list)
    """What a repeated request hears again: accepted, and the endings there have been."""
    launched: bool = False
    unloaded: bool = False
    _separation_began: HostTime = HostTime(0.0)
    _leads: dict[Stem, Lead] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether more will be said about it."""
        return not self.unloaded or self.state in (JobState.QUEUED, JobState.RUNNING)

    @property
    def ended_by_request(self) -> bool:
        """Whether somebody ended it: whoever then asks for it again means it, as no datagram comes twice with another between."""
        return any(
            isinstance(e, Cancelled) or (isinstance(e, Unloaded) and e.reason not in NATURAL) for e in self.answer
        )

    @property
    def ready(self) -> bool:
        """Whether every stem has begun and none can be overtaken."""
        return len(self._leads) == len(self.request.stems) and all(lead.enough for lead in self._leads.values())

    @property
    def speed(self) -> float:
        """Clip seconds analysed in a second, of the slowest stem."""
        return min((lead.speed for lead in self._leads.values()), default=0.0)

    @property
    def lead(self) -> Seconds:
        """How much is known from where playback would come in."""
        return min((Seconds(lead.known - lead.playhead) for lead in self._leads.values()), default=Seconds(0.0))

    def progress(self, stage: Stage, fraction: float, now: HostTime) -> None:
        """Note how far the analysis is."""
        if stage is Stage.SEPARATING and self.stage is not Stage.SEPARATING:
            self._separation_began = now
        self.stage, self.fraction = stage, fraction

    def advance(self, event: StretchNotes, now: HostTime, rate: float, playhead: Seconds) -> None:
        """Note that a stretch of a stem is known; playback would start at `playhead` and use `rate` clip seconds in a second."""
        lead = self._leads.setdefault(event.stem, Lead(event.duration, rate, self._separation_began))
        lead.advance(event.analysed, event.known, now, playhead)

    def same_place(self, other: "Job") -> bool:
        """Whether both put the same region of the same audio on the project's timeline."""
        a, b = self.request, other.request
        return (
            a.sync is Sync.TRANSPORT
            and b.sync is Sync.TRANSPORT
            and (a.path, a.path2, a.start, a.end) == (b.path, b.path2, b.start, b.end)
        )

    def describe(self) -> str:
        """Say what it is doing, for a message."""
        return self.state if self.state in (JobState.QUEUED, JobState.RUNNING) else "loaded in the player"

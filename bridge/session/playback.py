"""What the player is given and what it says: one `Part` a stem of a job, notes as they become known, the transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.music.notes import Extent, Note, NoteKey
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap, Transport
from bridge.session.request import Follow, Sync
from bridge.units import Beats, Channel, HostTime, JobId, Pitch, Seconds, Velocity

PartId = tuple[JobId, Stem]


@dataclass(frozen=True, slots=True)
class Part:
    """One stem of a job as it is to be played. Launched parts (sync now, beat, bar) play once, or round and round."""

    id: PartId
    length: Seconds
    """Of the clip, in clip seconds."""
    threshold: float
    """The transcriber's default, while neither the job nor the live parameter sets one."""
    sync: Sync = Sync.NOW
    follow: Follow = Follow.TIME
    at: Beats | None = None
    """Where the clip's start sits in the project (sync transport); at most one of `at` and `at_s`; neither: beat 0."""
    at_s: Seconds | None = None
    rate: float = 1.0
    """Clip seconds in a project second (follow time)."""
    tempo: TempoMap | None = None
    """The clip's own (follow tempo)."""
    loop: bool = False
    program: int | None = None
    """0 to 127, sent once before the first note."""
    key: int | None = None
    """The clip's estimated key, 0 to 11 C to B major, 12 to 23 C to B minor; None while it is not known."""
    overrides: Mapping[str, float] = field(default_factory=dict)
    """Live parameters that this part does not share, those of each stem by the bare name: `threshold`, `channel`, `low`."""


@dataclass(frozen=True, slots=True)
class SentNote:
    """One note message that left."""

    part: PartId
    on: bool
    channel: Channel
    pitch: Pitch
    velocity: Velocity | None
    """None for a note-off."""
    due: HostTime
    lateness: Seconds
    """Sent minus due."""


@dataclass(frozen=True, slots=True)
class NotesSent:
    """What left since the last report; at most 50 ms old."""

    notes: tuple[SentNote, ...]


@dataclass(frozen=True, slots=True)
class PartPlayed:
    """A launched part will not sound again; nothing of it sounds, and the player has forgotten it."""

    part: PartId
    reason: str = "played"
    """played, or stopped where the transport's stop ended it."""


@dataclass(frozen=True, slots=True)
class PartBehind:
    """The playhead stands in what is not transcribed yet."""

    part: PartId
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class PortChanged:
    """The MIDI port opened, or was lost and is being watched for."""

    backend: str
    """jack, alsa, coremidi, windows or recording."""
    name: str
    available: bool
    message: str
    """For a person: what happened and what will be done."""


@dataclass(frozen=True, slots=True)
class InputChanged:
    """The MIDI input opened, or was lost and is being watched for."""

    backend: str
    """jack, alsa, coremidi or windows."""
    name: str
    available: bool
    message: str
    """For a person: what happened and what will be done."""


@dataclass(frozen=True, slots=True)
class MidiReceived:
    """What came in since the last report; at most 5 ms old."""

    messages: tuple[tuple[HostTime, bytes], ...]
    """When each arrived, in order, and its bytes: one whole message each, system exclusive included, its status always stated."""


@dataclass(frozen=True, slots=True)
class PlayerStatistics:
    """Counted since the player started; lateness over the last 10,000 messages."""

    sent: int
    sounding: int
    dropped_late: int
    dropped_range: int
    """Notes outside their stem's limits, or whose transposed pitch is no MIDI note."""
    clamped_bends: int
    """Notes whose bend goes beyond the range."""
    dropped_port: int
    """Notes that came due while there was no port."""
    dropped_clock: int
    """Clock messages that came due so long before they could leave that they were dropped: who counts ticks is off by as many."""
    xruns: int
    """Cycles that the audio system missed; each may have cost a message."""
    lateness_median: Seconds
    lateness_p99: Seconds
    lateness_max: Seconds


@dataclass(frozen=True, slots=True)
class PlayerLost:
    """The player process ended unasked: no part is loaded any more. Another one is being started."""

    message: str


PlayerEvent = (
    NotesSent | PartPlayed | PartBehind | PortChanged | InputChanged | MidiReceived | PlayerStatistics | PlayerLost
)


class Player(Protocol):
    """Plays parts. Calls return at once; what they cause is in effect within 20 ms."""

    def load(self, part: Part) -> None:
        """Take a part; one with the same id is replaced. With sync transport it sounds from now on."""

    def update(
        self,
        part: PartId,
        notes: Sequence[Note],
        withdrawn: Sequence[NoteKey],
        known: Sequence[Extent],
        *,
        complete: bool,
    ) -> None:
        """Add notes, or revise those with the same key, and forget the `withdrawn` ones, which were not notes after all.

        A withdrawn note that sounds ends at its own end, or now where that is not known. `known` is all of the clip in which onsets
        are known, in order; `complete` says that nothing will follow.
        """

    def launch(self, parts: Sequence[PartId]) -> None:
        """Start these parts together: now, or at the transport's next beat or bar while it rolls."""

    def unload(self, parts: Sequence[PartId]) -> None:
        """Forget these parts; release what of them sounds, and nothing else."""

    def override(self, part: PartId, name: str, value: float) -> None:
        """Set a live parameter for one part."""

    def set_key(self, parts: Sequence[PartId], key: int) -> None:
        """Say the key of the clip that these parts are of, as `Part.key` has it."""

    def set_parameter(self, name: str, value: float) -> None:
        """Set a live parameter for all parts."""

    def set_transport(self, transport: Transport) -> None:
        """Move, start, stop or re-time the project; from rolling to parked ends what was launched on a beat or bar."""

    def send_clock(self, messages: Sequence[tuple[HostTime, bytes]]) -> None:
        """Send system messages (clock, position, start, time code) at these times, beside whatever notes there are.

        One that cannot leave before the late tolerance is over is dropped and counted, unless it is a stop; without a port all are lost,
        so whoever sends them starts anew when a port has opened.

        Raises:
            BridgeError: BAD_ARGUMENT for a channel message, and for one of more than 16 bytes.

        """

    def clear_clock(self) -> None:
        """Take back what was given to `send_clock` and has not left; those who were told to start are told to stop."""

    def panic(self) -> None:
        """Unload all, release all, then CC64 = 0, CC123 and CC120 on all channels."""

"""`mono`: one voice at a time - singing, bass, a wind instrument - by SwiftF0's network and notes cut online.

The network hears 96 ms beyond a frame's middle and gives two frames at a time; a note is decided when no other
reading is nearly as good any more, 80 to 320 ms of frames after its onset. It is given then, with its onset and pitch
for good; its bend is carried on as it sounds, and its duration given once its end is decided in the same way. If asked to,
it puts each onset where the attack is in the waveform. A note that leads straight to the next one ends there, and its end is given
a frame later for that.
"""

from collections import deque
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from math import ceil

from bridge.errors import BridgeError, ErrorCode
from bridge.inference import attack
from bridge.inference.mono_bend import BendTracker, moved
from bridge.inference.mono_frames import Frame, FrameStream
from bridge.inference.mono_network import HOP, PitchNetwork
from bridge.inference.mono_notes import Ended, Found, Segmentation, Segmenter
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio, require_rate
from bridge.inference.velocity import velocity_at
from bridge.inference.weights_digest import text_digest
from bridge.music.notes import Note, NoteKey, NoteUpdate
from bridge.music.sound import Samples, Stem
from bridge.units import Pitch, Seconds

ALGORITHM = 2
"""To be raised when the code may give other notes for the same stem: kept notes are then made anew."""

HOLD_MS = 80.0
LOWEST, HIGHEST = Pitch(27), Pitch(96)
"""What can be heard at all."""
BEND_EVERY = 4
"""Frames, 64 ms, after which an open note is given again with what its bend has become."""
_LOWEST_UNSTRETCHED = Pitch(31)
_STRETCH = 1.25
"""The network hears from 46.9 Hz up; sped up by a quarter, also a bass guitar's lowest E, in frames of 20 ms."""


@dataclass(frozen=True, slots=True)
class MonoOptions:
    """What is looked for."""

    lowest: Pitch = _LOWEST_UNSTRETCHED
    """From 27 up; below 31, notes come a quarter later."""
    highest: Pitch = HIGHEST
    hold_ms: float = HOLD_MS
    """A pitch one semitone away becomes a note of its own once it lasts longer than this."""
    attack_db: float = 0.8
    """How much the bands of the spectrum must rise for a note to count as struck again."""


VOICE = MonoOptions(lowest=Pitch(36), highest=Pitch(88), attack_db=2.0)
"""Drums left over from the separation are no notes struck again, nor consonants where the pitch does not dent with them."""
BASS = MonoOptions(lowest=LOWEST, highest=Pitch(67))


def options_for(stem: Stem) -> MonoOptions:
    """Return what is looked for in a stem."""
    return {Stem.VOCALS: VOICE, Stem.BASS: BASS}.get(stem, MonoOptions())


class MonoTranscriber:
    """Fulfils `Transcriber`; confidence is how far the voicing of a note's first frames lies above one half, doubled.

    What is no more likely a tone than not is no note, so confidence begins at 0 there; clear notes have 0.6 to 0.98.
    """

    name = "mono"
    threshold = 0.3

    def __init__(self, options: MonoOptions = MonoOptions(), *, refine_onsets: bool = False) -> None:
        """Raise BridgeError NO_MODEL where the weights are not installed, BAD_ARGUMENT for options out of range."""
        if not LOWEST <= options.lowest < options.highest <= HIGHEST:
            asked = f"{options.lowest} to {options.highest}"
            message = f"cannot look for notes from {asked}, expected within {LOWEST} to {HIGHEST}"
            raise BridgeError(ErrorCode.BAD_ARGUMENT, message)
        for what, value in (("hold_ms", options.hold_ms), ("attack_db", options.attack_db)):
            if not 0.0 < value < float("inf"):
                raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{what} is {value}, expected a number above 0")
        self._options, self._refine_onsets = options, refine_onsets
        self._network = _load_network()

    @property
    def fingerprint(self) -> str:
        """A digest of all that the notes of a stem depend on, but for the stem."""
        refined = (attack.FINGERPRINT,) if self._refine_onsets else ()
        return text_digest(ALGORITHM, self._options, self._network.fingerprint, *refined)

    def start(self, sample_rate: int) -> "MonoTranscription":
        """Begin a stem; raises BridgeError NOT_SUPPORTED unless the rate is 44100 Hz."""
        require_rate(sample_rate)
        return MonoTranscription(self._network, self._options, refine_onsets=self._refine_onsets)


@dataclass(slots=True)
class _Open:
    """The note that has been found and has not ended."""

    note: Note
    late: Seconds
    """How long after its first frame's beginning the note begins; below 0: before it."""
    bend: BendTracker
    given: int = 0
    """The frame up to which its bend has been given."""


class MonoTranscription:
    """Fulfils `Transcription`; keeps about half a second of audio."""

    def __init__(self, network: PitchNetwork, options: MonoOptions, *, refine_onsets: bool) -> None:
        self._refine_onsets = refine_onsets
        self._before = attack.BEFORE if refine_onsets else 0
        """What an onset to come needs of the samples before its frame."""
        self._early = attack.EARLIEST if refine_onsets else Seconds(0.0)
        """How much before its frame a note may begin."""
        self._audio = RecentAudio()
        stretch = 1.0 if options.lowest >= _LOWEST_UNSTRETCHED else _STRETCH
        self._frames = FrameStream(network, self._audio, stretch, options.lowest - 1, options.highest + 1)
        self._period = Seconds(HOP / self._frames.rate)
        hold = Seconds(options.hold_ms / 1000.0)
        self._segmenter = Segmenter(
            self._period, Segmentation(hold, options.attack_db, options.lowest, options.highest)
        )
        self._open: _Open | None = None
        self._ending: tuple[_Open, int] | None = None
        """A note that was ended by the frame named, and may end with the next one's onset instead."""
        self._ended = Seconds(0.0)
        """When the last note that was given whole ended."""
        self._heard: deque[Frame] = deque()
        """The frames from `_first` on: what a note to be found may begin with, or the open one's bend go on with."""
        self._first = 0

    def feed(self, samples: Samples) -> NoteUpdate:
        """Take the next stretch, shape (channels, frames), any length; return new notes and revisions."""
        notes: dict[NoteKey, Note] = {}
        for _ in self._audio.take(samples):
            self._cut(self._frames.advance(), notes)
            known = self._time(self._segmenter.known)
            self._audio.forget(min(self._frames.needs, int(known * SAMPLE_RATE) - self._before))
        return _update(notes, Seconds(max(0.0, self._time(self._segmenter.known) - self._early)))

    def finish(self) -> NoteUpdate:
        """Return the rest; every note has its duration now."""
        notes: dict[NoteKey, Note] = {}
        self._cut(self._frames.finish(), notes)
        for event in self._segmenter.finish():
            self._follow(event, notes)
        self._end(None, notes)
        return _update(notes, Seconds(self._audio.frames / SAMPLE_RATE))

    def _cut(self, frames: list[Frame], notes: dict[NoteKey, Note]) -> None:
        """Let more frames decide about notes, and give the note that goes on the bend that they show."""
        self._heard.extend(frames)
        for event in self._segmenter.feed(frames):
            self._follow(event, notes)
        if self._ending is not None and self._ending[1] < self._segmenter.known:
            self._end(None, notes)
        sounding = self._open
        if sounding is not None:
            self._bend(sounding, self._first + len(self._heard))
            if sounding.bend.frame - sounding.given >= BEND_EVERY:
                self._give(sounding, None, None, notes)
        while (
            self._heard
            and self._first < self._segmenter.known
            and (sounding is None or self._first < sounding.bend.frame)
        ):
            self._heard.popleft()
            self._first += 1

    def _follow(self, event: Found | Ended, notes: dict[NoteKey, Note]) -> None:
        if isinstance(event, Found):
            onset = begin = self._time(event.begin)
            if self._refine_onsets:
                onset = attack.onset_at(self._audio, round(begin * SAMPLE_RATE), event.pitch)
                self._end(onset if self._ending is not None and self._ending[1] == event.begin else None, notes)
                onset = max(self._ended, onset)
            confidence = min(max(2.0 * event.voicing - 1.0, 0.0), 1.0)
            velocity = velocity_at(self._audio, int(begin * SAMPLE_RATE), None)
            note = Note(onset, None, event.pitch, velocity, confidence)
            self._open = _Open(note, Seconds(onset - begin), BendTracker(event.begin, event.pitch, self._period))
            # A bend that was given may only grow: what lies before an onset that was moved is to be known.
            self._bend(self._open, max(self._segmenter.known, event.begin + ceil(self._early / self._period) + 1))
            self._give(self._open, None, None, notes)
        else:
            assert self._open is not None, "a note ends that was never found"
            self._bend(self._open, event.end)
            self._ending, self._open = (self._open, event.end), None
            if not self._refine_onsets:
                self._end(None, notes)

    def _end(self, at: Seconds | None, notes: dict[NoteKey, Note]) -> None:
        """Give the note that was ended whole, if there is one: until then, or else until the frame that ended it."""
        if self._ending is not None:
            sounding, frame = self._ending
            self._ending = None
            self._ended = self._time(frame) if at is None else at
            self._give(sounding, frame, self._ended, notes)

    def _bend(self, sounding: "_Open", until: int) -> None:
        """Follow the note's pitch up to a frame."""
        begin = sounding.bend.frame - self._first
        sounding.bend.follow(islice(self._heard, begin, max(begin, until - self._first)))

    def _give(self, sounding: "_Open", frame: int | None, end: Seconds | None, notes: dict[NoteKey, Note]) -> None:
        """Give the note as it is now; `frame` is the one after its last, and `end` when it is over, both None while it sounds."""
        sounding.given = sounding.bend.frame
        duration = None if end is None else Seconds(end - sounding.note.onset)
        bend = moved(sounding.bend.bend(frame), sounding.late)
        notes[sounding.note.key] = replace(sounding.note, duration=duration, bend=bend)

    def _time(self, frame: int) -> Seconds:
        """When a frame begins: its time is that of its middle, and the one before reaches half way."""
        return Seconds(max(0.0, (frame - 0.5) * self._period))


@cache
def _load_network() -> PitchNetwork:
    """Load the network when it is first asked for; all transcribers share it."""
    return PitchNetwork()


def _update(notes: dict[NoteKey, Note], until: Seconds) -> NoteUpdate:
    return NoteUpdate(tuple(notes[key] for key in sorted(notes)), until)

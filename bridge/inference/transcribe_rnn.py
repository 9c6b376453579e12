"""`madmom-rnn`: madmom's recurrent piano onset network and peak picking, on windows of a fixed grid.

The network is bidirectional: it reads the whole file before it says anything about its start. Here it reads windows: for each
second, that second with one before and one after, which brings every activation within 2e-4 of the whole file's. Notes
are final about one second after they sound, up to two. The network knows onsets only: a note's duration is an estimate,
half a second, or until the next onset of its key that is sure by default.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge.inference.madmom_models import KEYS, LOWEST_PITCH, madmom
from bridge.inference.peaks import FPS, THRESHOLD, Onset, OnsetActivations, PeakPicker
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio, require_rate
from bridge.inference.velocity import velocity_at
from bridge.music.notes import Note, NoteKey, NoteUpdate
from bridge.music.sound import Samples
from bridge.units import Pitch, Seconds, Velocity

HOP = SAMPLE_RATE // FPS
CORE = FPS
"""Frames whose activations a window gives."""
CONTEXT = FPS
"""Frames that it reads before and after them."""
LONGEST = FPS // 2
"""Frames that a note lasts at most."""


class MadmomRnn:
    """Fulfils `Transcriber`; confidence is the smoothed onset activation, as madmom's threshold compares it, at most 1.

    The network keeps state while it runs: one thread at a time.
    """

    name = "madmom-rnn"
    threshold = THRESHOLD

    def __init__(self) -> None:
        self._network: Any = madmom.features.notes.RNNPianoNoteProcessor()

    def start(self, sample_rate: int) -> "RnnTranscription":
        """Begin a stem; raises BridgeError NOT_SUPPORTED unless the rate is 44100 Hz."""
        require_rate(sample_rate)
        return RnnTranscription(self._network)


@dataclass(frozen=True, slots=True)
class _Sounding:
    onset: Onset
    velocity: Velocity

    def note(self, frames: int | None) -> Note:
        """The note with its duration, None while that is unknown."""
        return Note(
            onset=Seconds(self.onset.frame / FPS),
            duration=None if frames is None else Seconds(min(frames, LONGEST) / FPS),
            pitch=Pitch(LOWEST_PITCH + self.onset.key),
            velocity=self.velocity,
            confidence=min(1.0, self.onset.height),
        )


class RnnTranscription:
    """Fulfils `Transcription`; keeps about three seconds of audio."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._audio = RecentAudio()
        self._picker = PeakPicker()
        self._frames = 0
        """Whose activations are known."""
        self._sounding: list[_Sounding] = []

    def feed(self, samples: Samples) -> NoteUpdate:
        """Take the next stretch, shape (channels, frames), any length; return new notes and revisions."""
        notes: dict[NoteKey, Note] = {}
        for _ in self._audio.take(samples):
            while self._audio.frames >= (self._frames + CORE + CONTEXT) * HOP:
                self._follow(self._picker.feed(self._activate(self._frames + CORE)), notes)
            self._audio.forget((self._frames - CONTEXT) * HOP)
        return _update(notes, Seconds(self._picker.known / FPS))

    def finish(self) -> NoteUpdate:
        """Return the rest; every note has its duration now."""
        notes: dict[NoteKey, Note] = {}
        last = -(-self._audio.frames // HOP)
        while self._frames < last:
            self._follow(self._picker.feed(self._activate(min(self._frames + CORE, last))), notes)
        self._follow(self._picker.finish(), notes)
        for sounding in self._sounding:
            _give(sounding.note(last - sounding.onset.frame), notes)
        self._sounding.clear()
        return _update(notes, Seconds(self._audio.frames / SAMPLE_RATE))

    def _activate(self, stop: int) -> OnsetActivations:
        """Return the activations up to `stop`, from a window that reaches `CONTEXT` frames further if the audio does."""
        first = max(0, self._frames - CONTEXT)
        samples = self._audio.read(first * HOP, min((stop + CONTEXT) * HOP, self._audio.frames))
        signal = madmom.audio.signal.Signal(samples, sample_rate=SAMPLE_RATE)
        # A window of one frame comes without its time axis.
        window = np.asarray(self._network(signal), dtype=np.float32).reshape(-1, KEYS)
        activations = window[self._frames - first : stop - first]
        self._frames = stop
        return activations

    def _follow(self, onsets: list[Onset], notes: dict[NoteKey, Note]) -> None:
        """Take onsets in order of time; end the notes that they cut short, and those that have lasted long enough."""
        for onset in onsets:
            if onset.height >= THRESHOLD:
                self._end([s for s in self._sounding if s.onset.key == onset.key], onset.frame, notes)
            velocity = velocity_at(self._audio, onset.frame * HOP, Pitch(LOWEST_PITCH + onset.key))
            self._sounding.append(_Sounding(onset, velocity))
            _give(self._sounding[-1].note(None), notes)
        known = self._picker.known
        self._end([s for s in self._sounding if known - s.onset.frame >= LONGEST], known, notes)

    def _end(self, ended: list[_Sounding], frame: int, notes: dict[NoteKey, Note]) -> None:
        for sounding in ended:
            _give(sounding.note(frame - sounding.onset.frame), notes)
            self._sounding.remove(sounding)


def _give(note: Note, notes: dict[NoteKey, Note]) -> None:
    notes[note.key] = note


def _update(notes: dict[NoteKey, Note], until: Seconds) -> NoteUpdate:
    return NoteUpdate(tuple(notes[key] for key in sorted(notes)), until)

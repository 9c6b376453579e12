"""`madmom-rnn`: madmom's recurrent piano onset network and peak picking, on windows of a fixed grid.

The network is bidirectional: it reads the whole file before it says anything about its start. Here it reads windows of what
`piano_features` makes of the audio: for each second, that second with half a second before and 650 ms after, which
brings every activation within 1e-5 of the whole file's. Notes are final 0.7 to 1.7 seconds after they sound. The network
knows onsets only: a note's duration is an estimate, half a second, or until the next onset of its key that is sure by
default.
"""

from dataclasses import dataclass

import numpy as np

from bridge.inference.madmom_models import LOWEST_PITCH, fingerprint, madmom
from bridge.inference.peaks import FPS, THRESHOLD, Onset, OnsetActivations, PeakPicker
from bridge.inference.piano_features import FeatureStream, Resolution, piano_rnn_resolutions
from bridge.inference.piano_rnn import PianoRnn
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio, require_rate
from bridge.inference.velocity import velocity_at
from bridge.music.notes import Note, NoteKey, NoteUpdate
from bridge.music.sound import Samples
from bridge.units import Pitch, Seconds, Velocity

HOP = SAMPLE_RATE // FPS
ALGORITHM = 3
"""To be raised when the code may give other notes for the same stem: kept notes are then made anew."""
CORE = FPS
"""Frames whose activations a window gives."""
BEFORE = 50
"""Frames that it reads before them."""
AFTER = 65
"""Frames that it reads after them."""
LONGEST = FPS // 2
"""Frames that a note lasts at most."""


class MadmomRnn:
    """Fulfils `Transcriber`; confidence is the smoothed onset activation, as madmom's threshold compares it, at most 1."""

    name = "madmom-rnn"
    threshold = THRESHOLD

    def __init__(self) -> None:
        processor = madmom.features.notes.RNNPianoNoteProcessor()
        self._resolutions = piano_rnn_resolutions(processor)
        self._network = PianoRnn(processor.processors[1])
        self.fingerprint = fingerprint(self.name, ALGORITHM, madmom.models.NOTES_BRNN[:1], "torch", "numpy")

    def start(self, sample_rate: int) -> "RnnTranscription":
        """Begin a stem; raises BridgeError NOT_SUPPORTED unless the rate is 44100 Hz."""
        require_rate(sample_rate)
        return RnnTranscription(self._network, self._resolutions)


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

    def __init__(self, network: PianoRnn, resolutions: list[Resolution]) -> None:
        self._network = network
        self._audio = RecentAudio()
        self._features = FeatureStream(self._audio, resolutions)
        self._window = self._features.until(0)
        """Features from `BEFORE` frames before `_frames` on, or from the clip's start."""
        self._picker = PeakPicker()
        self._frames = 0
        """Whose activations are known."""
        self._sounding: list[_Sounding] = []

    def feed(self, samples: Samples) -> NoteUpdate:
        """Take the next stretch, shape (channels, frames), any length; return new notes and revisions."""
        notes: dict[NoteKey, Note] = {}
        for _ in self._audio.take(samples):
            while self._features.complete >= self._frames + CORE + AFTER:
                self._follow(self._picker.feed(self._activate(CORE, AFTER)), notes)
            self._audio.forget(min(self._features.needs, self._picker.known * HOP))
        return _update(notes, Seconds(self._picker.known / FPS))

    def finish(self) -> NoteUpdate:
        """Return the rest; every note has its duration now."""
        notes: dict[NoteKey, Note] = {}
        last = self._features.last
        while self._frames < last:
            core = min(CORE, last - self._frames)
            self._follow(self._picker.feed(self._activate(core, min(AFTER, last - self._frames - core))), notes)
        self._follow(self._picker.finish(), notes)
        for sounding in self._sounding:
            _give(sounding.note(last - sounding.onset.frame), notes)
        self._sounding.clear()
        return _update(notes, Seconds(self._audio.frames / SAMPLE_RATE))

    def _activate(self, core: int, after: int) -> OnsetActivations:
        """Return the activations of the next `core` frames, from a window that reaches `after` frames further."""
        before = min(self._frames, BEFORE)
        stop = self._frames + core
        self._window = np.concatenate([self._window, self._features.until(stop + after)])
        activations = self._network.activate(self._window)
        self._frames = stop
        self._window = self._window[before + core - min(stop, BEFORE) :]
        return activations[before : before + core]

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

"""`madmom-rnn`: madmom's recurrent piano onset network and peak picking, on windows of a fixed grid.

The network is bidirectional: it reads the whole file before it says anything about its start. Here it reads windows of what
`piano_features` makes of the audio: for each second, that second with half a second before and 650 ms after, which
brings every activation within 1e-5 of the whole file's. Notes are final 0.7 to 1.7 seconds after they sound. The network
knows onsets only: a note's duration is an estimate, half a second, or until the next onset of its key that is sure by
default. If asked to, it puts each onset where the attack is in the waveform.
"""

from dataclasses import dataclass

import numpy as np

from bridge.inference import attack
from bridge.inference.attack import on_grid
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
SHORTEST = Seconds(0.001)
"""Onsets of a key are 60 ms apart, and each may be moved by 29.5 ms."""


class MadmomRnn:
    """Fulfils `Transcriber`; confidence is the smoothed onset activation, as madmom's threshold compares it, at most 1."""

    name = "madmom-rnn"
    threshold = THRESHOLD

    def __init__(self, *, refine_onsets: bool = False) -> None:
        self._refine_onsets = refine_onsets
        processor = madmom.features.notes.RNNPianoNoteProcessor()
        self._resolutions = piano_rnn_resolutions(processor)
        self._network = PianoRnn(processor.processors[1])
        self.fingerprint = fingerprint(self.name, ALGORITHM, madmom.models.NOTES_BRNN[:1], "torch", "numpy")
        if refine_onsets:
            self.fingerprint += f"+{attack.FINGERPRINT}"

    def start(self, sample_rate: int) -> "RnnTranscription":
        """Begin a stem; raises BridgeError NOT_SUPPORTED unless the rate is 44100 Hz."""
        require_rate(sample_rate)
        return RnnTranscription(self._network, self._resolutions, refine_onsets=self._refine_onsets)


@dataclass(frozen=True, slots=True)
class _Sounding:
    onset: Onset
    begin: Seconds
    velocity: Velocity

    def note(self, end: Seconds | None) -> Note:
        """The note with its duration, None while its end is unknown."""
        return Note(
            onset=self.begin,
            duration=None if end is None else on_grid(min(max(end - self.begin, SHORTEST), LONGEST / FPS)),
            pitch=Pitch(LOWEST_PITCH + self.onset.key),
            velocity=self.velocity,
            confidence=min(1.0, self.onset.height),
        )


class RnnTranscription:
    """Fulfils `Transcription`; keeps about three seconds of audio."""

    def __init__(self, network: PianoRnn, resolutions: list[Resolution], *, refine_onsets: bool) -> None:
        self._network = network
        self._refine_onsets = refine_onsets
        self._before = attack.BEFORE if refine_onsets else 0
        """What an onset to come needs of the samples before its frame."""
        self._early = attack.EARLIEST if refine_onsets else Seconds(0.0)
        """How much before its frame a note may begin."""
        self._old = LONGEST + round(2 * self._early * FPS)
        """Frames after which nothing ends a note any more: it may have been moved to a later time, and the next one to an earlier."""
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
            self._audio.forget(min(self._features.needs, self._picker.known * HOP - self._before))
        return _update(notes, Seconds(max(0.0, self._picker.known / FPS - self._early)))

    def finish(self) -> NoteUpdate:
        """Return the rest; every note has its duration now."""
        notes: dict[NoteKey, Note] = {}
        last = self._features.last
        while self._frames < last:
            core = min(CORE, last - self._frames)
            self._follow(self._picker.feed(self._activate(core, min(AFTER, last - self._frames - core))), notes)
        self._follow(self._picker.finish(), notes)
        for sounding in self._sounding:
            _give(sounding.note(Seconds(last / FPS)), notes)
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
            begin, pitch = Seconds(onset.frame / FPS), Pitch(LOWEST_PITCH + onset.key)
            if self._refine_onsets:
                begin = attack.onset_at(self._audio, onset.frame * HOP, pitch)
            if onset.height >= THRESHOLD:
                self._end([s for s in self._sounding if s.onset.key == onset.key], begin, notes)
            velocity = velocity_at(self._audio, onset.frame * HOP, pitch)
            self._sounding.append(_Sounding(onset, begin, velocity))
            _give(self._sounding[-1].note(None), notes)
        known = self._picker.known
        self._end([s for s in self._sounding if known - s.onset.frame >= self._old], Seconds(known / FPS), notes)

    def _end(self, ended: list[_Sounding], end: Seconds, notes: dict[NoteKey, Note]) -> None:
        for sounding in ended:
            _give(sounding.note(end), notes)
            self._sounding.remove(sounding)


def _give(note: Note, notes: dict[NoteKey, Note]) -> None:
    notes[note.key] = note


def _update(notes: dict[NoteKey, Note], until: Seconds) -> NoteUpdate:
    return NoteUpdate(tuple(notes[key] for key in sorted(notes)), until)

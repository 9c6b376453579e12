"""`madmom-cnn`: madmom's piano CNN and ADSR note tracking, incremental, with the whole file's notes.

Onset, pitch and duration equal those of `CNNPianoNoteProcessor` and `ADSRNoteTrackingProcessor` on the whole file but for
what `adsr` states. A note is given when it is certain to exist: the network sees 100 ms ahead, a frame reaches 46 ms
ahead, and the model decides when no other reading can win any more.

If asked to, it puts each onset where the attack is in the waveform. The tracker's onset is the last frame before the note
sounds; the attack is looked for around the frame after it.
"""

import torch

from bridge.inference import attack
from bridge.inference.adsr import NoteTracker, at_frame
from bridge.inference.cnn import CPU, PianoCnn
from bridge.inference.madmom_models import fingerprint, madmom
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio, require_rate
from bridge.inference.spectrogram import FPS, HOP, SpectrogramStream, piano_cnn_analysis
from bridge.inference.velocity import velocity_at
from bridge.music.notes import Note, NoteKey, NoteUpdate
from bridge.music.sound import Samples
from bridge.units import Pitch, Seconds, Velocity

ALGORITHM = 3
"""To be raised when the code may give other notes for the same stem: kept notes are then made anew."""


class MadmomCnn:
    """Fulfils `Transcriber`; confidence is the greatest onset activation within the note."""

    name = "madmom-cnn"
    threshold = 0.55

    def __init__(self, device: torch.device = CPU, *, refine_onsets: bool = False) -> None:
        self._network = PianoCnn.on(device)
        self._refine_onsets = refine_onsets
        name = self.name if self._network.device == CPU else f"{self.name} {self._network.device.type}"
        self.fingerprint = fingerprint(name, ALGORITHM, madmom.models.NOTES_CNN, "torch", "numpy")
        if refine_onsets:
            self.fingerprint += f"+{attack.FINGERPRINT}"

    def start(self, sample_rate: int) -> "CnnTranscription":
        """Begin a stem; raises BridgeError NOT_SUPPORTED unless the rate is 44100 Hz."""
        require_rate(sample_rate)
        return CnnTranscription(self._network, refine_onsets=self._refine_onsets)


class CnnTranscription:
    """Fulfils `Transcription`. Music leaves about a second undecided; the bound, a minute, would take some 60 MB."""

    def __init__(self, network: PianoCnn, *, refine_onsets: bool) -> None:
        self._audio = RecentAudio()
        self._spectrogram = SpectrogramStream(self._audio, piano_cnn_analysis())
        self._cnn = network.start()
        self._tracker = NoteTracker(self._velocity, self._attack if refine_onsets else at_frame)
        self._before = attack.BEFORE if refine_onsets else 0
        """What an onset to come needs of the samples before its frame."""
        self._early = Seconds(attack.EARLIEST - 1 / FPS) if refine_onsets else Seconds(0.0)
        """How much before its frame a note may begin."""

    def feed(self, samples: Samples) -> NoteUpdate:
        """Take the next stretch, shape (channels, frames), any length; return new notes and revisions."""
        notes: dict[NoteKey, Note] = {}
        for _ in self._audio.take(samples):
            activations = self._cnn.feed(self._spectrogram.until(self._spectrogram.complete))
            notes.update((note.key, note) for note in self._tracker.feed(activations))
            self._audio.forget(min(self._spectrogram.needs, (self._tracker.decided - 1) * HOP - self._before))
        return _update(notes, Seconds(max(0.0, self._tracker.known / FPS - self._early)))

    def finish(self) -> NoteUpdate:
        """Return the rest; every note has its duration now."""
        activations = self._cnn.finish(self._spectrogram.until(self._spectrogram.last))
        notes = {note.key: note for note in self._tracker.feed(activations)}
        notes.update((note.key, note) for note in self._tracker.finish())
        return _update(notes, Seconds(self._audio.frames / SAMPLE_RATE))

    def _velocity(self, frame: int, pitch: Pitch) -> Velocity:
        return velocity_at(self._audio, frame * HOP, pitch)

    def _attack(self, frame: int, pitch: Pitch) -> Seconds:
        return attack.onset_at(self._audio, (frame + 1) * HOP, pitch)


def _update(notes: dict[NoteKey, Note], until: Seconds) -> NoteUpdate:
    return NoteUpdate(tuple(notes[key] for key in sorted(notes)), until)

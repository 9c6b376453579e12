"""`madmom-cnn`: madmom's piano CNN and ADSR note tracking, incremental, with the whole file's notes.

Onset, pitch and duration equal those of `CNNPianoNoteProcessor` and `ADSRNoteTrackingProcessor` on the whole file but for
what `adsr` states. A note is given when it is certain to exist: the network sees 100 ms ahead, a frame reaches 46 ms
ahead, activations come 300 ms at a time, and the model decides when no other reading can win any more.
"""

from bridge.inference.adsr import NoteTracker
from bridge.inference.cnn import PianoCnn
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio, require_rate
from bridge.inference.spectrogram import FPS, HOP, Spectrogram, SpectrogramStream
from bridge.inference.velocity import velocity_at
from bridge.music.notes import Note, NoteKey, NoteUpdate
from bridge.music.sound import Samples
from bridge.units import Pitch, Seconds, Velocity


class MadmomCnn:
    """Fulfils `Transcriber`; confidence is the greatest onset activation within the note."""

    name = "madmom-cnn"
    threshold = 0.55

    def __init__(self) -> None:
        self._network = PianoCnn()

    def start(self, sample_rate: int) -> "CnnTranscription":
        """Begin a stem; raises BridgeError NOT_SUPPORTED unless the rate is 44100 Hz."""
        require_rate(sample_rate)
        return CnnTranscription(self._network)


class CnnTranscription:
    """Fulfils `Transcription`. Music leaves about a second undecided; the bound, a minute, would take some 60 MB."""

    def __init__(self, network: PianoCnn) -> None:
        self._audio = RecentAudio()
        self._spectrogram = SpectrogramStream(self._audio)
        self._cnn = network.start()
        self._tracker = NoteTracker(self._velocity)

    def feed(self, samples: Samples) -> NoteUpdate:
        """Take the next stretch, shape (channels, frames), any length; return new notes and revisions."""
        notes: dict[NoteKey, Note] = {}
        for _ in self._audio.take(samples):
            self._track(self._spectrogram.advance(), notes)
            self._audio.forget(min(self._spectrogram.needs, (self._tracker.decided - 1) * HOP))
        return _update(notes, Seconds(self._tracker.known / FPS))

    def finish(self) -> NoteUpdate:
        """Return the rest; every note has its duration now."""
        notes: dict[NoteKey, Note] = {}
        self._track(self._spectrogram.finish(), notes)
        notes.update((note.key, note) for note in self._tracker.feed(self._cnn.finish()))
        notes.update((note.key, note) for note in self._tracker.finish())
        return _update(notes, Seconds(self._audio.frames / SAMPLE_RATE))

    def _track(self, frames: Spectrogram, notes: dict[NoteKey, Note]) -> None:
        notes.update((note.key, note) for note in self._tracker.feed(self._cnn.feed(frames)))

    def _velocity(self, frame: int, pitch: Pitch) -> Velocity:
        return velocity_at(self._audio, frame * HOP, pitch)


def _update(notes: dict[NoteKey, Note], until: Seconds) -> NoteUpdate:
    return NoteUpdate(tuple(notes[key] for key in sorted(notes)), until)

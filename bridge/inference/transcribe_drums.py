"""`drums`: which drum of a kit is struck when, and how hard, by General MIDI keys, streaming.

A small recurrent network hears the drum stem as band levels every 10 ms. A stroke is given when 50 ms of audio after it are
there: its frame looks 40 ms ahead and the next must not be stronger. Nothing later than that matters, and no statistics
of the whole stem: levels are measured against the loudest of late. A tom is low, mid or high by the pitch that rings
after its stroke.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from bridge.inference.drum_level import FRAMES, StrikeLevels
from bridge.inference.drum_map import DURATIONS, GENERAL_MIDI, HATS, Drum, DrumTable, drum_keys
from bridge.inference.drum_network import SOURCES, DrumNetwork
from bridge.inference.drum_peaks import Stroke, StrokePicker
from bridge.inference.drum_spectrum import AHEAD, FPS, HOP, DrumFrame, DrumSpectrum
from bridge.inference.recent_audio import SAMPLE_RATE, RecentAudio, require_rate
from bridge.music.notes import Note, NoteKey, NoteUpdate
from bridge.music.sound import Samples
from bridge.units import Pitch, Seconds, Velocity

THRESHOLD = 0.4
_VERSION = 1
"""Counts what changes the notes without changing the weights."""
_SILENCE = np.zeros(len(SOURCES), np.float32)

_TOMS = (Drum.LOW_TOM, Drum.MID_TOM, Drum.HIGH_TOM)
_TOM_EDGES = (100.0, 145.0)
"""Hertz between low, mid and high."""
_TOM_RANGE = (60.0, 350.0)
"""Hertz in which a tom's skin rings."""
_TOM_SAMPLES = AHEAD + HOP // 2
"""Of its ring, what is there when the stroke is decided."""
_TOM_WINDOW = np.hanning(_TOM_SAMPLES).astype(np.float32)
_TOM_FFT = 16384
_SLAP, _NO_SLAP = 70, 100
"""The velocities up to which a snare that coincides with a kick is none, and from which it is one."""
_BRIEFEST = 0.01
"""Seconds that a note lasts at least."""


class Drums:
    """Fulfils `Transcriber`; confidence is the network's activation, 0.4 by default: on other kits that served better than 0.5."""

    name = "drums"
    threshold = THRESHOLD

    def __init__(self, keys: DrumTable = GENERAL_MIDI) -> None:
        """Take the keys that stand for the drums; raises BridgeError as `drum_keys` does."""
        self._keys = drum_keys(keys)

    @property
    def fingerprint(self) -> str:
        """The weights, the keys, and the version of what is made of the activations."""
        keys = ",".join(f"{drum}={key}" for drum, key in self._keys.items())
        return f"drums {_VERSION} {DrumNetwork.digest()} {keys}"

    def start(self, sample_rate: int) -> "DrumTranscription":
        """Begin a stem; raises BridgeError NOT_SUPPORTED unless the rate is 44100 Hz."""
        require_rate(sample_rate)
        return DrumTranscription(self._keys)


@dataclass(frozen=True, slots=True)
class _Sounding:
    drum: Drum
    note: Note

    def stopped_by(self, drum: Drum, key: Pitch) -> bool:
        """Whether a stroke of that drum ends this note: the same key, or the same pair of hats."""
        return key == self.note.pitch or {drum, self.drum} <= HATS

    def ended(self, end: Seconds) -> Note:
        """The note with its duration, once it has lasted long enough or something has ended it."""
        duration = min(DURATIONS[self.drum], max(_BRIEFEST, end - self.note.onset))
        return replace(self.note, duration=Seconds(duration))


class DrumTranscription:
    """Fulfils `Transcription`; keeps a few hundredths of a second of audio."""

    def __init__(self, keys: Mapping[Drum, Pitch]) -> None:
        self._keys = keys
        self._audio = RecentAudio()
        self._spectrum = DrumSpectrum(self._audio)
        self._network = DrumNetwork()
        self._picker = StrokePicker()
        self._levels = StrikeLevels()
        self._frames: deque[DrumFrame] = deque(maxlen=FRAMES)
        self._heard = 0
        self._sounding: list[_Sounding] = []

    def feed(self, samples: Samples) -> NoteUpdate:
        """Take the next stretch, shape (channels, frames), any length; return new notes and revisions."""
        notes: dict[NoteKey, Note] = {}
        for _ in self._audio.take(samples):
            while self._spectrum.ready:
                self._advance(notes)
            self._audio.forget((self._heard - 3) * HOP)
        return _update(notes, self._known)

    def finish(self) -> NoteUpdate:
        """Return the rest; every note has its duration now."""
        notes: dict[NoteKey, Note] = {}
        while self._heard * HOP < self._audio.frames:
            self._advance(notes)
        if self._heard:
            self._follow(self._picker.feed(_SILENCE), notes)
        end = Seconds(self._audio.frames / SAMPLE_RATE)
        self._end(list(self._sounding), end, notes)
        return _update(notes, end)

    @property
    def _known(self) -> Seconds:
        """Every onset before this was given: half a frame before the one that is decided next."""
        return Seconds(max(0.0, (self._heard - 1.5) / FPS))

    def _advance(self, notes: dict[NoteKey, Note]) -> None:
        frame = self._spectrum.next()
        self._frames.append(frame)
        self._heard += 1
        activations = self._network.step(frame.seen)
        self._follow(self._picker.feed(_SILENCE if frame.silent else activations), notes)
        known = self._known
        self._end([s for s in self._sounding if known - s.note.onset >= DURATIONS[s.drum]], known, notes)

    def _follow(self, strokes: list[Stroke], notes: dict[NoteKey, Note]) -> None:
        """Give the strokes; end the notes that they cut short."""
        for stroke in strokes:
            onset = Seconds(max(0.0, (stroke.frame + stroke.shift) / FPS))
            drum = _TOMS[self._pitch_of_tom(onset)] if stroke.source == "tom" else Drum(stroke.source)
            frames = tuple(self._frames)
            velocity = self._levels.velocity(stroke.source, frames)
            confidence = stroke.strength * _belief(stroke, velocity)
            if confidence >= THRESHOLD:
                self._levels.learn(stroke.source, frames)
                self._end([s for s in self._sounding if s.stopped_by(drum, self._keys[drum])], onset, notes)
            note = Note(onset, None, self._keys[drum], velocity, confidence)
            # Where one key stands for several drums, they can be struck as one.
            if all(s.note.key != note.key for s in self._sounding):
                self._sounding.append(_Sounding(drum, note))
                notes[note.key] = note

    def _pitch_of_tom(self, onset: Seconds) -> int:
        """Return 0, 1 or 2, by the strongest partial of what has rung since the stroke."""
        begin = round(onset * SAMPLE_RATE)
        ring = self._audio.read(begin, begin + _TOM_SAMPLES) * _TOM_WINDOW
        magnitudes = np.abs(fft.rfft(ring, _TOM_FFT))
        low, high = (round(hertz * _TOM_FFT / SAMPLE_RATE) for hertz in _TOM_RANGE)
        hertz = (low + int(magnitudes[low:high].argmax())) * SAMPLE_RATE / _TOM_FFT
        return int(np.searchsorted(_TOM_EDGES, hertz))

    def _end(self, ended: list[_Sounding], end: Seconds, notes: dict[NoteKey, Note]) -> None:
        for sounding in ended:
            note = sounding.ended(end)
            notes[note.key] = note
            self._sounding.remove(sounding)


def _belief(stroke: Stroke, velocity: Velocity) -> float:
    """Return 0 to 1, less than 1 for a weak snare that coincides with a kick: most are the beater's slap.

    On sampled kits that nothing was learnt from, in rooms and with wires that kicks shake, it hardly matters: snare F 0.704
    with it, 0.700 without. On a recorded kit it did: 0.80 with it, about 0.6 without.
    """
    if not (stroke.source == "snare" and stroke.with_kick):
        return 1.0
    return min(1.0, max(0.0, (velocity - _SLAP) / (_NO_SLAP - _SLAP)))


def _update(notes: dict[NoteKey, Note], until: Seconds) -> NoteUpdate:
    return NoteUpdate(tuple(notes[key] for key in sorted(notes)), until)

"""Music whose notes are known: made-up pieces always, recordings where a folder holds them.

A folder is looked through for these, and what it lacks is said:

    vocals/**/NAME.flac         NAME_notes*.csv beside it: rows of start s, hertz, duration s; each file is one annotator's
    bass|guitar|piano|wind/**/NAME.flac
                                NAME.tsv: rows of onset s, offset s, pitch, velocity below a line of names; or NAME.mid
    madmom/audio/NAME.flac      madmom/annotations/NAME.notes: rows of onset s, pitch, duration s, velocity; a piano
    multitrack/*/drum_only.flac drums_class.txt: rows of onset s and a class of MDB Drums
    multitrack/*/MIDI/*.mid     a bass, as metadata.yaml says: played on made-up strings
    multitrack/*/mix.flac       stems as metadata.yaml names them, a singer among them
    multitrack/*/mixture.flac   vocals.flac

`flac` may as well be `wav`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mido
import numpy as np
import soundfile
import soxr
import yaml

from benchmarks.scoring import Notes
from bridge.inference.drum_map import GENERAL_MIDI, Drum
from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.music.sound import Stem
from tests.inference.mono_sounds import Tone, blown, pluck, plucked, sung

STEMS = {
    "vocals": Stem.VOCALS,
    "bass": Stem.BASS,
    "guitar": Stem.OTHER,
    "piano": Stem.OTHER,
    "wind": Stem.OTHER,
}
"""Folders, and the stem that what lies in them would be separated into."""
_CLASSES = {
    "kick": ("KD", (Drum.KICK,)),
    "snare": ("SD", (Drum.SNARE,)),
    "hat": ("HH", (Drum.CLOSED_HAT, Drum.OPEN_HAT)),
    "toms": ("TT", (Drum.LOW_TOM, Drum.MID_TOM, Drum.HIGH_TOM)),
    "cymbals": ("CY", (Drum.CRASH, Drum.RIDE)),
    "side stick": ("OT", (Drum.SIDE_STICK,)),
}
"""What MDB Drums calls them. Its other instruments are cowbells and the like, too; of those only the side stick is known here."""
_LONGEST = 40.0
"""Seconds of a MIDI file that are played."""
_PEAK = 0.5
"""Of what is played: stems are mostly softer than their mix."""


@dataclass(frozen=True, slots=True)
class Piece:
    name: str
    stem: Stem
    samples: np.ndarray
    """Shape (channels, frames), at 44100 Hz."""
    references: dict[str, Notes]
    """By whose they are, or what of the piece they are."""
    keys: dict[str, dict[int, int]] = field(default_factory=dict)
    """Of drums: which keys count for a reference, and as what."""
    durations: bool = True
    """Whether the references' durations mean anything."""


@dataclass(frozen=True, slots=True)
class Mix:
    """A mixture and its true vocals, shape (channels, frames) each."""

    name: str
    mixture: np.ndarray
    vocals: np.ndarray


def made_up() -> Iterator[Piece]:
    for name, stem, (samples, rows) in (
        ("made-up singing", Stem.VOCALS, sung()),
        ("made-up bass", Stem.BASS, plucked()),
        ("made-up wind", Stem.OTHER, blown()),
    ):
        onset, pitch, duration = rows.T
        yield Piece(name, stem, samples, {"": Notes(onset, duration, pitch)})


def recorded(folder: Path) -> Iterator[Piece]:
    """All pieces of a folder; prints what is not there."""
    found = set()
    for kind, stem in STEMS.items():
        for path in _audio(folder, f"{kind}/**/*"):
            references = _references(path)
            if references:
                found.add(kind)
                yield Piece(f"{kind}: {path.stem}", stem, read(path), references)
    for path in _audio(folder, "madmom/audio/*"):
        notes = folder / "madmom" / "annotations" / f"{path.stem}.notes"
        if notes.exists():
            onset, pitch, duration, velocity = np.loadtxt(notes, ndmin=2).T
            references = {"": Notes(onset, duration, pitch, velocity)}
            yield Piece(f"piano: {path.stem}", Stem.OTHER, read(path), references)
    for path in _audio(folder, "multitrack/*/drum_only"):
        annotations = path.with_name("drums_class.txt")
        if annotations.exists():
            found.add("drums")
            yield _drums(path, annotations)
    for path in sorted(folder.glob("multitrack/*/MIDI/*.mid")):
        if "bass" in _instruments(path.parents[1]).get(path.stem, ""):
            yield _strings(path)
    for kind in ("drums", *STEMS):
        if kind not in found:
            print(f"{folder} holds no recording of {kind} with its notes: left out")


def mixes(folder: Path) -> Iterator[Mix]:
    for path in (*_audio(folder, "multitrack/*/mix"), *_audio(folder, "multitrack/*/mixture")):
        vocals = next((p for p in _audio(path.parent, "*") if _is_voice(p)), None)
        if vocals is not None:
            yield Mix(path.parent.name, read(path), read(vocals))


def read(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(soxr.resample(samples, rate, SAMPLE_RATE).T, dtype=np.float32)


def _audio(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for end in ("flac", "wav") for path in folder.glob(f"{pattern}.{end}"))


def _references(path: Path) -> dict[str, Notes]:
    references = {}
    for notes in sorted(path.parent.glob(f"{path.stem}_notes*.csv")):
        onset, hertz, duration = np.loadtxt(notes, delimiter=",", ndmin=2).T
        whose = notes.stem.removeprefix(f"{path.stem}_notes")
        references[whose] = Notes(onset, duration, 69.0 + 12.0 * np.log2(hertz / 440.0))
    if path.with_suffix(".tsv").exists():
        onset, offset, pitch, velocity = np.loadtxt(path.with_suffix(".tsv"), skiprows=1, ndmin=2).T
        references[""] = Notes(onset, offset - onset, pitch, velocity)
    elif path.with_suffix(".mid").exists():
        references[""] = _midi(path.with_suffix(".mid"))
    return references


def _drums(path: Path, annotations: Path) -> Piece:
    strokes = [line.split() for line in annotations.read_text().splitlines() if line.strip()]
    references, keys = {}, {}
    for name, (label, drums) in _CLASSES.items():
        onsets = np.array([float(onset) for onset, found in strokes if found == label])
        keys[name] = {GENERAL_MIDI[drum]: GENERAL_MIDI[drums[0]] for drum in drums}
        references[name] = Notes(onsets, np.zeros(len(onsets)), np.full(len(onsets), float(GENERAL_MIDI[drums[0]])))
    onset, duration, pitch = (
        np.concatenate([getattr(part, column) for part in references.values()])
        for column in ("onset", "duration", "pitch")
    )
    references = {"all": Notes(onset, duration, pitch), **{k: part for k, part in references.items() if len(part)}}
    keys["all"] = {key: kind for part in keys.values() for key, kind in part.items()}
    return Piece(f"drums: {path.parent.name}", Stem.DRUMS, read(path), references, keys, durations=False)


def _strings(path: Path) -> Piece:
    """One string at a time, so each note ends with the next; the louder, the harder it was struck."""
    notes = _midi(path)
    assert notes.velocity is not None
    onset = notes.onset - notes.onset[0] + 0.3
    room = np.diff(onset, append=np.inf)
    # Of notes that begin together the string plays the last.
    kept = (onset < _LONGEST) & (room > 0.0)
    played = Notes(onset[kept], np.minimum(notes.duration, room)[kept], notes.pitch[kept], notes.velocity[kept])
    tones = [
        Tone(*map(float, (onset, duration, pitch)), level=float(velocity / 127.0) ** 2)
        for onset, duration, pitch, velocity in zip(
            played.onset, played.duration, played.pitch, played.velocity, strict=True
        )
    ]
    samples = pluck(tones, tones[-1].end + 0.5)
    samples *= _PEAK / np.abs(samples).max()
    return Piece(f"bass: {path.parents[1].name} on strings", Stem.BASS, samples, {"": played})


def _midi(path: Path) -> Notes:
    now, sounding, rows = 0.0, {}, []
    for message in mido.MidiFile(path):
        now += message.time
        if message.type not in {"note_on", "note_off"}:
            continue
        if message.note in sounding:
            onset, velocity = sounding.pop(message.note)
            rows.append((onset, now - onset, message.note, velocity))
        if message.type == "note_on" and message.velocity:
            sounding[message.note] = now, message.velocity
    return Notes(*np.array(sorted(rows), dtype=float).reshape(-1, 4).T)


def _is_voice(path: Path) -> bool:
    """Whether this is the stem of a singer."""
    number = path.stem.removeprefix("stem_")
    return path.stem == "vocals" or "singer" in _instruments(path.parent).get(f"S{number}", "")


def _instruments(folder: Path) -> dict[str, str]:
    """What plays each stem, in small letters."""
    path = folder / "metadata.yaml"
    if not path.exists():
        return {}
    stems = yaml.safe_load(path.read_text())["stems"]
    return {name: str(stem.get("instrument") or stem.get("inst_class")).lower() for name, stem in stems.items()}

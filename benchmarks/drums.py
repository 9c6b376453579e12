"""Drum transcription against what was played: precision, recall and F of each drum, how late notes are, and what it costs.

    python -m benchmarks.drums [FOLDER] [--threshold 0.4] [--kits 12] [--soundfont SF2 ...]

Kits made of sines and noise are always scored: clean, with a bass and chords bleeding in, and 50 dB down. FOLDER, or else
STEMBRIDGE_DATA, may hold recordings with annotations as MDB Drums has them (drums_class.txt beside drum_only.*; with mix.*
the drums are also cut out of the mixture, as badly as a separation does it), and MIDI
files with drums on channel 10, which are played on such kits. A soundfont's kits are played too, as they are and masked out
of a mixture; they should be none that the network learnt from. Onsets count as found within 50 ms.
"""

import argparse
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile
import soxr

from benchmarks.drum_bars import Stroke
from benchmarks.drum_samples import PlainKit, SampledKit, soundfont_kits
from benchmarks.drum_stems import masked, played
from benchmarks.machine import describe
from bridge.inference.drum_map import GENERAL_MIDI, Drum
from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.inference.transcribe_drums import Drums
from bridge.music.notes import Note, NoteKey
from tests.inference.drum_kits import CLASSES, Hit, Kit, bleed, groove
from tests.inference.drum_score import Score, score

CHUNK = SAMPLE_RATE // 200
SECONDS = 16.0
_DRUM_CHANNEL = 9
"""Channel 10, as musicians count."""

_DRUM_OF_KEY = {key: drum for drum, key in GENERAL_MIDI.items()}

_MDB = {"KD": "kick", "SD": "snare", "HH": "hat", "TT": "tom", "CY": "cymbal", "OT": "side stick"}
"""MDB Drums' classes. What it calls other is cowbells and the like too, of which only the side stick is a class here."""

_CLASS_OF_SOURCE = {**CLASSES, "side_stick": "side stick", "tom": "tom"}

_GENERAL_MIDI_HITS = (
    {35: "kick", 36: "kick", 37: "stick", 38: "snare", 40: "snare", 42: "closed_hat", 44: "closed_hat"}
    | {46: "open_hat", 41: "low_tom", 43: "low_tom", 45: "low_tom", 47: "mid_tom", 48: "high_tom", 50: "high_tom"}
    | {49: "crash", 52: "crash", 55: "crash", 57: "crash", 51: "ride", 53: "ride", 59: "ride"}
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio, and the class and time of every stroke."""

    name: str
    samples: np.ndarray
    """Shape (channels, frames)."""
    strokes: list[tuple[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("STEMBRIDGE_DATA"))
    parser.add_argument("--threshold", type=float, default=Drums.threshold)
    parser.add_argument("--kits", type=int, default=12)
    parser.add_argument("--soundfont", nargs="*", type=Path, default=[])
    options = parser.parse_args()
    print(describe())
    transcriber = Drums()
    for title, pieces in groups(options.folder and Path(options.folder), options.kits, options.soundfont):
        report(title, transcriber, list(pieces), options.threshold)


def groups(folder: Path | None, kits: int, soundfonts: list[Path]) -> Iterator[tuple[str, Iterable[Piece]]]:
    yield "synthetic kits, clean", (synthetic(seed, "clean") for seed in range(kits))
    yield "synthetic kits, 50 dB down", (synthetic(seed, "quiet") for seed in range(kits))
    yield "synthetic kits, music bleeding in", (synthetic(seed, "bleed") for seed in range(kits))
    for soundfont in soundfonts:
        sampled = [on_samples(seed, kit) for kit in soundfont_kits(soundfont) for seed in range(kits // 2)]
        yield f"kits of {soundfont.name}", sampled
        yield f"kits of {soundfont.name}, masked out of a mixture", (mixed(*each) for each in enumerate(sampled))
    if folder is None:
        print("no folder named and STEMBRIDGE_DATA not set: recordings are left out")
        return
    for annotations in sorted(folder.rglob("drums_class.txt")):
        for audio in sorted(annotations.parent.glob("drum_only.*")):
            yield f"{annotations.parent.name}/{audio.name}", [recording(audio, annotations)]
            for mix in sorted(annotations.parent.glob("mix.*")):
                yield f"{annotations.parent.name}, drums masked out of {mix.name}", [separated(audio, mix, annotations)]
    for path in sorted(folder.rglob("*.mid")):
        strokes = midi_hits(path)
        if strokes:
            yield f"{path.name} on synthetic kits", (on_kit(path.name, strokes, seed) for seed in range(kits // 4))


def synthetic(seed: int, what: str) -> Piece:
    hits = groove(9000 + seed, SECONDS)
    samples = Kit(9000 + seed).play(hits, SECONDS)
    if what == "quiet":
        samples = samples * np.float32(10**-2.5)
    if what == "bleed":
        samples = samples + bleed(seed, samples.shape[1], -30)
    return Piece(str(seed), samples, [(CLASSES[hit.instrument], hit.onset) for hit in hits])


def on_samples(seed: int, kit: SampledKit) -> Piece:
    toms = ("low_tom", "mid_tom", "high_tom")
    strokes = []
    for hit in sorted(groove(9200 + seed, SECONDS), key=lambda hit: hit.onset):
        tom = hit.instrument in toms
        source = "tom" if tom else {"stick": "side_stick"}.get(hit.instrument, hit.instrument)
        strokes.append(Stroke(hit.onset, source, toms.index(hit.instrument) if tom else 0, hit.level))
    sound, heard = played(PlainKit(kit), strokes, SECONDS)
    samples = (0.5 * sound / np.abs(sound).max()).astype(np.float32)[None]
    return Piece(str(seed), samples, [(_CLASS_OF_SOURCE[stroke.source], stroke.onset) for stroke in heard])


def mixed(seed: int, piece: Piece) -> Piece:
    """The piece's drums with what a separation leaves of a bass and chords half as loud."""
    others = bleed(seed, piece.samples.shape[1], -12)
    found = masked(piece.samples[0], others[0], 4096, 1.0, (3, 3))
    return Piece(piece.name, found.astype(np.float32)[None], piece.strokes)


def on_kit(name: str, hits: list[Hit], seed: int) -> Piece:
    strokes = [(CLASSES[hit.instrument], hit.onset) for hit in hits]
    return Piece(name, Kit(9500 + seed).play(hits, 2 * SECONDS), strokes)


def recording(audio: Path, annotations: Path) -> Piece:
    samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    samples = soxr.resample(samples, rate, SAMPLE_RATE).T
    rows = (line.split() for line in annotations.read_text().splitlines() if line.strip())
    return Piece(audio.name, np.ascontiguousarray(samples), [(_MDB[label], float(onset)) for onset, label in rows])


def separated(audio: Path, mix: Path, annotations: Path) -> Piece:
    """The drums with what a separation leaves: a blurred ratio mask of the mix."""
    drums, everything = (recording(path, annotations).samples.mean(axis=0) for path in (audio, mix))
    length = min(len(drums), len(everything))
    drums, everything = drums[:length], everything[:length]
    found = masked(drums, everything - drums, 4096, 1.0, (3, 3))
    return Piece(mix.name, found.astype(np.float32)[None], recording(audio, annotations).strokes)


def midi_hits(path: Path) -> list[Hit]:
    """What is played on channel 10 within the first half minute, by the General MIDI map."""
    now, hits = 0.0, []
    for message in mido.MidiFile(path):
        now += message.time
        if now > 2 * SECONDS - 1:
            break
        if (
            message.type == "note_on"
            and message.velocity
            and message.channel == _DRUM_CHANNEL
            and message.note in _GENERAL_MIDI_HITS
        ):
            hits.append(Hit(now, _GENERAL_MIDI_HITS[message.note], message.velocity / 127))
    return hits


def report(title: str, transcriber: Drums, pieces: list[Piece], threshold: float) -> None:
    totals: dict[str, Score] = {}
    late: list[float] = []
    worked = heard = 0.0
    for piece in pieces:
        begin = time.process_time()
        notes = transcribe(transcriber, piece.samples, late, threshold)
        worked += time.process_time() - begin
        heard += piece.samples.shape[1] / SAMPLE_RATE
        for name in dict.fromkeys(CLASSES.values()):
            found = [n.onset for n in notes if CLASSES[_NAMES[_DRUM_OF_KEY[n.pitch]]] == name]
            totals[name] = totals.get(name, Score()) + score(found, [t for c, t in piece.strokes if c == name])
    print(f"\n{title}: {heard:.0f} s, threshold {threshold}")
    for name, total in totals.items():
        print(f"  {name:<11}{total}")
    if late:
        median, high = 1000 * np.percentile(late, [50, 95])
        print(
            f"  given {median:.0f} ms median, {high:.0f} p95, {1000 * max(late):.0f} at most after the onset, fed 5 ms at a time;",
            end="",
        )
        print(f" {100 * worked / heard:.1f} % of one core")


_NAMES = {Drum(drum): "stick" if drum is Drum.SIDE_STICK else str(drum) for drum in Drum}


def transcribe(transcriber: Drums, samples: np.ndarray, late: list[float], threshold: float) -> list[Note]:
    transcription = transcriber.start(SAMPLE_RATE)
    notes: dict[NoteKey, Note] = {}
    for begin in range(0, samples.shape[1], CHUNK):
        update = transcription.feed(samples[:, begin : begin + CHUNK])
        now = min(begin + CHUNK, samples.shape[1]) / SAMPLE_RATE
        late.extend(now - n.onset for n in update.notes if n.key not in notes and n.confidence >= threshold)
        notes.update((note.key, note) for note in update.notes)
    notes.update((note.key, note) for note in transcription.finish().notes)
    return [note for note in notes.values() if note.confidence >= threshold]


if __name__ == "__main__":
    main()

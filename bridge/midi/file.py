"""MIDI files: the notes of a clip's stems, as any sequencer opens them."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import mido

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.file_tempo import TICKS_PER_BEAT, tempo_events, tick_at
from bridge.music.notes import Note, StemNotes
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap
from bridge.units import Seconds


def write_midi(path: Path, stems: Sequence[StemNotes], tempo: TempoMap, channels: Mapping[Stem, int]) -> None:
    """Write a format 1 file: tempo and time signatures in track 0, then a named track a stem; tick 0 is second 0 of the clip.

    A note that is still open ends at the last time that any note knows of; a pitch struck again ends there. Fulfils
    `bridge.session.ports.WriteMidi`: the file appears whole or not at all; raises BridgeError DISK.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks.append(_track("tempo", tempo_events(tempo)))
    known = max((n.onset + (n.duration or 0.0) for s in stems for n in s.notes), default=0.0)
    for stem in stems:
        file.tracks.append(_note_track(stem, tempo, channels[stem.stem], Seconds(known)))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        file.save(temporary)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise BridgeError(ErrorCode.DISK, f"cannot write the MIDI file {path}: {error.strerror}") from error


def _track(name: str, events: Sequence[tuple[int, mido.Message | mido.MetaMessage]]) -> mido.MidiTrack:
    """A track of messages at absolute ticks, in order; a file keeps the distances between them."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name, time=0)])
    last = 0
    for tick, message in events:
        track.append(message.copy(time=tick - last))
        last = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track


def _note_track(stem: StemNotes, tempo: TempoMap, channel: int, known: Seconds) -> mido.MidiTrack:
    events = []
    for begin, end, note in _lengths(stem.notes, tempo, known):
        voice = {"channel": channel - 1, "note": note.pitch}
        events.append((begin, 1, mido.Message("note_on", velocity=note.velocity, **voice)))
        events.append((end, 0, mido.Message("note_off", velocity=64, **voice)))
    # A pitch that ends where it is struck again ends first.
    events.sort(key=lambda event: event[:2])
    return _track(str(stem.stem), [(tick, message) for tick, _, message in events])


def _lengths(notes: Sequence[Note], tempo: TempoMap, known: Seconds) -> Iterator[tuple[int, int, Note]]:
    """Begin and end of each note in ticks, at least one tick long; of two notes on one tick and pitch, the later stays."""
    following: dict[int, int] = {}
    for note in sorted(notes, key=lambda n: n.onset, reverse=True):
        begin = tick_at(tempo, note.onset)
        end = tick_at(tempo, known if note.duration is None else note.onset + note.duration)
        struck_again = following.get(note.pitch)
        if struck_again == begin:
            continue
        following[note.pitch] = begin
        end = max(begin + 1, end)
        yield begin, end if struck_again is None else min(end, struck_again), note

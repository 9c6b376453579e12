"""MIDI files: the notes of a clip's stems, as any sequencer opens them."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import mido

from bridge.errors import BridgeError, ErrorCode
from bridge.music.notes import Note, StemNotes
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap
from bridge.units import Seconds

TICKS_PER_BEAT = 960
"""Half a millisecond at 130 bpm."""

_SLOWEST = 0xFFFFFF
"""Microseconds a beat that a tempo event can hold: 3.6 bpm."""
_FINEST_BEAT = 32
"""The shortest note value that a time signature here counts in."""


def write_midi(path: Path, stems: Sequence[StemNotes], tempo: TempoMap, channels: Mapping[Stem, int]) -> None:
    """Write a format 1 file: the tempo in track 0, then a named track a stem; tick 0 is second 0 of the clip.

    A note that is still open ends at the last time that any note knows of; a pitch struck again ends there. Fulfils
    `bridge.session.ports.WriteMidi`: the file appears whole or not at all; raises BridgeError DISK.
    """
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks.append(_tempo_track(tempo))
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


def _tick(tempo: TempoMap, seconds: float) -> int:
    return max(0, round((tempo.beats_at(Seconds(seconds)) - tempo.beats_at(Seconds(0.0))) * TICKS_PER_BEAT))


def _track(name: str, events: Sequence[tuple[int, mido.Message | mido.MetaMessage]]) -> mido.MidiTrack:
    """A track of messages at absolute ticks, in order; a file keeps the distances between them."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name, time=0)])
    last = 0
    for tick, message in events:
        track.append(message.copy(time=tick - last))
        last = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track


def _tempo_track(tempo: TempoMap) -> mido.MidiTrack:
    numerator, denominator = _time_signature(tempo.beats_per_bar)
    signature = mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)
    changes = [0.0, *(point.seconds for point in tempo.points if point.seconds > 0)]
    events = [(0, signature)]
    for seconds in changes:
        beat = min(_SLOWEST, round(60e6 / tempo.bpm_at(Seconds(seconds))))
        events.append((_tick(tempo, seconds), mido.MetaMessage("set_tempo", tempo=beat)))
    return _track("tempo", events)


def _time_signature(beats_per_bar: float) -> tuple[int, int]:
    """The simplest signature whose bar has so many quarter notes; 4/4 where there is none."""
    denominator = 4
    while denominator <= _FINEST_BEAT:
        numerator = beats_per_bar * denominator / 4
        if numerator.is_integer() and 1 <= numerator <= 255:  # noqa: PLR2004
            return int(numerator), denominator
        denominator *= 2
    return 4, 4


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
        begin = _tick(tempo, note.onset)
        end = _tick(tempo, known if note.duration is None else note.onset + note.duration)
        struck_again = following.get(note.pitch)
        if struck_again == begin:
            continue
        following[note.pitch] = begin
        end = max(begin + 1, end)
        yield begin, end if struck_again is None else min(end, struck_again), note

"""Notes back out of a MIDI file, in seconds."""

from pathlib import Path

import mido

from bridge.errors import BridgeError, ErrorCode
from bridge.music.notes import Note
from bridge.units import Pitch, Seconds, Velocity


def open_midi(path: Path) -> mido.MidiFile:
    """Return a file; raises BridgeError FILE_NOT_FOUND, BAD_ARGUMENT for what is no MIDI file."""
    if path.exists() and not path.is_file():
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{path} is no file, so no MIDI file either")
    try:
        return mido.MidiFile(path)
    except FileNotFoundError:
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"there is no MIDI file {path}") from None
    except Exception as error:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{path} cannot be read as a MIDI file: {error}") from error


def read_notes(path: Path) -> list[Note]:
    """Return all notes of a file, in order of onset, confidence 1 as a file keeps none; one left open ends with the file.

    Raises:
        BridgeError: FILE_NOT_FOUND, BAD_ARGUMENT for what is no MIDI file.

    """
    file = open_midi(path)
    begun: dict[tuple[int, int], tuple[float, int]] = {}
    notes: list[Note] = []
    now = 0.0

    def end(key: tuple[int, int]) -> None:
        if key in begun:
            onset, velocity = begun.pop(key)
            notes.append(Note(Seconds(onset), Seconds(now - onset), Pitch(key[1]), Velocity(velocity), 1.0))

    for message in file:
        now += message.time
        if message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            end(key)
            if message.type == "note_on" and message.velocity:
                begun[key] = (now, message.velocity)
    for key in list(begun):
        end(key)
    return sorted(notes, key=lambda note: note.key)

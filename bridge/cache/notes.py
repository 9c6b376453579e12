"""Notes as bytes and back: JSON, whose numbers come back as the very floats that they were."""

import json

from bridge.music.notes import Note
from bridge.session.ports import KeptNotes
from bridge.units import Pitch, Seconds, Velocity


def pack_notes(kept: KeptNotes) -> bytes:
    """Return the frames and sample rate of the stem and a row a note: onset, duration, pitch, velocity, confidence, bend."""
    rows = [
        (
            float(note.onset),
            None if note.duration is None else float(note.duration),
            int(note.pitch),
            int(note.velocity),
            float(note.confidence),
            *(float(number) for point in note.bend for number in point),
        )
        for note in kept.notes
    ]
    return json.dumps({"frames": kept.frames, "sample_rate": kept.sample_rate, "notes": rows}).encode()


def unpack_notes(packed: bytes | bytearray) -> KeptNotes:
    """Return what `pack_notes` was given."""
    values = json.loads(packed)
    notes = tuple(
        Note(
            Seconds(onset),
            None if duration is None else Seconds(duration),
            Pitch(pitch),
            Velocity(velocity),
            confidence,
            tuple((Seconds(at), cents) for at, cents in zip(bend[::2], bend[1::2], strict=True)),
        )
        for onset, duration, pitch, velocity, confidence, *bend in values["notes"]
    )
    return KeptNotes(notes, values["frames"], values["sample_rate"])

"""Live parameters: what each is called, its range, unit and default. They act on what is playing now."""

from dataclasses import dataclass

from bridge.music.sound import Stem

DEFAULT_CHANNELS = {Stem.BASS: 1, Stem.OTHER: 2, Stem.VOCALS: 3, Stem.DRUMS: 10}
"""The channel a stem plays on unless told otherwise; drums on 10 as General MIDI has it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One live parameter, `/bridge/param/<name>` on the wire."""

    name: str
    default: float
    minimum: float
    maximum: float
    unit: str
    description: str
    whole: bool = False
    """Whether only whole numbers make sense."""


PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter(
            "threshold",
            0.55,
            0.0,
            1.0,
            "confidence",
            "notes less sure than this stay silent; until it is set, each transcriber's own default holds"
            " (madmom-cnn 0.55, the network's onset activation; madmom-rnn 0.35, its onset activation smoothed, at most 1;"
            " mono 0.3, how sure a voice is in a note's first frames; drums 0.4, the network's activation)",
        ),
        Parameter("transpose", 0, -48, 48, "semitones", "added to every pitch but the drums'", whole=True),
        Parameter("velocity", 1.0, 0.0, 4.0, "gain", "multiplies every velocity; the result stays within 1 to 127"),
        Parameter("offset_ms", 0.0, -1000.0, 1000.0, "ms", "moves every note: below 0 earlier, above 0 later"),
        *(Parameter(f"mute/{s}", 0, 0, 1, "off or on", f"silences the {s} notes", whole=True) for s in Stem),
        *(
            Parameter(f"channel/{s}", DEFAULT_CHANNELS[s], 1, 16, "MIDI channel", f"where the {s} notes go", whole=True)
            for s in Stem
        ),
        Parameter(
            "hold_ms",
            80.0,
            20.0,
            500.0,
            "ms",
            "how long the transcriber mono waits before a pitch one semitone away is a note of its own, for what is transcribed"
            " from then on: less for fast runs, more where vibrato breaks into notes",
        ),
        Parameter("min_length_ms", 0.0, 0.0, 1000.0, "ms", "notes known to be shorter stay silent"),
        Parameter(
            "legato_ms",
            0.0,
            0.0,
            2000.0,
            "ms",
            "a note whose end lies at most this before the part's next audible note is held until that one",
        ),
        Parameter(
            "mono",
            0,
            0,
            1,
            "off or on",
            "a part's new note ends the one that sounds; of notes that begin together the surest plays, of equally sure"
            " ones the highest",
            whole=True,
        ),
        *(
            Parameter(
                f"low/{s}", 0, 0, 127, "MIDI note", f"{s} notes below it, before transposing, are left out", whole=True
            )
            for s in Stem
        ),
        *(
            Parameter(
                f"high/{s}",
                127,
                0,
                127,
                "MIDI note",
                f"{s} notes above it, before transposing, are left out",
                whole=True,
            )
            for s in Stem
        ),
        Parameter(
            "snap",
            0,
            0,
            1,
            "off or on",
            "moves pitches outside the key's scale to its nearest tone, the lower of two; drums stay",
            whole=True,
        ),
        Parameter(
            "key",
            -1,
            -1,
            23,
            "key",
            "what `snap` snaps to: 0 to 11 C to B major, 12 to 23 C to B minor, -1 the key estimated for the clip",
            whole=True,
        ),
        Parameter(
            "quantise",
            0.0,
            0.0,
            1.0,
            "strength",
            "moves onsets towards the grid: of the project, of a launched part from its start on; durations stay",
        ),
        Parameter("grid", 4, 1, 8, "notes a quarter", "what `quantise` moves onsets to", whole=True),
        Parameter(
            "swing",
            0.5,
            0.5,
            0.75,
            "of a pair",
            "where the second of each pair of grid points lies, 0.5 straight; grids of 1, 3, 5 and 7 have none",
        ),
        Parameter(
            "bend",
            0,
            0,
            2,
            "off, channel or MPE",
            "glides and vibrato as pitch bend: 1 on the part's channel, for one note at a time; 2 as MPE, each note on a"
            " channel of its own",
            whole=True,
        ),
        Parameter(
            "chase",
            0,
            0,
            1,
            "off or sustain",
            "1: where the transport starts, jumps or loops into the midst of a note, the note begins there for what is left of it",
            whole=True,
        ),
        Parameter("bend_range", 2, 1, 48, "semitones", "how far `bend` 1 reaches; MPE has 48", whole=True),
    )
}

JOB_PARAMETERS = (
    "hold_ms",
    "quantise",
    "swing",
    "grid",
    "snap",
    "key",
    "mono",
    "legato_ms",
    "min_length_ms",
    "bend",
    "bend_range",
    "chase",
)
"""Those that a request can set for its job by their own name."""

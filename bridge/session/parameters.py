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
            " (madmom-cnn 0.55, the network's onset activation; madmom-rnn 0.35, its onset activation smoothed, at most 1)",
        ),
        Parameter("transpose", 0, -48, 48, "semitones", "added to every pitch but the drums'", whole=True),
        Parameter("velocity", 1.0, 0.0, 4.0, "gain", "multiplies every velocity; the result stays within 1 to 127"),
        Parameter("offset_ms", 0.0, -1000.0, 1000.0, "ms", "moves every note: below 0 earlier, above 0 later"),
        *(Parameter(f"mute/{s}", 0, 0, 1, "off or on", f"silences the {s} notes", whole=True) for s in Stem),
        *(
            Parameter(f"channel/{s}", DEFAULT_CHANNELS[s], 1, 16, "MIDI channel", f"where the {s} notes go", whole=True)
            for s in Stem
        ),
    )
}

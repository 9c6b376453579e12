"""Tempo and time signatures of MIDI files, which know steps only: a ramp is written as many short ones."""

from collections.abc import Iterator
from itertools import pairwise, zip_longest
from pathlib import Path

import mido

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.file_read import open_midi
from bridge.music.bars import Signature
from bridge.music.ramps import equal_steps
from bridge.music.tempo import TempoMap, TempoPoint
from bridge.units import Beats, Bpm, Seconds

TICKS_PER_BEAT = 960
"""Half a millisecond at 130 bpm."""
STEP_ERROR = Seconds(1e-4)
"""By which the steps of a ramp may leave it, beside the ticks to which all things in a file are rounded."""

_SLOWEST = 0xFFFFFF
"""Microseconds a beat that a tempo event can hold: 3.6 bpm."""
_CORRECTION = 1.01
"""How much longer or shorter than right a beat may be made to correct what was rounded."""
_FINEST_BEAT = 32
"""The shortest note value that a time signature here counts in."""

_FASTEST = 30_000
"""Microseconds a beat, 2000 bpm: no project is faster."""
_UNSAID = 500_000
"""Microseconds a beat before a file says anything."""

TempoEvent = tuple[int, mido.MetaMessage]


def tick_at(tempo: TempoMap, seconds: float) -> int:
    """The tick of a clip second; a clip begins at tick 0."""
    return max(0, round((tempo.beats_at(Seconds(seconds)) - _origin(tempo)) * TICKS_PER_BEAT))


def tempo_events(tempo: TempoMap) -> list[TempoEvent]:
    """All time signatures and tempi of a clip at their ticks, in order.

    The file's time is within `STEP_ERROR` of a ramp, and within half a microsecond for every beat of a steady stretch, which the tempi
    after it make good. Below 3.6 bpm, which a file cannot hold, 3.6 stands.
    """
    # Of one tick the signature comes first, as most programs write them.
    return sorted([*_signatures(tempo), *_tempi(tempo)], key=lambda event: event[0])


def _origin(tempo: TempoMap) -> Beats:
    return tempo.beats_at(Seconds(0.0))


def _signatures(tempo: TempoMap) -> Iterator[TempoEvent]:
    origin = _origin(tempo)
    here = [signature for signature in tempo.signatures if signature.beats <= origin]
    first = (here[-1].numerator, here[-1].denominator) if here else _signature(tempo.beats_per_bar)
    changes = [(0, *first)]
    for beats, numerator, denominator in tempo.signatures[len(here) :]:
        changes.append((round((beats - origin) * TICKS_PER_BEAT), numerator, denominator))
    for tick, numerator, denominator in changes:
        yield tick, mido.MetaMessage("time_signature", numerator=min(255, numerator), denominator=denominator)


def _signature(beats_per_bar: float) -> tuple[int, int]:
    """The simplest signature whose bar has so many quarter notes; 4/4 where there is none."""
    denominator = 4
    while denominator <= _FINEST_BEAT:
        numerator = beats_per_bar * denominator / 4
        if numerator.is_integer() and 1 <= numerator <= 255:  # noqa: PLR2004
            return int(numerator), denominator
        denominator *= 2
    return 4, 4


def _tempi(tempo: TempoMap) -> Iterator[TempoEvent]:
    ticks = sorted({0, *_steps(tempo)})
    origin = _origin(tempo)
    begin = written = 0.0
    last = 0
    for tick, following in zip_longest(ticks, ticks[1:]):
        if following is None:
            beat = _microseconds(60.0 / tempo.bpm)
        else:
            beats = (following - tick) / TICKS_PER_BEAT
            end = tempo.seconds_at(Beats(origin + following / TICKS_PER_BEAT))
            # What was rounded before is made good here, so that it does not add up; a little in a short step, the rest in the next.
            length = end - begin
            beat = _microseconds(min(max(end - written, length / _CORRECTION), length * _CORRECTION) / beats)
            begin, written = end, written + beat * beats / 1e6
        if beat != last:
            yield tick, mido.MetaMessage("set_tempo", tempo=beat)
        last = beat


def _microseconds(seconds: float) -> int:
    return max(1, min(_SLOWEST, round(seconds * 1e6)))


def _steps(tempo: TempoMap) -> Iterator[int]:
    """The ticks after 0 at which another tempo begins."""
    origin = _origin(tempo)
    for a, b in pairwise([*tempo.points, None]):
        assert a is not None
        places = [a.beats]
        if a.ramp is not None and b is not None:
            length = b.beats - a.beats
            steps = equal_steps(a.ramp, Beats(length), STEP_ERROR)
            places = [Beats(a.beats + length * step / steps) for step in range(steps)]
        for place in places:
            tick = round((place - origin) * TICKS_PER_BEAT)
            if tick > 0:
                yield tick


def read_tempo(path: Path) -> TempoMap:
    """Return the tempi and time signatures of a file, whichever tracks they are in: tick 0 is second 0 and beat 0.

    Where it says nothing, 120 bpm and 4/4 hold, as the format has it.

    Raises:
        BridgeError: FILE_NOT_FOUND, BAD_ARGUMENT for what is no MIDI file, or has a tempo or time signature that cannot be.

    """
    file = open_midi(path)
    tempi: dict[int, int] = {0: _UNSAID}
    signatures: dict[int, tuple[int, int]] = {0: (4, 4)}
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                tempi[tick] = message.tempo
            elif message.type == "time_signature":
                signatures[tick] = (message.numerator, message.denominator)
    try:
        return _tempo_map(tempi, signatures, file.ticks_per_beat)
    except ValueError as error:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"the tempo in {path} cannot be: {error}") from error


def _tempo_map(tempi: dict[int, int], signatures: dict[int, tuple[int, int]], division: int) -> TempoMap:
    if division <= 0 or min(tempi.values()) < _FASTEST:
        raise ValueError(f"{division} ticks a beat, a beat of {min(tempi.values())} microseconds")
    ticks = sorted(tempi)
    points, time = [TempoPoint(Seconds(0.0), Beats(0.0))], 0
    for a, b in pairwise(ticks):
        # In whole ticks and microseconds nothing is rounded on the way.
        time += (b - a) * tempi[a]
        points.append(TempoPoint(Seconds(time / (division * 1_000_000)), Beats(b / division)))
    changes = [Signature(Beats(tick / division), *signatures[tick]) for tick in sorted(signatures)]
    kept = [changes[0], *(b for a, b in pairwise(changes) if a[1:] != b[1:])]
    return TempoMap(tuple(points), Bpm(60e6 / tempi[ticks[-1]]), kept[0].beats_per_bar, tuple(kept))

"""How results look on a terminal: progress bars, note names, the quality table."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bridge.music.quality import QualityReport

NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def note_name(pitch: int) -> str:
    """Name a MIDI note; middle C (60) is C4."""
    return f"{NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}"


def progress_bar(console: Console) -> Progress:
    """One line a stage; on something that is no terminal, only what was printed beside it."""
    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


MEANINGS = {
    "pitchgram": "are pitch and time right? -1 to 1",
    "onset": "are the beginnings right? -1 to 1",
    "chroma": "are the note names right, in any octave? 0 to 1",
    "waveform": "low for any synthesizer, whose phases differ; -1 to 1",
    "xcorr_max": "grows with gain and length: compare nothing by it alone",
}
"""The measures of a quality report, by name, and what each says."""


def quality_table(values: Mapping[str, float | None]) -> Table:
    """The measures beside what chance would score; `values` has each name of MEANINGS and its `_null`."""
    table = Table(title="\nHow well the notes match the stem", title_justify="left")
    for name in ("measure", "value", "by chance", "says"):
        table.add_column(name, justify="left" if name in ("measure", "says") else "right")
    for name, meaning in MEANINGS.items():
        table.add_row(name, _number(values[name]), _number(values[f"{name}_null"]), meaning)
    return table


def values_of(report: QualityReport) -> dict[str, float | None]:
    """A report's measures by name, as `quality_table` takes them."""
    values: dict[str, float | None] = {}
    for name in MEANINGS:
        measure = getattr(report, name)
        values |= {name: measure.value, f"{name}_null": measure.null}
    return values


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"

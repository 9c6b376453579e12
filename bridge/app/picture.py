"""A picture of notes over the sound they were taken from, to see at a glance what was heard and what was missed."""

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator

from bridge.errors import BridgeError, ErrorCode
from bridge.music.features import HIGHEST_PITCH, LOWEST_PITCH, Decimator, Framing, Matrix, decimation, pitchgram
from bridge.music.notes import Note
from bridge.music.sound import Clip, Samples

WIDTH_PIXELS, HEIGHT_PIXELS = 2000, 1000
_DOTS_PER_INCH = 125

_COLUMNS = 1600
"""At most so many in the pitchgram: about one a pixel, however long the sound is."""

_RANGE_DB = 50.0
_BLOCK_SECONDS = 20.0
_CLOCK_SECONDS = 120.0
"""From here on the time axis reads minutes and seconds."""

_LABELLED = ((24, (0, 2, 4, 5, 7, 9, 11)), (48, (0, 4, 7)), (128, (0,)))
"""Up to how many semitones which pitch classes are labelled."""

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def save_picture(path: Path, audio: Samples | Clip, sample_rate: int, notes: Sequence[Note], title: str) -> None:
    """Write a PNG of 2000 x 1000 pixels: the notes, coloured by confidence, over the pitchgram of the audio.

    `audio` is float32 of shape (channels, frames), or a clip, which is read block by block. An open note is drawn to the end. Raises
    BridgeError DISK.
    """
    frames = audio.frames if not isinstance(audio, np.ndarray) else audio.shape[1]
    seconds = max(frames / sample_rate, 1e-3)
    low, high = _pitch_range(notes)
    # Figure alone, not pyplot: pyplot keeps every figure and is not safe in threads.
    figure = Figure(
        figsize=(WIDTH_PIXELS / _DOTS_PER_INCH, HEIGHT_PIXELS / _DOTS_PER_INCH),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    level = axes.imshow(
        _decibels(audio, sample_rate, frames).T,
        extent=(0.0, seconds, LOWEST_PITCH - 0.5, HIGHEST_PITCH + 0.5),
        origin="lower",
        aspect="auto",
        cmap="bone_r",
        vmin=-_RANGE_DB,
        vmax=0.0,
        interpolation="bilinear",
    )
    bars = PatchCollection(
        [Rectangle((n.onset, n.pitch - 0.4), max(_end(n, seconds) - n.onset, 0.0), 0.8) for n in notes],
        cmap="autumn_r",
        norm=Normalize(0.0, 1.0),
        alpha=0.85,
        edgecolor="black",
        linewidth=1.0,
    )
    bars.set_array(np.array([n.confidence for n in notes]))
    axes.add_collection(bars)

    axes.set_xlim(0.0, seconds)
    axes.set_ylim(low - 0.5, high + 0.5)
    shown = next(classes for span, classes in _LABELLED if high - low <= span)
    axes.yaxis.set_major_locator(FixedLocator([p for p in range(low, high + 1) if p % 12 in shown]))
    axes.yaxis.set_minor_locator(MultipleLocator(1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda pitch, _: pitch_name(round(pitch))))
    if seconds > _CLOCK_SECONDS:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{round(t) // 60}:{round(t) % 60:02d}"))
    axes.grid(visible=True, color="tab:blue", alpha=0.25, linewidth=0.7)
    axes.set_axisbelow(False)
    axes.set_xlabel("time (min:s)" if seconds > _CLOCK_SECONDS else "time (s)")
    axes.set_ylabel("pitch")
    axes.set_title(f"{title}: {len(notes)} {'note' if len(notes) == 1 else 'notes'}", loc="left", parse_math=False)
    if any(note.confidence != 1.0 for note in notes):  # Notes out of a MIDI file have none to show.
        figure.colorbar(bars, ax=axes, pad=0.01, aspect=40, label="notes (boxes): confidence")
    figure.colorbar(level, ax=axes, pad=0.01, aspect=40, label="stem (shade): level in dB below its loudest")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    except OSError as error:
        raise BridgeError(ErrorCode.DISK, f"{path} cannot be written: {error.strerror or error}") from error


def pitch_name(pitch: int) -> str:
    """Such as C4 for MIDI note 60."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def _end(note: Note, seconds: float) -> float:
    return seconds if note.duration is None else note.onset + note.duration


def _pitch_range(notes: Sequence[Note]) -> tuple[int, int]:
    """What the picture shows: the notes with room around them, two octaves at least; everything where there are none."""
    if not notes:
        return LOWEST_PITCH, HIGHEST_PITCH
    low, high = min(n.pitch for n in notes) - 5, max(n.pitch for n in notes) + 7
    missing = max(0, 24 - (high - low))
    return low - missing // 2, high + (missing + 1) // 2


def _decibels(audio: Samples | Clip, sample_rate: int, frames: int) -> Matrix:
    """Pitchgram in dB below its loudest, shape (columns, semitones), pooled to at most `_COLUMNS` columns."""
    rate = sample_rate / decimation(sample_rate)
    windows = max(1, ceil(frames / sample_rate / (_framing(rate).hop / rate)))
    columns = min(windows, _COLUMNS)
    power = np.zeros((columns, HIGHEST_PITCH - LOWEST_PITCH + 1), dtype=np.float32)
    count = np.zeros((columns, 1), dtype=np.float32)
    window = 0
    for block in _pitchgrams(audio, sample_rate, frames):
        column = np.minimum((np.arange(window, window + len(block)) * columns) // windows, columns - 1)
        np.add.at(power, column, block)
        np.add.at(count, column, 1.0)
        window += len(block)
    power /= np.maximum(count, 1.0)
    loudest = float(power.max())
    if not loudest > 0:
        return np.full_like(power, -_RANGE_DB)
    decibels: Matrix = 10.0 * np.log10(np.maximum(power / loudest, 10.0 ** (-_RANGE_DB / 10.0)))
    return decibels


def _framing(rate: float) -> Framing:
    """Twice as sharp in time as the quality measures need, and four times as dense."""
    coarse = Framing.pitch(rate)
    return Framing(coarse.window // 2, coarse.hop // 4)


def _pitchgrams(audio: Samples | Clip, sample_rate: int, frames: int) -> Iterator[Matrix]:
    """The pitchgram block by block; blocks overlap by a window, so that their seams do not show."""
    factor = decimation(sample_rate)
    rate = sample_rate / factor
    framing = _framing(rate)
    step = max(1, round(_BLOCK_SECONDS * rate / framing.hop)) * framing.hop * factor
    context = ceil(framing.window / framing.hop) * framing.hop * factor
    for start in range(0, frames, step):
        first, last = max(0, start - context), min(frames, start + step + context)
        samples: npt.NDArray[np.float32] = (
            audio[:, first:last] if isinstance(audio, np.ndarray) else audio.read(first, last)
        )
        thin = Decimator(factor).thin(samples.mean(axis=0))
        skipped = (start - first) // (framing.hop * factor)
        wanted = ceil((min(start + step, frames) - start) / (framing.hop * factor))
        yield pitchgram(thin, rate, framing)[skipped : skipped + wanted]

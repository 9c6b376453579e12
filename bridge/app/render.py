"""`stembridge render`: the pipeline without a clock. Stems and MIDI files come out, nothing is played."""

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import TaskID

from bridge.app.analysis import build_pipeline
from bridge.app.console import progress_bar, quality_table, values_of
from bridge.app.picture import save_picture
from bridge.app.settings import Settings
from bridge.audio.clip import check_region, open_clip
from bridge.audio.source import probe
from bridge.errors import BridgeError, ErrorCode
from bridge.music.key import KeyEstimate
from bridge.music.notes import Note, NoteKey
from bridge.music.quality import QualityReport
from bridge.music.sound import Stem
from bridge.music.tempo import PARKED
from bridge.session.events import JobEvent, KeyFound, Progress, Quality, Result, Stage, StretchNotes
from bridge.session.request import JobRequest, TranscriberName
from bridge.session.work import Work
from bridge.units import Bpm, JobId, Seconds


def render(settings: Settings, options: argparse.Namespace) -> int:
    """Analyse one file and say what came of it; raises BridgeError where it cannot be done."""
    console = Console()
    stems = read_stems(options.stem)
    work = Work(
        JobRequest(
            JobId("render"),
            options.file.expanduser().absolute(),
            stems=stems,
            start=Seconds(options.start),
            end=None if options.end is None else Seconds(options.end),
            model=options.model,
            transcriber=None if options.transcriber is None else read_transcriber(options.transcriber),
        ),
        folder=options.out.expanduser().absolute(),
        bpm=Bpm(options.bpm or settings.transport.bpm),
        channels=settings.stem_channels,
        thresholds=dict.fromkeys(stems, settings.threshold if options.threshold is None else options.threshold),
        holds=dict.fromkeys(stems, settings.parameters.hold_ms),
        key_first=False,
    )
    check_region(
        [probe(work.request.path)], work.request.start, work.request.end
    )  # Before seconds go into loading models.
    pipeline = build_pipeline(settings, settings.inference.threads or os.cpu_count() or 1)
    found = _Found()
    with progress_bar(console) as bar:
        tasks: dict[Stage, TaskID] = {
            stage: bar.add_task(stage, total=1.0, start=False) for stage in Stage if stage is not Stage.QUEUED
        }

        def take(event: JobEvent) -> None:
            found.take(event)
            if isinstance(event, Progress):
                bar.start_task(tasks[event.stage])
                bar.update(tasks[event.stage], completed=event.fraction)

        pipeline.run(work, take, lambda: False, lambda: PARKED)
    if found.key is not None:
        console.print(f"Key: {found.key.name}, probability {found.key.confidence:.2f}")
    for result in found.results:
        console.print(
            f"[bold]{result.stem}[/]: {result.notes} notes, separated by {escape(result.model)}\n"
            f"  {escape(str(result.midi_path))}\n  {escape(str(result.stem_path))}",
            soft_wrap=True,
        )
        if options.picture:
            picture = result.midi_path.with_suffix(".png")
            draw(
                settings,
                picture,
                result.stem_path,
                found.at(result.stem, work.thresholds[result.stem]),
                f"{options.file.name}: {result.stem}",
            )
            console.print(f"  {escape(str(picture))}", soft_wrap=True)
        console.print(quality_table(values_of(found.quality[result.stem])))
    return 0


def draw(settings: Settings, picture: Path, stem_path: Path, notes: list[Note], title: str) -> None:
    """Draw notes over the stem they were found in."""
    facts = probe(stem_path)
    with open_clip(
        stem_path,
        None,
        Seconds(0.0),
        None,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        work_dir=settings.work_folder,
    ) as stem:
        save_picture(picture, stem, facts.sample_rate, notes, title)


def read_stems(text: str) -> tuple[Stem, ...]:
    """Read `vocals`, `vocals,bass` or `all`; raises BridgeError BAD_ARGUMENT naming the valid ones."""
    if text == "all":
        return tuple(Stem)
    try:
        return tuple(dict.fromkeys(Stem(word.strip()) for word in text.split(",")))
    except ValueError:
        valid = ", ".join([*Stem, "all"])
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"--stem {text!r}: expected one or more of {valid}") from None


def read_transcriber(name: str) -> TranscriberName:
    """Read a transcriber's name; raises BridgeError BAD_ARGUMENT with the valid ones."""
    try:
        return TranscriberName(name)
    except ValueError:
        message = f"--transcriber {name!r}: expected one of {', '.join(TranscriberName)}"
        raise BridgeError(ErrorCode.BAD_ARGUMENT, message) from None


class _Found:
    """What the pipeline said, kept for the end."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.key: KeyEstimate | None = None
        self.quality: dict[Stem, QualityReport] = {}
        self._notes: dict[Stem, dict[NoteKey, Note]] = {}
        self._thresholds: dict[Stem, float] = {}

    def take(self, event: JobEvent) -> None:
        match event:
            case StretchNotes():
                notes = self._notes.setdefault(event.stem, {})
                notes.update((note.key, note) for note in event.notes)
                for key in event.withdrawn:
                    notes.pop(key, None)
                self._thresholds[event.stem] = event.threshold
            case Quality(_, stem, report):
                self.quality[stem] = report
            case KeyFound(_, estimate):
                self.key = estimate
            case Result():
                self.results.append(event)

    def at(self, stem: Stem, threshold: float | None) -> list[Note]:
        """The stem's notes at a threshold, or at its transcriber's own."""
        limit = self._thresholds[stem] if threshold is None else threshold
        return [note for note in self._notes[stem].values() if note.confidence >= limit]

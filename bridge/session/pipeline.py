"""The streaming pipeline of one job: clip -> separation -> transcription -> quality, stretch by stretch, then the files.

It runs in the inference process, or in the caller's for an offline render; what it finds leaves through `emit` at once.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

from bridge.music.measures import SHUFFLES, QualityMeter
from bridge.music.notes import Note, NoteKey, NoteUpdate, StemNotes
from bridge.music.sound import Samples, Stem
from bridge.music.tempo import TempoMap
from bridge.session.events import JobEvent, Progress, Quality, Result, Stage, StretchNotes
from bridge.session.ports import (
    CreateStemFile,
    OpenClip,
    Separator,
    Separators,
    StemFile,
    Transcribers,
    Transcription,
    WriteMidi,
)
from bridge.session.work import JobCancelled, Work
from bridge.units import Seconds

REPORT_SHARE = 0.1
"""Of the time that the analysis takes, at most so much goes into quality reports on the way."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a job's analysis is made of; every part comes from outside."""

    separators: Separators
    transcribers: Transcribers
    open_clip: OpenClip
    create_stem_file: CreateStemFile
    write_midi: WriteMidi

    def run(self, work: Work, emit: Callable[[JobEvent], None], cancelled: Callable[[], bool]) -> None:
        """Analyse one job to its end.

        Raises:
            BridgeError: what went wrong, for the one who asked.
            JobCancelled: `cancelled()` became true; stems not yet complete are removed.

        """

        def heed() -> None:
            if cancelled():
                raise JobCancelled

        def say(event: JobEvent) -> None:
            heed()
            emit(event)

        request = work.request
        say(Progress(request.id, Stage.LOADING, 0.0))
        separator = self.separators.load(request.model, request.stems)
        with (
            ExitStack() as undo,
            self.open_clip(request, separator.sample_rate, separator.channels) as clip,
        ):
            lines = {stem: self._line(work, stem, separator, undo) for stem in request.stems}
            say(Progress(request.id, Stage.SEPARATING, 0.0))
            spare = _SpareTime()
            for stretch in separator.separate(clip, request.stems):
                for stem, samples in stretch.stems.items():
                    say(lines[stem].advance(samples, clip.frames))
                analysed = max(line.frames for line in lines.values())
                say(Progress(request.id, Stage.SEPARATING, analysed / clip.frames))
                for line in lines.values():
                    if (quality := line.quality_so_far(spare, heed)) is not None:
                        say(quality)
            for done, line in enumerate(lines.values()):
                say(Progress(request.id, Stage.WRITING, done / len(lines)))
                say(self._write(line))
            steps = count()
            for line in lines.values():
                # A long clip takes minutes here: each shuffle is a sign of life, and a place to stop at.
                say(
                    line.whole_quality(
                        lambda: say(Progress(request.id, Stage.MEASURING, next(steps) / (SHUFFLES * len(lines))))
                    )
                )
            say(Progress(request.id, Stage.MEASURING, 1.0))

    def _line(self, work: Work, stem: Stem, separator: Separator, undo: ExitStack) -> "_StemLine":
        transcriber = self.transcribers.get(work.request.transcriber, stem)
        asked = work.thresholds[stem]
        file = self.create_stem_file(work.folder, stem, separator.sample_rate, separator.channels)
        line = _StemLine(
            work=work,
            stem=stem,
            model=separator.model,
            sample_rate=separator.sample_rate,
            transcription=transcriber.start(separator.sample_rate),
            threshold=transcriber.threshold if asked is None else asked,
            default_threshold=transcriber.threshold,
            file=file,
            meter=QualityMeter(separator.sample_rate),
        )
        undo.callback(line.abandon)
        return line

    def _write(self, line: "_StemLine") -> Result:
        line.file.close()
        notes = line.sounding()
        midi_path = line.work.folder / f"{line.stem}.mid"
        tempo = TempoMap.constant(line.work.bpm)
        self.write_midi(midi_path, [StemNotes(line.stem, notes)], tempo, line.work.channels)
        line.complete = True
        return Result(line.work.request.id, line.stem, len(notes), midi_path, line.file.path, line.model)


@dataclass(slots=True)
class _StemLine:
    """One stem on its way through the pipeline."""

    work: Work
    stem: Stem
    model: str
    sample_rate: int
    transcription: Transcription
    threshold: float
    default_threshold: float
    file: StemFile
    meter: QualityMeter
    notes: dict[NoteKey, Note] = field(default_factory=dict)
    frames: int = 0
    """Separated so far."""
    complete: bool = False
    """Whether its files are written."""
    known: Seconds = Seconds(0.0)
    """Every onset before this is known."""
    measured: Seconds = Seconds(0.0)
    """Up to here a quality report has been given."""

    def advance(self, samples: Samples, clip_frames: int) -> StretchNotes:
        """Take the next finished stretch, shape (channels, frames); return what notes it brought."""
        self.frames += samples.shape[1]
        complete = self.frames >= clip_frames
        update = self.transcription.feed(samples)
        if complete:
            rest = self.transcription.finish()
            update = NoteUpdate(update.notes + rest.notes, rest.until)
        self.notes.update((note.key, note) for note in update.notes)
        self.known = update.until
        self.file.write(samples)
        self.meter.add(samples)
        return StretchNotes(
            self.work.request.id,
            self.stem,
            notes=update.notes,
            until=update.until,
            analysed=Seconds(self.frames / self.sample_rate),
            duration=Seconds(clip_frames / self.sample_rate),
            threshold=self.default_threshold,
            complete=complete,
        )

    def abandon(self) -> None:
        """Leave nothing half done: the job ends here."""
        if not self.complete:
            self.file.discard()

    def quality_so_far(self, spare: "_SpareTime", heed: Callable[[], None]) -> Quality | None:
        """How well the notes since the last report match, if there is time to say it now."""
        if self.known <= self.measured or not spare.enough:
            return None
        with spare:
            report = self.meter.report(self.sounding(), self.measured, self.known, heed)
        self.measured = self.known
        return Quality(self.work.request.id, self.stem, report)

    def whole_quality(self, between: Callable[[], None]) -> Quality:
        """How well all notes match the whole stem; `between` is called before each shuffle and may raise."""
        end = Seconds(self.frames / self.sample_rate)
        return Quality(self.work.request.id, self.stem, self.meter.report(self.sounding(), Seconds(0.0), end, between))

    def sounding(self) -> tuple[Note, ...]:
        """The notes at the threshold, in order of onset."""
        return tuple(self.notes[key] for key in sorted(self.notes) if self.notes[key].confidence >= self.threshold)


@dataclass(slots=True)
class _SpareTime:
    """Sees to it that reports on the way take a small share of the time: notes come first.

    What is not reported for want of time is part of the next report, and of the whole one at the end.
    """

    began: float = field(default_factory=time.perf_counter)
    spent: float = 0.0
    last: float = 1.0
    """What the last report took; a cautious guess before the first."""
    _since: float = 0.0

    @property
    def enough(self) -> bool:
        """Whether another report like the last one would stay within the share."""
        return self.spent + self.last <= REPORT_SHARE * (time.perf_counter() - self.began)

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.last = time.perf_counter() - self._since
        self.spent += self.last

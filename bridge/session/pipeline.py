"""The streaming pipeline of one job: clip -> separation -> transcription -> quality, stretch by stretch, then the files.

It runs in the inference process, or in the caller's for an offline render; what it finds leaves through `emit` at once.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from bridge.music.measures import QualityMeter
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
            JobCancelled: `cancelled()` became true; what was half written is removed.

        """

        def say(event: JobEvent) -> None:
            if cancelled():
                raise JobCancelled
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
            for stretch in separator.separate(clip, request.stems):
                for stem, samples in stretch.stems.items():
                    for event in lines[stem].advance(samples, clip.frames):
                        say(event)
                analysed = max(line.frames for line in lines.values())
                say(Progress(request.id, Stage.SEPARATING, analysed / clip.frames))
            for stage, finish in ((Stage.MEASURING, _StemLine.whole_quality), (Stage.WRITING, self._write)):
                for done, line in enumerate(lines.values()):
                    say(Progress(request.id, stage, done / len(lines)))
                    say(finish(line))
            say(Progress(request.id, Stage.WRITING, 1.0))
            undo.pop_all()

    def _line(self, work: Work, stem: Stem, separator: Separator, undo: ExitStack) -> "_StemLine":
        transcriber = self.transcribers.get(work.request.transcriber, stem)
        asked = work.request.parameters.get("threshold", work.threshold)
        file = self.create_stem_file(work.folder, stem, separator.sample_rate, separator.channels)
        undo.callback(file.discard)
        return _StemLine(
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

    def _write(self, line: "_StemLine") -> Result:
        line.file.close()
        notes = line.sounding()
        midi_path = line.work.folder / f"{line.stem}.mid"
        tempo = TempoMap.constant(line.work.bpm)
        self.write_midi(midi_path, [StemNotes(line.stem, notes)], tempo, line.work.channels)
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
    measured: Seconds = Seconds(0.0)

    def advance(self, samples: Samples, clip_frames: int) -> Iterator[JobEvent]:
        """Take the next finished stretch, shape (channels, frames); yield its notes first, then how well they match."""
        self.frames += samples.shape[1]
        complete = self.frames >= clip_frames
        update = self.transcription.feed(samples)
        if complete:
            rest = self.transcription.finish()
            update = NoteUpdate(update.notes + rest.notes, rest.until)
        self.notes.update((note.key, note) for note in update.notes)
        job = self.work.request.id
        yield StretchNotes(
            job,
            self.stem,
            notes=update.notes,
            until=update.until,
            analysed=Seconds(self.frames / self.sample_rate),
            duration=Seconds(clip_frames / self.sample_rate),
            threshold=self.default_threshold,
            complete=complete,
        )
        self.file.write(samples)
        self.meter.add(samples)
        if update.until > self.measured:
            yield Quality(job, self.stem, self.meter.report(self.sounding(), self.measured, update.until))
            self.measured = update.until

    def whole_quality(self) -> Quality:
        """How well all notes match the whole stem."""
        end = Seconds(self.frames / self.sample_rate)
        return Quality(self.work.request.id, self.stem, self.meter.report(self.sounding(), Seconds(0.0), end))

    def sounding(self) -> tuple[Note, ...]:
        """The notes at the threshold, in order of onset."""
        return tuple(self.notes[key] for key in sorted(self.notes) if self.notes[key].confidence >= self.threshold)

"""One stem of a job on its way: what of it is known already, separated, transcribed, measured and written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bridge.errors import BridgeError, ErrorCode
from bridge.music.measures import QualityMeter
from bridge.music.notes import Extent, Note, StemNotes
from bridge.music.sound import Samples, Stem
from bridge.music.tempo import TempoMap
from bridge.session.events import Quality, Result, StretchNotes
from bridge.session.ports import Cache, CacheKey, KeptNotes, StemFile, Take, Transcriber, WriteMidi
from bridge.session.stitch import Change, StitchedTranscription
from bridge.session.work import Work
from bridge.units import Seconds

COPY_FRAMES = 1 << 19
"""What is copied to the user's file at once: 12 s of CD audio."""
HEARD_AT_ONCE = Seconds(6.0)
"""Of a kept stem, so much is transcribed before the playhead is asked for again."""
NOTES_AT_ONCE = 500
"""Kept notes that are given in one event: what takes them in has other notes to send meanwhile."""


@dataclass(frozen=True, slots=True)
class LineParts:
    """What a stem's line is made of."""

    work: Work
    stem: Stem
    model: str
    sample_rate: int
    channels: int
    transcriber: Transcriber
    cache: Cache
    key: CacheKey
    """Of the separated stem."""
    file: StemFile

    @property
    def notes_key(self) -> CacheKey:
        """Of what the transcriber made of the stem."""
        return (*self.key, self.transcriber.fingerprint)


class StemLine:
    """Begins with what the cache holds; what it does not hold comes in through `advance`, stretch by stretch."""

    def __init__(self, parts: LineParts) -> None:
        self._parts = parts
        asked = parts.work.thresholds[parts.stem]
        self._threshold = parts.transcriber.threshold if asked is None else asked
        self._known_notes = parts.cache.recall_notes(parts.notes_key)
        """All notes of the whole stem, once they are known."""
        self._take: Take | None = None
        self.separated = False
        """Whether the whole stem is here."""
        self._stitched: StitchedTranscription | None = None
        self._unheard: list[tuple[int, int]] = []
        """Of a kept stem, what is to be transcribed; frames."""
        self._separated_frames = 0
        self._copied = 0
        """Frames in the user's file."""
        self._measured = Seconds(0.0)
        """Up to here a quality report has been given."""
        self._written = False

    # What the cache holds

    def recall_notes(self) -> Iterator[StretchNotes]:
        """Give all notes, if they are kept: the first ones take milliseconds."""
        if self._known_notes is None:
            return
        notes, end = self._known_notes.notes, self.duration
        for begin in range(0, max(len(notes), 1), NOTES_AT_ONCE):
            following = notes[begin + NOTES_AT_ONCE : begin + NOTES_AT_ONCE + 1]
            until = following[0].onset if following else end
            known = (Extent(Seconds(0.0), until),)
            yield self._event(Change(notes[begin : begin + NOTES_AT_ONCE]), known, until, complete=not following)

    def recall_stem(self) -> None:
        """Take the stem, if it is kept; raises BridgeError for a rate that the transcriber does not take."""
        self._take = self._parts.cache.recall_stem(self._parts.key)
        if self._take is not None:
            self.separated = True
            self._listen(self._take)
            if self._stitched is not None:
                piece = round(HEARD_AT_ONCE * self._parts.sample_rate)
                frames = self._take.frames
                self._unheard = [(start, min(start + piece, frames)) for start in range(0, frames, piece)]

    @property
    def has_unheard(self) -> bool:
        """Whether some of a kept stem is still to be transcribed."""
        return bool(self._unheard)

    def hear(self, playhead: Seconds) -> Iterator[StretchNotes]:
        """Transcribe some of a kept stem: what lies under the playhead, or follows it, or else what lies before."""
        if self._stitched is not None and self._unheard:
            here = playhead * self._parts.sample_rate
            piece = next((piece for piece in self._unheard if piece[1] > here), self._unheard[0])
            self._unheard.remove(piece)
            yield from self._tell(self._stitched.add(*piece))

    # What is separated now

    def begin(self, frames: int) -> None:
        """Make room for a stem of so many frames; raises BridgeError DISK."""
        self._take = self._parts.cache.begin_stem(self._parts.key, frames, self._parts.channels)
        self._listen(self._take)

    def advance(self, start: int, samples: Samples) -> Iterator[StretchNotes]:
        """Take a finished stretch, shape (channels, frames), and give what notes it brings."""
        take = self._whole()
        take.write(start, samples)
        stop = start + samples.shape[1]
        self._separated_frames += samples.shape[1]
        self.separated = self._separated_frames >= take.frames
        if start == self._copied:
            self._parts.file.write(samples)
            self._copied = stop
        if self._stitched is not None:
            yield from self._tell(self._stitched.add(start, stop))

    # When all of it is here

    def finish(self) -> Iterator[StretchNotes]:
        """Give the last notes."""
        if self._stitched is not None:
            yield from self._tell(self._stitched.finish())
            notes = self._stitched.notes
            self._known_notes = KeptNotes(notes, self._whole().frames, self._parts.sample_rate)

    def write(self, write_midi: WriteMidi, step: Callable[[float], None]) -> Result:
        """Write the files; `step` is told between two pieces how far it is, 0 to 1, and may raise. Raises BridgeError DISK."""
        parts, take = self._parts, self._whole()
        step(self._copied / take.frames)
        for start in range(self._copied, take.frames, COPY_FRAMES):
            step(start / take.frames)
            parts.file.write(take.read(start, start + COPY_FRAMES))
        parts.file.close()
        notes = self._sounding()
        midi_path = parts.work.folder / f"{parts.stem}.mid"
        tempo = parts.work.request.tempo or TempoMap.constant(parts.work.bpm)
        write_midi(midi_path, [StemNotes(parts.stem, notes)], tempo, parts.work.channels)
        self._written = True
        return Result(parts.work.request.id, parts.stem, len(notes), midi_path, parts.file.path, parts.model)

    def keep(self) -> None:
        """Keep for another time what is new of the stem and its notes."""
        if self._separated_frames:
            self._parts.cache.keep_stem(self._whole())
        if self._stitched is not None and self._known_notes is not None:
            self._parts.cache.keep_notes(self._parts.notes_key, self._known_notes)

    def close(self) -> None:
        """Leave nothing half done: the job ends here."""
        if not self._written:
            self._parts.file.discard()
        if self._take is not None:
            self._take.close()

    # Quality

    def quality_since(self, heed: Callable[[], None]) -> Quality | None:
        """How well the notes match where that was not said yet, None where nothing new is known; see `whole_quality`."""
        if self._stitched is None:
            return None  # Kept notes, which were measured when they were made and will be as a whole.
        extent = next((e for e in reversed(self._stitched.known) if e.end > self._measured), None)
        if extent is None:
            return None
        begin = max(self._measured, extent.begin)
        self._measured = extent.end
        return self._measure(begin, extent.end, heed)

    def whole_quality(self, heed: Callable[[], None]) -> Quality:
        """How well all notes match the whole stem; `heed` is called before each shuffle and may raise."""
        return self._measure(Seconds(0.0), self.duration, heed)

    def _measure(self, begin: Seconds, end: Seconds, heed: Callable[[], None]) -> Quality:
        meter = QualityMeter(self._whole().read, self._parts.sample_rate)
        report = meter.report(self._sounding(), begin, end, heed)
        return Quality(self._parts.work.request.id, self._parts.stem, report)

    # What is known

    @property
    def separated_frames(self) -> int:
        """How much of the stem is here."""
        return self._whole().frames if self.separated else self._separated_frames

    @property
    def duration(self) -> Seconds:
        """Of the whole stem."""
        known = self._known_notes
        if known is not None:
            return Seconds(known.frames / known.sample_rate)
        return Seconds(self._whole().frames / self._parts.sample_rate)

    def _sounding(self) -> tuple[Note, ...]:
        """The notes at the threshold, in order of onset."""
        kept = self._known_notes
        notes = kept.notes if kept is not None else self._stitched.notes if self._stitched is not None else ()
        return tuple(note for note in notes if note.confidence >= self._threshold)

    def _tell(self, changes: Iterable[Change]) -> Iterator[StretchNotes]:
        stitched = self._stitched
        if stitched is not None:
            for change in changes:
                yield self._event(change, stitched.known, stitched.heard, complete=stitched.complete)

    def _event(self, change: Change, known: tuple[Extent, ...], analysed: Seconds, *, complete: bool) -> StretchNotes:
        return StretchNotes(
            self._parts.work.request.id,
            self._parts.stem,
            notes=change.notes,
            withdrawn=change.withdrawn,
            known=known,
            analysed=analysed,
            duration=self.duration,
            threshold=self._parts.transcriber.threshold,
            complete=complete,
        )

    def _listen(self, take: Take) -> None:
        """Make ready to transcribe, unless the notes are here; raises BridgeError for a rate that the transcriber does not take."""
        if self._known_notes is None:
            parts = self._parts
            self._stitched = StitchedTranscription(parts.transcriber, parts.sample_rate, take.frames, take.read)

    def _whole(self) -> Take:
        if self._take is None:
            raise BridgeError(ErrorCode.INTERNAL, f"{self._parts.stem} was used before it was begun")
        return self._take

"""The streaming pipeline of one job: clip -> separation -> transcription -> quality, stretch by stretch, then the files.

What was analysed before is not analysed again: notes that the cache holds are given at once, a stem that it holds is only
transcribed. The pipeline runs in the inference process, or in the caller's for an offline render; what it finds leaves
through `emit` at once.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TypeVar

from bridge.errors import BridgeError, ErrorCode
from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.measures import SHUFFLES
from bridge.music.sound import Stem
from bridge.music.tempo import Transport
from bridge.session.clip_clock import playhead
from bridge.session.clip_estimate import ClipEstimate
from bridge.session.events import JobEvent, KeyFound, Progress, Stage, TempoFound
from bridge.session.ports import (
    Cache,
    CacheKey,
    ClipEstimator,
    CreateStemFile,
    OpenClip,
    Separator,
    Separators,
    Transcribers,
    WriteMidi,
)
from bridge.session.request import Follow
from bridge.session.stem_line import LineParts, StemLine
from bridge.session.work import JobCancelled, Work
from bridge.units import HostTime, Seconds

T = TypeVar("T")

REPORT_SHARE = 0.1
"""Of the time that the analysis takes, at most so much goes into quality reports on the way."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a job's analysis is made of; every part comes from outside."""

    separators: Separators
    transcribers: Transcribers
    keys: ClipEstimator[KeyEstimate]
    beats: ClipEstimator[BeatTrack]
    cache: Cache
    open_clip: OpenClip
    decoding: str
    """What a clip's samples depend on beside its file."""
    create_stem_file: CreateStemFile
    write_midi: WriteMidi

    def run(
        self,
        work: Work,
        emit: Callable[[JobEvent], None],
        cancelled: Callable[[], bool],
        transport: Callable[[], Transport],
    ) -> None:
        """Analyse one job to its end, what lies under the playhead of `transport()` first.

        Raises:
            BridgeError: what went wrong, for the one who asked.
            JobCancelled: `cancelled()` became true; stems not yet complete are removed.

        """
        with ExitStack() as undo:
            _Analysis(self, work, undo, emit=emit, cancelled=cancelled, transport=transport).run()


class _Analysis:
    """One job in the pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        work: Work,
        undo: ExitStack,
        *,
        emit: Callable[[JobEvent], None],
        cancelled: Callable[[], bool],
        transport: Callable[[], Transport],
    ) -> None:
        self._pipeline = pipeline
        self._work = work
        self._undo = undo
        self._emit = emit
        self._cancelled = cancelled
        self._transport = transport
        self._last_progress = (Stage.LOADING, 0.0)

    def run(self) -> None:
        pipeline = self._pipeline
        self._progress(Stage.LOADING, 0.0)
        separator = pipeline.separators.load(self._work.request.model, self._work.request.stems)
        identity = (*pipeline.cache.identify(self._work.request), pipeline.decoding)
        self._find_beats(identity)
        lines = {stem: self._line(stem, separator, identity) for stem in self._work.request.stems}
        key = self._estimate(pipeline.keys, identity, pipeline.cache.recall_key, pipeline.cache.keep_key)
        self._say_key(key.recall())
        if self._work.key_first:
            self._say_key(key.find(None, self._still_here))
        self._progress(Stage.SEPARATING, 0.0)
        for line in lines.values():
            self._say_all(line.recall_notes())
        for line in lines.values():
            line.recall_stem()
        self._hear(lines.values())
        missing = {stem: line for stem, line in lines.items() if not line.separated}
        if missing:
            self._separate(separator, lines, missing, key)
        self._say_key(key.find(None, self._still_here))
        while any(line.has_unheard for line in lines.values()):
            self._hear(lines.values())
        for line in lines.values():
            self._say_all(line.finish())
        if self._still(identity):
            for line in lines.values():
                line.keep()
        for done, line in enumerate(lines.values()):
            self._say(line.write(pipeline.write_midi, partial(self._progress_of, Stage.WRITING, done, len(lines))))
        for done, line in enumerate(lines.values()):
            # A long clip takes minutes here: each shuffle is a sign of life, and a place to stop at.
            steps = count()
            self._say(
                line.whole_quality(
                    lambda done=done, steps=steps: self._progress_of(  # type: ignore[misc]
                        Stage.MEASURING, done, len(lines), next(steps) / SHUFFLES
                    )
                )
            )
        self._progress(Stage.MEASURING, 1.0)

    def _line(self, stem: Stem, separator: Separator, identity: CacheKey) -> StemLine:
        work, pipeline = self._work, self._pipeline
        line = StemLine(
            LineParts(
                work=work,
                stem=stem,
                model=separator.model,
                sample_rate=separator.sample_rate,
                channels=separator.channels,
                transcriber=pipeline.transcribers.get(work.request.transcriber, stem, work.holds[stem]),
                cache=pipeline.cache,
                key=(*identity, separator.fingerprint(stem), stem),
                file=pipeline.create_stem_file(work.folder, stem, separator.sample_rate, separator.channels),
            )
        )
        self._undo.callback(line.close)
        return line

    def _estimate(
        self,
        estimator: ClipEstimator[T],
        identity: CacheKey,
        recall: Callable[[CacheKey], T | None],
        keep: Callable[[CacheKey, T], None],
    ) -> ClipEstimate[T]:
        return ClipEstimate(estimator, self._work.request, self._pipeline.open_clip, identity, recall=recall, keep=keep)

    def _find_beats(self, identity: CacheKey) -> None:
        """Track the beats of a clip whose notes follow the tempo and whose own tempo nobody gave; raises BridgeError BAD_AUDIO."""
        request, cache = self._work.request, self._pipeline.cache
        if request.follow is not Follow.TEMPO or request.tempo is not None:
            return
        beats = self._estimate(self._pipeline.beats, identity, cache.recall_beats, cache.keep_beats)
        track = beats.recall() or beats.find(None, self._still_here)
        if track is None:
            raise BridgeError(
                ErrorCode.BAD_AUDIO, f"no beat is heard in {request.path}: give its tempo as bpm, or follow time"
            )
        self._work = replace(self._work, request=replace(request, beats=track))
        self._say(TempoFound(request.id, track))

    def _say_key(self, key: KeyEstimate | None) -> None:
        if key is not None:
            self._say(KeyFound(self._work.request.id, key))

    def _hear(self, lines: Iterable[StemLine]) -> None:
        """Go on with stems that are kept and whose notes are not."""
        for line in lines:
            if line.has_unheard:
                self._say_all(line.hear(self._playhead(line.duration)))

    def _separate(
        self,
        separator: Separator,
        lines: Mapping[Stem, StemLine],
        missing: Mapping[Stem, StemLine],
        key: ClipEstimate[KeyEstimate],
    ) -> None:
        """Separate what is not here yet, transcribing as it comes; after the first stretch, find the clip's key."""
        spare = _SpareTime()
        with self._pipeline.open_clip(self._work.request, separator.sample_rate, separator.channels) as clip:
            length = Seconds(clip.frames / clip.sample_rate)
            for line in missing.values():
                line.begin(clip.frames)
            for stretch in separator.separate(clip, tuple(missing), lambda: self._playhead(length)):
                for stem, samples in stretch.stems.items():
                    self._say_all(missing[stem].advance(stretch.start, samples))
                self._say_key(key.find(clip, self._still_here))
                self._hear(lines.values())
                separated = min(line.separated_frames for line in missing.values())
                self._progress(Stage.SEPARATING, separated / clip.frames)
                for line in missing.values():
                    if spare.enough:
                        with spare:
                            quality = line.quality_since(self._still_here)
                        if quality is not None:
                            self._say(quality)

    def _still(self, identity: CacheKey) -> bool:
        """Whether the file is what it was: what was made of it while somebody wrote to it is kept for nobody."""
        try:
            return (*self._pipeline.cache.identify(self._work.request), self._pipeline.decoding) == identity
        except BridgeError:
            return False

    def _playhead(self, length: Seconds) -> Seconds:
        return playhead(self._work.request, length, self._transport(), HostTime(time.perf_counter()))

    def _progress(self, stage: Stage, fraction: float) -> None:
        self._last_progress = (stage, fraction)
        self._say(Progress(self._work.request.id, stage, fraction))

    def _progress_of(self, stage: Stage, done: int, stems: int, fraction: float) -> None:
        """The same where `done` of the stems are done and one is at `fraction`."""
        self._progress(stage, (done + fraction) / stems)

    def _still_here(self) -> None:
        """Give a sign of life."""
        self._progress(*self._last_progress)

    def _say(self, event: JobEvent) -> None:
        self._heed()
        self._emit(event)

    def _say_all(self, events: Iterable[JobEvent]) -> None:
        for event in events:
            self._say(event)

    def _heed(self) -> None:
        if self._cancelled():
            raise JobCancelled


@dataclass(slots=True)
class _SpareTime:
    """Sees to it that reports on the way take a small share of the time: notes come first.

    What is not reported for want of time is part of the next report, or only of the whole one at the end.
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

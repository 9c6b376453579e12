"""Transcribes a stem whose stretches come in any order; in the end the notes are those of one pass from its start.

Each unbroken part of what is separated is followed by a run: a transcription fed from the part's beginning on. Where the gap
before a run is closed, the run before it goes on through the same audio, so that the seam is decoded again; where
they differ, the earlier one is right. The run from the stem's start thus has the last word on everything.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from bridge.music.notes import Extent, Note, NoteKey, NoteUpdate
from bridge.music.sound import Samples
from bridge.session.ports import Transcriber, Transcription
from bridge.units import Seconds

RUNS_PER_SECOND = 10
"""Runs begin at multiples of a tenth of a second: a whole number of frames for every transcriber, so that runs agree on onsets."""
PIECE = Seconds(6.0)
"""What is fed at once; between two pieces the caller can stop."""
CATCH_UP = Seconds(30.0)
"""How much is decoded again after each new stretch: a fifth of a second's work, so that the next segment need not wait."""
_DECIMALS = 6
"""Onsets of later runs are rounded to microseconds: sums of two times would differ in their last bits."""


@dataclass(frozen=True, slots=True)
class Change:
    """What some more audio changed."""

    notes: tuple[Note, ...]
    """New, or revised."""
    withdrawn: tuple[NoteKey, ...] = ()


@dataclass(slots=True, eq=False)
class _Run:
    """One transcription on its way."""

    transcription: Transcription
    origin: int
    """The frame where it began."""
    fed: int
    until: Seconds
    """It knows every onset before this."""
    finished: bool = False
    keys: set[NoteKey] = field(default_factory=set)
    """Of all notes it has given."""
    open: dict[NoteKey, Note] = field(default_factory=dict)
    """Notes whose end it has not found."""


class StitchedTranscription:
    """One stem of `frames` frames; `read(start, stop)` gives those that were added, float32, shape (channels, frames)."""

    def __init__(
        self, transcriber: Transcriber, sample_rate: int, frames: int, read: Callable[[int, int], Samples]
    ) -> None:
        self._transcriber = transcriber
        self._sample_rate = sample_rate
        self._frames = frames
        self._read = read
        # The first one at once: a sample rate that the transcriber does not take is known before anything is separated.
        self._ready: Transcription | None = transcriber.start(sample_rate)
        self._grid = sample_rate // RUNS_PER_SECOND
        self._parts: list[tuple[int, int]] = []
        """What was added, joined, in order."""
        self._runs: list[_Run] = []
        """By origin."""
        self._last: _Run | None = None
        """The one that was fed last with what was new."""
        self._notes: dict[NoteKey, Note] = {}

    @property
    def notes(self) -> tuple[Note, ...]:
        """All notes that stand, in order of onset."""
        return tuple(self._notes[key] for key in sorted(self._notes))

    @property
    def known(self) -> tuple[Extent, ...]:
        """Where every onset is known, in order."""
        extents: list[Extent] = []
        for run in self._runs:
            begin = self._seconds(run.origin)
            if run.until <= begin:
                continue
            if extents and begin <= extents[-1].end:
                extents[-1] = Extent(extents[-1].begin, max(extents[-1].end, run.until))
            else:
                extents.append(Extent(begin, run.until))
        return tuple(extents)

    @property
    def heard(self) -> Seconds:
        """How much of the stem was transcribed at least once."""
        total, end = 0, 0
        for run in self._runs:
            total += max(0, run.fed - max(run.origin, end))
            end = max(end, run.fed)
        return self._seconds(total)

    @property
    def complete(self) -> bool:
        """Whether the notes are those of one pass through the whole stem."""
        return bool(self._runs) and self._runs[0].origin == 0 and self._runs[0].finished

    def add(self, start: int, stop: int) -> Iterator[Change]:
        """Take in that frames `start` to `stop` can be read now; yield what changes, piece by piece."""
        run = self._run_at(start, self._join(start, stop))
        if self._last is not None and self._last is not run:
            yield from self._close(self._last)
        if run.open and run is not self._last:
            yield self._accept(run, NoteUpdate(tuple(run.open.values()), run.until))
        self._last = run
        for target in range(run.fed, stop, self._piece):
            yield self._feed(run, min(stop, target + self._piece))
        yield from self._catch_up(round(CATCH_UP * self._sample_rate))
        for other in self._runs:
            if other is not self._last:
                yield from self._close(other)

    def finish(self) -> Iterator[Change]:
        """Decode again what is left to be; all was added."""
        yield from self._catch_up(self._frames * len(self._runs))

    @property
    def _piece(self) -> int:
        return round(PIECE * self._sample_rate)

    def _seconds(self, frame: int) -> Seconds:
        return Seconds(frame / self._sample_rate)

    def _join(self, start: int, stop: int) -> int:
        """Add a stretch to the parts; return where the part begins that it is in now."""
        touching = [part for part in self._parts if part[0] <= stop and part[1] >= start]
        joined = (min([start, *(p[0] for p in touching)]), max([stop, *(p[1] for p in touching)]))
        self._parts = sorted([*(p for p in self._parts if p not in touching), joined])
        return joined[0]

    def _run_at(self, start: int, first: int) -> _Run:
        """The run that a stretch continues, or a new one; `first` is where the stretch's part begins."""
        begins = -(-first // self._grid) * self._grid
        before = [run for run in self._runs if begins <= run.origin <= max(start, begins)]
        if before:
            return before[-1]
        transcription, self._ready = self._ready or self._transcriber.start(self._sample_rate), None
        run = _Run(transcription, begins, begins, self._seconds(begins))
        self._runs = sorted([*self._runs, run], key=lambda run: run.origin)
        return run

    def _catch_up(self, budget: int) -> Iterator[Change]:
        """Let earlier runs go on through what later ones of the same part were fed, for at most so many frames."""
        for run in list(self._runs):
            end = next((stop for start, stop in self._parts if start <= run.origin < stop), run.fed)
            while run in self._runs and run.fed < end and budget > 0:
                stop = min(end, run.fed + self._piece, run.fed + budget)
                budget -= stop - run.fed
                yield self._feed(run, stop)

    def _feed(self, run: _Run, stop: int) -> Change:
        update = run.transcription.feed(self._read(run.fed, stop))
        run.fed = stop
        if stop == self._frames:
            rest = run.transcription.finish()
            update = NoteUpdate(update.notes + rest.notes, rest.until)
            run.finished = True
        change = self._accept(run, self._placed(run, update))
        overtaken = [other for other in self._runs if other.origin > run.origin and other.fed <= run.fed]
        self._runs = [other for other in self._runs if other not in overtaken]
        if self._last in overtaken:
            self._last = run
        return change

    def _placed(self, run: _Run, update: NoteUpdate) -> NoteUpdate:
        """The same, from the stem's start."""
        if not run.origin:
            return update
        begin = self._seconds(run.origin)
        notes = tuple(replace(n, onset=Seconds(round(begin + n.onset, _DECIMALS))) for n in update.notes)
        return NoteUpdate(notes, Seconds(begin + update.until))

    def _accept(self, run: _Run, update: NoteUpdate) -> Change:
        """Make of a run's notes what they change for the one who listens."""
        run.until = max(run.until, update.until)
        better = [other for other in self._runs if other.origin < run.origin <= other.fed]
        # An end that a later run has found stands until this one is that far.
        overlapped = any(other.origin > run.origin and other.origin <= run.fed < other.fed for other in self._runs)
        changed: dict[NoteKey, Note] = {}
        for note in {note.key: note for note in update.notes}.values():
            run.keys.add(note.key)
            run.open.pop(note.key, None)
            if note.duration is None:
                run.open[note.key] = note
            if any(other.until > note.onset and note.key not in other.keys for other in better):
                continue
            known = self._notes.get(note.key)
            if overlapped and known is not None and note.duration is None:
                note = replace(note, duration=known.duration)  # noqa: PLW2901
            if note != known:
                changed[note.key] = note
        self._notes.update(changed)
        begin = self._seconds(run.origin)
        wrong = [key for key in self._notes if begin <= key[0] < run.until and key not in run.keys and not better]
        for key in wrong:
            del self._notes[key]
        return Change(tuple(changed[key] for key in sorted(changed)), tuple(sorted(wrong)))

    def _close(self, run: _Run) -> Iterator[Change]:
        """End the open notes of a run that will not go on for now where it ends: nobody knows for how long they would sound."""
        end = self._seconds(run.fed)
        followed = self._last.open if self._last is not None and self._last is not run else {}
        closed = [
            replace(self._notes[key], duration=Seconds(max(0.0, end - key[0])))
            for key in run.open
            if key in self._notes and self._notes[key].duration is None and key not in followed
        ]
        if closed:
            self._notes.update((note.key, note) for note in closed)
            yield Change(tuple(closed))

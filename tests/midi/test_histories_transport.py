"""Random histories of a transport, and an oracle that knows each note's every on and off: what is missing or double shows."""

from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.midi.timeline import SEEK
from bridge.music.notes import Note
from bridge.music.tempo import Loop, Transport
from bridge.session.clip_clock import ClipClock, locked
from bridge.session.playback import Part
from bridge.session.request import Follow, Sync
from tests.midi.rig import LOOKAHEAD, START, TICK, VOCALS, Rig, known
from tests.midi.strategies import examples, own_tempi, tempi

LENGTH = 3.0
HANDED_ON = LOOKAHEAD + TICK
"""What is due this soon may have been handed on before a change of tempo or a correction: it leaves as it was."""
CLICK = 0.02
BESIDE = 0.08
EDGE = 2e-4

clips = st.lists(
    st.tuples(st.integers(0, 28), st.sampled_from([0.06, 0.25, 0.9, 2.5])), min_size=1, max_size=8, unique=True
).map(lambda ns: [Note(n / 10 + 0.0037, duration, 40 + i, 80, 0.9) for i, (n, duration) in enumerate(ns)])

moves = st.one_of(
    st.tuples(st.just("locate"), st.integers(-10, 80).map(lambda n: n / 20)),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("play"), st.none()),
    st.tuples(st.just("tempo"), tempi),
    st.tuples(st.just("correct"), st.sampled_from([-0.008, -0.003, 0.004, 0.009])),
    st.tuples(
        st.just("loop"),
        st.none() | st.tuples(st.integers(0, 8), st.integers(2, 10)).map(lambda t: (t[0] / 4, t[1] / 2)),
    ),
)
histories = st.lists(st.tuples(moves, st.sampled_from([0.05, 0.13, 0.4, 1.1])), min_size=1, max_size=10)


@dataclass
class Segment:
    """A stretch of host time in which clip time runs by one clock."""

    begin: float
    end: float
    clock: ClipClock


@dataclass
class Run:
    """The playhead going over the clip without a jump; corrections and changes of tempo do not end it."""

    segments: list[Segment] = field(default_factory=list)

    @property
    def begin(self):
        return self.segments[0].begin

    @property
    def end(self):
        return self.segments[-1].end

    def crossing(self, clip):
        """When clip second `clip` is reached; before the run's begin -inf, never inf."""
        if clip < self.segments[0].clock.clip_at(self.begin):
            return -inf
        for segment in self.segments:
            at = segment.clock.host_at(clip)
            if at < segment.end:
                return max(at, segment.begin)
        return inf

    def unsettled(self, at):
        """Whether something due then may have been handed on before the clock changed."""
        return any(s.begin - EDGE <= at <= s.begin + 2 * HANDED_ON + 0.02 for s in self.segments[1:])


def follow(runs, part, transport, until, *, rolled):
    """Add what a transport brings up to a time."""
    for index, span in enumerate(transport.spans(transport.host, until)):
        clock = locked(part, transport.tempo, span.host, span.seconds)
        segment = Segment(span.host, span.host + span.length, clock)
        goes_on = False
        if index == 0 and rolled:
            jump = abs(clock.host_at(runs[-1].segments[-1].clock.clip_at(span.host)) - span.host)
            assume(not 0.8 * SEEK < jump < 1.2 * SEEK)
            goes_on = jump <= SEEK
        if goes_on:
            runs[-1].segments.append(segment)
        else:
            runs.append(Run([segment]))


def expected(runs, note, chase):
    """(on, time, exact) of every message of a note; None where a rounding decides."""
    messages = []
    for run in runs:
        on = run.crossing(note.onset)
        off = min(run.crossing(min(note.onset + note.duration, LENGTH)), run.end)
        if abs(on - run.begin) < EDGE or abs(on - run.end) < EDGE:
            return None
        if on == -inf and chase:
            left = off - run.begin
            if abs(left - CLICK) < EDGE:
                return None
            on = run.begin if left > CLICK else inf
        if -inf < on < run.end:
            late = min(max(on, off), run.end)
            messages += [(True, on, not run.unsettled(on)), (False, late, not run.unsettled(off))]
    return messages


@settings(deadline=None, max_examples=examples(250))
@given(
    clips,
    histories,
    own_tempi,
    st.sampled_from(Follow),
    st.sampled_from([{"at": 0.0}, {"at": 1.0}, {"at_s": 0.5}]),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.booleans(),
)
def test_every_note_sounds_where_the_transport_passes_it_and_nowhere_else(  # noqa: PLR0917
    notes, history, own, follows, at, rate, chase
):
    part = Part(
        VOCALS, LENGTH, 0.5, Sync.TRANSPORT, follows, rate=rate, tempo=own, overrides={"chase": int(chase)}, **at
    )
    rig = Rig()
    rig.load(part)
    rig.update(VOCALS, notes, (), known(LENGTH), complete=True)
    transport = Transport(START, 0.0, False)
    runs: list[Run] = []
    for (move, value), pause in history:
        here = transport.position(rig.now)
        playing, tempo, loop = transport.playing, transport.tempo, transport.loop
        seconds, rolled = here, playing
        match move:
            case "locate":
                seconds = value
                playing = True
            case "stop" | "play":
                playing = move == "play"
            case "tempo":
                seconds, tempo = value.seconds_at(tempo.beats_at(here)), value
            case "correct":
                seconds = here + value
            case "loop":
                loop = value and Loop(value[0], sum(value))
        transport = Transport(rig.now, seconds, playing, tempo, loop)
        until = rig.now + pause
        # Beside the loop's end a correction may mean either side of it: other tests look there.
        if (wrap := transport.wrap_after(until - BESIDE)) is not None and wrap < until + BESIDE:
            until = wrap + BESIDE
        rig.set_transport(transport)
        follow(runs, part, transport, until, rolled=rolled)
        rig.run(until - rig.now)
    rig.clear()
    rig.run(0.01)
    for note in notes:
        told = expected(runs, note, chase)
        if told is None:
            continue
        played = [(o.on, o.due) for o in rig.notes if o.data[1] == note.pitch]
        assert [on for on, _ in played] == [on for on, _, _ in told], (note, played, told)
        for (_, due), (_, time, exact) in zip(played, told, strict=True):
            assert due == pytest.approx(time, abs=1.2e-3 if exact else 2 * HANDED_ON + 0.02)
    assert rig.sequencer.dropped_late == rig.emitter.dropped_late == 0
    assert not rig.sounding()
    assert rig.emitter._notes == {}

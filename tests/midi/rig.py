"""The sequencer and the emitter driven by a clock that a test turns by hand; nothing here sends anything."""

from dataclasses import dataclass, replace

from bridge.midi.emitter import Emitter
from bridge.midi.messages import Emission, NoteOn, Silence
from bridge.midi.sequencer import Sequencer
from bridge.music.notes import Extent, Note
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap, Transport
from bridge.session.playback import Part, PartBehind, PartPlayed

START = 1000.0
TICK = 0.005
LOOKAHEAD = 0.020
TOLERANCE = 0.050

CENTRE = 8192
"""The pitch bend that bends nothing."""

TEMPO_60 = TempoMap.constant(60)


def note(onset, pitch=60, duration=0.1, confidence=0.9, velocity=80):
    return Note(onset, duration, pitch, velocity, confidence)


def known(until):
    """A clip analysed from its start on."""
    return (Extent(0.0, until),)


@dataclass(frozen=True)
class Out:
    """One message, with the time at which the emitter gave it."""

    at: float
    emission: Emission

    @property
    def due(self):
        return self.emission.due

    @property
    def data(self):
        return self.emission.data

    @property
    def on(self):
        return self.emission.on

    @property
    def place(self):
        return (self.data[0] & 15) + 1, self.data[1]


class Rig:
    """Plays as the player process does: look ahead every tick, hand on, emit what is due."""

    def __init__(self, transport: Transport | None = None) -> None:
        self.now = START
        self.sequencer = Sequencer(TOLERANCE, transport or Transport(START, 0.0, False))
        self.emitter = Emitter(TOLERANCE)
        self.out: list[Out] = []
        self.events: list[PartPlayed | PartBehind] = []
        self.struck: list[NoteOn] = []

    def __getattr__(self, name):
        """A sequencer's method, at the present time where it asks for one."""
        method = getattr(self.sequencer, name)

        def call(*args, **keywords):
            if name in ("load", "set_transport"):
                keywords["now"] = self.now
            method(*args, **keywords)
            self._hand_on()

        return call

    def launch(self, *parts):
        self.sequencer.launch(parts, self.now)
        self._hand_on()

    def transport(self, seconds, playing=True, **keywords):
        self.sequencer.set_transport(Transport(self.now, seconds, playing, **keywords), self.now)
        self._hand_on()

    def run(self, seconds, tick=TICK):
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self.sequencer.advance(self.now, self.now + max(LOOKAHEAD, self.sequencer.lead + 2 * tick))
            self._hand_on()
            self._emit()
            self.now = min(self.now + tick, end)
        self._emit()
        return self

    def silence(self):
        """What the end of the pipe does."""
        self.emitter.accept(Silence((64, 123), every_channel=False))
        self._emit()

    def _emit(self):
        self.out += [Out(self.now, e) for e in self.emitter.take(self.now, self.now)]

    def _hand_on(self):
        commands, events = self.sequencer.take()
        for command in commands:
            if isinstance(command, NoteOn):
                self.struck.append(command)
            self.emitter.accept(command)
        self.events += events

    @property
    def notes(self):
        return [o for o in self.out if o.emission.note is not None]

    @property
    def ons(self):
        return [o for o in self.out if o.on]

    @property
    def offs(self):
        return [o for o in self.notes if not o.on]

    def times(self, since=START):
        """When notes were due, from the rig's start on, with their pitch."""
        return [(round(o.due - since, 6), o.data[1]) for o in self.ons]

    def sounding(self):
        sounding = set()
        for o in self.notes:
            (sounding.add if o.on else sounding.discard)(o.place)
        return sounding


VOCALS = ("job", Stem.VOCALS)
DRUMS = ("job", Stem.DRUMS)
OTHER_JOB = ("other", Stem.VOCALS)


def loaded(notes, part_id=VOCALS, length=10.0, complete=True, rig=None, **part):
    """A part with these notes: all of them, or those of an analysis that goes on."""
    rig = rig or Rig()
    rig.load(Part(part_id, length, 0.5, **part))
    until = length if complete else max((n.onset for n in notes), default=0.0) + 1e-3
    rig.update(part_id, notes, (), known(until), complete=complete)
    return rig


def played(rig):
    """On and off of each note, in the order in which they left, seconds after the start."""
    return [(round(o.due - START, 6), o.data[1], o.on) for o in rig.notes]


def bent(onset, pitch, duration, *points):
    return replace(note(onset, pitch, duration), bend=points)


def spoken(outs, since=START):
    """Messages in words."""
    said = []
    for out in outs:
        data = getattr(out, "data", out)
        kind, channel = data[0] & 0xF0, (data[0] & 15) + 1
        at = round(out.due - since, 6) if hasattr(out, "due") else None
        match kind:
            case 0x90:
                said.append((at, channel, "on", data[1]))
            case 0x80:
                said.append((at, channel, "off", data[1]))
            case 0xE0:
                said.append((at, channel, "bend", (data[1] | data[2] << 7) - CENTRE))
            case 0xB0:
                said.append((at, channel, data[1], data[2]))
            case 0xC0:
                said.append((at, channel, "program", data[1]))
    return said


def registered(at, channel, parameter, value):
    """A registered parameter, set and closed."""
    pairs = ((101, 0), (100, parameter), (6, value), (38, 0), (101, 127), (100, 127))
    return [(at, channel, controller, number) for controller, number in pairs]


def bends(rig):
    return [(at, channel, value) for at, channel, what, value in spoken(rig.out) if what == "bend"]

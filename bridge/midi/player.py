"""The player process: commands from the daemon in, messages to the port out, reports back, among them what comes in at its input.

It does nothing else, so that a busy daemon or a loaded model cannot make a note late; and when the daemon is gone, however it
went, its end of the pipe closes and every note is released.
"""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

from bridge.midi.messages import PANIC, RELEASE, ClearClock, ClockMessage, NoteOn, Order, Silence
from bridge.midi.options import PlayerOptions
from bridge.midi.port_input import InputReports
from bridge.midi.port_input_keeper import InputKeeper
from bridge.midi.port_keeper import PortKeeper
from bridge.midi.sequencer import Sequencer
from bridge.midi.statistics import SendStatistics
from bridge.midi.wire import CLOSE, REPORT_STATISTICS, PlayerReady, Report
from bridge.music.tempo import Transport
from bridge.session.playback import MidiReceived, NotesSent, Part, PlayerStatistics
from bridge.units import HostTime, Seconds

_OFFSET = "offset_ms"
TICK = 0.005
"""Seconds between looks at what comes due while something plays."""
_IDLE_TICK = 0.05
_REPORT_EVERY = 0.02
_STATISTICS_EVERY = 1.0
_LAST_WORDS = Seconds(0.25)
"""How long the port may take to accept the last note-offs."""
_COMMANDS_A_TICK = 64
"""After so many the notes have their turn, however fast commands come."""
_BACKLOG = 2000
"""Reports that may wait for a daemon that does not read; of further ones only those that change something are kept."""
_SWITCH_INTERVAL = 2e-4
"""Seconds after which a thread must let another run: at Python's 5 ms a JACK callback misses whole cycles."""
_PRIORITY = 10
"""Among real-time priorities a modest one, below those that audio systems give their own threads."""


def main(options: PlayerOptions, commands: Connection, reports: Connection) -> None:
    """Run until the daemon says close or is gone; the target of the process."""
    # What is typed at the daemon, or a terminal that closes, reaches the whole process group. The daemon decides what it means; if it
    # dies of it, the end of the pipe says so, and the notes are released.
    for name in ("SIGINT", "SIGHUP", "SIGQUIT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    realtime = options.realtime and _become_realtime()
    gc.collect()
    gc.freeze()
    gc.disable()
    _Playback(options, commands, _Reports(reports), realtime=realtime).run()


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _become_realtime() -> bool:
    """Ask for first-in-first-out scheduling, for this thread and those to come; false where it is not granted."""
    if sys.platform != "linux":
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError:
        return False
    return True


class _Reports:
    """Sends reports from a thread of its own, so that a daemon that does not read cannot hold up the notes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[Report | None] = SimpleQueue()
        self._thread = Thread(target=self._write, name="reports", daemon=True)
        self._thread.start()

    def say(self, report: Report) -> None:
        if self._queue.qsize() < _BACKLOG or not isinstance(report, NotesSent | PlayerStatistics | MidiReceived):
            self._queue.put(report)

    def close(self, timeout: Seconds) -> None:
        self._queue.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (report := self._queue.get()) is not None:
                self._connection.send(report)


class _Playback:
    """The main loop and what it owns: the sequencer, the port and the counts."""

    def __init__(self, options: PlayerOptions, commands: Connection, reports: _Reports, *, realtime: bool) -> None:
        now = _now()
        self._lookahead = options.lookahead_ms / 1000.0
        self._offset_ms = options.offset_ms
        self._connection = commands
        self._reports = reports
        self._realtime = realtime
        tolerance = Seconds(options.late_tolerance_ms / 1000.0)
        self._sequencer = Sequencer(tolerance, Transport(now, Seconds(0.0), playing=False))
        self._sequencer.set_parameter(_OFFSET, self._offset_ms)
        self._keeper = PortKeeper(options, reports.say)
        self._input_reports = InputReports(reports.say)
        self._input = InputKeeper(options, self._input_reports.take, reports.say)
        self._statistics = SendStatistics()
        self._dropped_port = 0
        self._notes_at = self._statistics_at = 0.0
        sequencer = self._sequencer
        self._commands: dict[str, Callable[..., None]] = {
            "load": lambda part: sequencer.load(self._own_offset(part), _now()),
            "update": sequencer.update,
            "launch": lambda parts: sequencer.launch(parts, self._soonest()),
            "unload": sequencer.unload,
            "override": lambda part, name, value: sequencer.override(part, name, self._offset(name, value)),
            "set_parameter": lambda name, value: sequencer.set_parameter(name, self._offset(name, value)),
            "set_key": sequencer.set_key,
            "set_transport": lambda transport: sequencer.set_transport(transport, _now()),
            "send_clock": lambda messages: self._post(ClockMessage(*message) for message in messages),
            "clear_clock": lambda: self._post([ClearClock()]),
            "panic": self._panic,
            REPORT_STATISTICS: self._report_statistics,
        }

    def run(self) -> None:
        """Play until the end of the pipe, then leave nothing sounding."""
        try:
            self._reports.say(PlayerReady(self._realtime))
            while self._obey():
                if self._keeper.tend(idle=self._sequencer.idle):
                    self._report_notes()
                    self._statistics.sounding = 0
                self._input.tend(None if self._keeper.port is None else self._keeper.port.backend)
                self._advance()
                self._report()
        finally:
            self._leave()

    def _obey(self) -> bool:
        """Wait for commands until the next tick, and do those that are there; false at the end of the pipe."""
        wait = _IDLE_TICK if self._sequencer.idle else TICK
        try:
            for _ in range(_COMMANDS_A_TICK):
                if not self._connection.poll(wait):
                    break
                name, args, keywords = self._connection.recv()
                if name == CLOSE:
                    return False
                self._commands[name](*args, **keywords)
                # What a command releases leaves at once, however many commands follow.
                self._hand_on()
                wait = 0.0
        except (EOFError, OSError):
            return False
        return True

    def _advance(self) -> None:
        now = _now()
        ahead = max(self._lookahead, self._lead() + 2 * TICK)
        self._sequencer.lead = Seconds(self._lead())
        self._sequencer.advance(now, HostTime(now + ahead))
        self._hand_on()

    def _hand_on(self) -> None:
        commands, events = self._sequencer.take()
        self._post(commands)
        if self._keeper.port is None:
            self._dropped_port += sum(isinstance(command, NoteOn) for command in commands)
        if events:
            self._report_notes()
        for event in events:
            self._reports.say(event)

    def _post(self, orders: Iterable[Order]) -> None:
        if self._keeper.port is not None:
            self._keeper.port.post(orders)

    def _offset(self, name: str, value: float) -> float:
        """A live parameter as the notes must have it: the port's own offset comes on top."""
        return value + self._offset_ms if name == _OFFSET else value

    def _own_offset(self, part: Part) -> Part:
        own = {name: self._offset(name, value) for name, value in part.overrides.items()}
        return replace(part, overrides=own)

    def _soonest(self) -> HostTime:
        """When a part can start whose first note must leave as much earlier as the port's offset says."""
        return HostTime(_now() + self._lead() + max(0.0, -self._offset_ms / 1000.0))

    def _lead(self) -> float:
        """How far ahead the port must be told; without one, nothing waits for it."""
        return 0.0 if self._keeper.port is None else self._keeper.port.lead

    def _panic(self) -> None:
        self._sequencer.clear()
        self._hand_on()
        self._post([Silence(PANIC, every_channel=True)])

    def _leave(self) -> None:
        port = self._keeper.port
        if port is not None:
            port.post([ClearClock(), Silence(RELEASE, every_channel=False)])
            port.drain(_LAST_WORDS)
            self._report_notes()
            self._keeper.close(_LAST_WORDS)
        self._input.close(_LAST_WORDS)
        self._input_reports.close(_LAST_WORDS)
        self._reports.close(_LAST_WORDS)

    def _report(self) -> None:
        now = perf_counter()
        if now - self._notes_at >= _REPORT_EVERY:
            self._notes_at = now
            self._report_notes()
        if now - self._statistics_at >= _STATISTICS_EVERY and not self._sequencer.idle:
            self._statistics_at = now
            self._report_statistics()

    def _report_notes(self) -> None:
        notes = self._statistics.add(self._keeper.sent())
        if notes:
            self._reports.say(NotesSent(notes))

    def _report_statistics(self) -> None:
        self._report_notes()
        self._reports.say(
            PlayerStatistics(
                self._statistics.sent,
                self._statistics.sounding,
                self._sequencer.dropped_late + self._keeper.dropped_late,
                self._sequencer.dropped_range,
                self._sequencer.clamped,
                self._dropped_port,
                self._keeper.dropped_clock,
                self._keeper.xruns,
                *self._statistics.lateness(),
            )
        )


def _now() -> HostTime:
    return HostTime(perf_counter())

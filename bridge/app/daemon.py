"""The daemon: the one place that constructs the rooms and carries what one says to the others."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TypeVar

from bridge.app import worker
from bridge.app.admission import Admission, Refuse
from bridge.app.audience import OscAudience
from bridge.app.options import initial_parameters, player_options
from bridge.app.selection_desk import SelectionDesk
from bridge.app.settings import Settings
from bridge.app.status import Counters, StatusDesk
from bridge.app.transport_desk import TransportDesk
from bridge.app.trigger_desk import TriggerDesk
from bridge.app.watch_desk import WatchDesk
from bridge.inference.process import InferenceProcess, Patience
from bridge.midi.client import PlayerProcess
from bridge.music.tempo import Transport
from bridge.osc import encode
from bridge.osc.bystanders import Bystanders
from bridge.osc.codec import OscMessage
from bridge.osc.rows import Topic
from bridge.osc.server import OscServer, Reporter, ServerOptions
from bridge.session import commands
from bridge.session.book import JobBook
from bridge.session.commands import Command
from bridge.session.job import Audience
from bridge.session.live import LiveParameters
from bridge.session.plan import Surroundings
from bridge.session.playback import (
    InputChanged,
    MidiReceived,
    NotesSent,
    PartBehind,
    PartPlayed,
    PlayerEvent,
    PlayerLost,
    PlayerStatistics,
    PortChanged,
)
from bridge.session.request import JobRequest
from bridge.units import HostTime, JobId, Seconds

log = logging.getLogger("bridge")

Port = TypeVar("Port", PortChanged, InputChanged)


def run_daemon(settings: Settings) -> int:
    """Run until Ctrl-C, SIGTERM or the terminal's end; raises BridgeError where it cannot listen."""
    with osc_runner() as runner:
        runner.run(Daemon(settings).run())
    return 0


def osc_runner() -> asyncio.Runner:
    """A runner whose loop serves our sockets; Windows' default one does not."""
    return asyncio.Runner(loop_factory=asyncio.SelectorEventLoop if sys.platform == "win32" else None)


def _now() -> HostTime:
    return HostTime(time.perf_counter())


class Daemon:
    """All rooms, alive; fulfils `bridge.osc.server.Handler`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._version = version("stembridge")
        osc = settings.osc
        self._server = OscServer(ServerOptions(osc.host, osc.port, tuple(osc.announce)), self)
        self._player = PlayerProcess(player_options(settings), self._hear)
        self._engine = InferenceProcess(
            worker.main, lambda: (settings, self._threads()), Patience(step=Seconds(settings.inference.stall_s))
        )
        self._project = TransportDesk(settings, self._server, self._player, _now, self._retime)
        self._live = LiveParameters(self._player, initial_parameters(settings))
        self._book = JobBook(
            self._engine,
            self._player,
            Surroundings(
                folder=settings.output_folder,
                now=_now,
                project_bpm=lambda: self._project.bpm,
                channels=self._live.channels,
                threshold=lambda: self._live.threshold,
                hold_ms=lambda: self._live.get("hold_ms"),
                snapping=lambda: bool(self._live.get("snap")),
                transport=lambda: self._project.transport,
            ),
        )
        self._admission = Admission(self._book)
        self._selection = SelectionDesk(self._server, self._start)
        self._triggers = TriggerDesk(
            settings.midi_triggers,
            words=settings.triggers.sysex,
            obey=Bystanders(self._server, self).obey,
            present=self._live.get,
        )
        self._status = StatusDesk(self._player.report_statistics, self._processes, self._edges)

        self._watch = WatchDesk(settings.watch, self._server, self._admit, self._book.stop)

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM, then release every note and leave."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            with contextlib.suppress(NotImplementedError, AttributeError):  # Windows: Ctrl-C cancels this task instead.
                loop.add_signal_handler(getattr(signal, name), stop.set)
        await self._server.start()
        try:
            self._project.start()
            await self._player.start()
            self._engine.set_transport(self._project.transport)
            self._engine.start()
            self._server.broadcast(encode.hello(self._version))
            log.info("StemBridge %s is ready; files go to %s", self._version, self._settings.output_folder)
            async with asyncio.TaskGroup() as tasks:
                serving = [
                    tasks.create_task(self._book.run(), name="jobs"),
                    tasks.create_task(self._project.run(), name="project"),
                    tasks.create_task(self._watch.run(), name="watched folder"),
                ]
                await stop.wait()
                for task in serving:
                    task.cancel()
        finally:
            self._book.end(None, "stopped")
            self._project.leave()
            self._server.close()
            await self._player.close()
            await self._engine.close()

    def _threads(self) -> int:
        """For separation: all cores, or all but one where the player must share them without priority."""
        cores = os.cpu_count() or 1
        return self._settings.inference.threads or (cores if self._player.realtime else max(1, cores - 1))

    # Commands

    def handle(self, command: Command, client: Reporter) -> None:
        """Carry out a command; what cannot be done raises BridgeError."""
        match command:
            case commands.StartJob(request):
                self._start(request, client, "/bridge/job/start")
            case commands.Select(request):
                self._selection.select(request, client)
            case commands.PlaySelection(stems):
                self._selection.play(stems, client)
            case commands.CancelJob(job):
                self._admission.end(job, self._book.cancel)
            case commands.UnloadJob(job):
                self._admission.end(job, self._book.unload)
            case commands.AskJobs(job):
                refuse = partial(client.refuse, job or "", "/bridge/job/status")
                self._admission.about(job, partial(self._tell_states, job, client), refuse)
            case commands.SetParameter():
                refuse = partial(client.refuse, command.job or "", f"/bridge/param/{command.name}")
                self._admission.about(command.job, partial(self._set_parameter, command, client), refuse)
            case commands.AskParameter(name):
                client.send(encode.parameter(name, self._live.get(name)).message)
            case commands.AskVersion():
                client.send(encode.version(self._version))
            case commands.AskStatus():
                self._status.ask(client)
            case commands.Panic():
                self._player.panic()
                self._admission.end(None, lambda job: self._book.end(job, "panic"))
                client.send(encode.panic().message)
                self._server.publish(*encode.panic())
            case (
                commands.ChooseClock() | commands.ObserveClock() | commands.SendClock() | commands.UseTempoMap()
            ) as about_clock:
                self._project.carry_out(about_clock, client)
            case _:
                if isinstance(command, commands.StopTransport):
                    self._admission.end(None, self._book.stop)
                self._project.move(command, client)

    def hear(self, message: OscMessage) -> bool:
        """Take in what a DAW says of its own."""
        return self._project.hear(message)

    def snapshot(self, topic: Topic) -> Sequence[OscMessage]:
        """Tell a new subscriber how things stand."""
        match topic:
            case Topic.JOB:
                return [encode.job_state(*state) for state in self._book.states(None)]
            case Topic.TRANSPORT:
                return self._project.snapshot()
            case Topic.PARAM:
                return [encode.parameter(name, value).message for name, value in self._live]
            case Topic.SELECTION:
                return self._selection.snapshot()
            case Topic.MIDI:
                ports = (self._status.port, self._status.input)
                return [encode.port(port).message for port in ports if port is not None]
            case _:
                return []

    def _start(self, request: JobRequest, client: Reporter, address: str) -> None:
        """Accept a job, or refuse it, now with BridgeError or later in answer to an address."""
        self._admit(request, OscAudience(self._server, client), partial(client.refuse, request.id, address))

    def _admit(self, request: JobRequest, audience: Audience, refuse: Refuse) -> None:
        self._project.check(request)
        self._admission.start(request, audience, refuse)

    def _retime(self, transport: Transport) -> None:
        """The notes follow the project at once, the analysis from its next segment on."""
        self._player.set_transport(transport)
        self._engine.set_transport(transport)

    def _tell_states(self, job: JobId | None, client: Reporter) -> None:
        for state in self._book.states(job):
            client.send(encode.job_state(*state))

    def _set_parameter(self, command: commands.SetParameter, client: Reporter) -> None:
        if command.job is None:
            self._live.set(command.name, command.value)
        else:
            self._book.override(command.job, command.name, command.value)
        said = encode.parameter(command.name, command.value, command.job)
        client.send(said.message)
        self._server.publish(*said)

    def _processes(self) -> Counters:
        return {
            "version": self._version,
            "player_pid": self._player.pid or 0,
            "inference_pid": self._engine.pid or 0,
            "jobs_running": self._book.running,
            "jobs_waiting": self._book.waiting,
            **self._project.status(),
        }

    def _edges(self) -> Counters:
        return {**self._server.counters()}

    # News

    def _hear(self, event: PlayerEvent) -> None:
        """Take in what the player says."""
        match event:
            case NotesSent(notes):
                for note in notes:
                    self._server.publish(*encode.note(note))
            case PartPlayed():
                self._book.played(event)
            case PartBehind():
                self._book.behind(event)
            case PortChanged():
                log.log(logging.INFO if event.available else logging.WARNING, "MIDI: %s", event.message)
                self._status.port = event
                self._server.publish(*encode.port(event))
                if event.available:
                    self._project.port_opened()
            case InputChanged():
                log.log(logging.INFO if event.available else logging.WARNING, "MIDI in: %s", event.message)
                self._status.input = event
                self._server.publish(*encode.port(event))
            case MidiReceived():
                self._project.take_midi(event)
                self._triggers.take_midi(event)
            case PlayerStatistics():
                self._status.take(event)
            case PlayerLost(message):
                log.error("%s", message)
                self._status.take(None)
                self._status.port = self._lost(self._status.port, message)
                self._status.input = self._lost(self._status.input, message)
                self._book.player_lost(message)
                # What the old process left sounding on a port that outlives it, the new one silences.
                self._player.panic()

    def _lost(self, port: Port | None, message: str) -> Port | None:
        """Say that a port is gone."""
        if port is None:
            return None
        lost = replace(port, available=False, message=message)
        self._server.publish(*encode.port(lost))
        return lost

"""The daemon: the one place that constructs the rooms and carries what one says to the others."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

from bridge.app import worker
from bridge.app.admission import Admission
from bridge.app.settings import Settings
from bridge.clock.internal import InternalClock
from bridge.inference.process import InferenceProcess, Patience
from bridge.midi.client import PlayerProcess
from bridge.midi.options import PlayerOptions
from bridge.music.tempo import Transport
from bridge.osc import encode
from bridge.osc.codec import OscMessage
from bridge.osc.rows import Topic
from bridge.osc.server import OscServer, Reporter, ServerOptions
from bridge.session import commands
from bridge.session.book import JobBook
from bridge.session.commands import Command, TransportCommand
from bridge.session.events import JobEvent
from bridge.session.live import LiveParameters
from bridge.session.plan import Surroundings
from bridge.session.playback import (
    NotesSent,
    PartBehind,
    PartPlayed,
    PlayerEvent,
    PlayerLost,
    PlayerStatistics,
    PortChanged,
)
from bridge.units import Bpm, HostTime, JobId, Seconds

log = logging.getLogger("bridge")

TRANSPORT_INTERVAL = 1 / 30
"""Seconds between the positions that subscribers of a rolling transport hear."""

STATUS_PATIENCE = 0.2
"""Seconds that the player may take to say how it is."""


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
        self._clock = InternalClock(Bpm(settings.transport.bpm), _now, self._retime)
        self._live = LiveParameters(self._player, _initial_parameters(settings))
        self._book = JobBook(
            self._engine,
            self._player,
            Surroundings(
                folder=settings.output_folder,
                now=_now,
                project_bpm=lambda: self._clock.bpm,
                channels=self._live.channels,
                threshold=lambda: self._live.threshold,
                hold_ms=lambda: self._live.get("hold_ms"),
                snapping=lambda: bool(self._live.get("snap")),
                transport=lambda: self._clock.transport,
            ),
        )
        self._admission = Admission(self._book)
        self._port: PortChanged | None = None
        self._statistics: PlayerStatistics | None = None
        self._asking: list[Reporter] = []
        """Who waits for `/bridge/status`."""

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM, then release every note and leave."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            with contextlib.suppress(NotImplementedError, AttributeError):  # Windows: Ctrl-C cancels this task instead.
                loop.add_signal_handler(getattr(signal, name), stop.set)
        await self._server.start()
        try:
            await self._player.start()
            self._engine.set_transport(self._clock.transport)
            self._engine.start()
            self._server.broadcast(encode.hello(self._version))
            log.info("StemBridge %s is ready; files go to %s", self._version, self._settings.output_folder)
            async with asyncio.TaskGroup() as tasks:
                serving = [
                    tasks.create_task(self._book.run(), name="jobs"),
                    tasks.create_task(self._tell_position(), name="transport"),
                ]
                await stop.wait()
                for task in serving:
                    task.cancel()
        finally:
            self._book.end(None, "stopped")
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
                self._admission.start(
                    request,
                    _OscAudience(self._server, client),
                    partial(client.refuse, request.id, "/bridge/job/start"),
                )
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
                self._ask_status(client)
            case commands.Panic():
                self._player.panic()
                self._admission.end(None, lambda job: self._book.end(job, "panic"))
                self._server.publish(*encode.panic(), client)
            case _:
                self._move(command)
                self._server.publish(*encode.transport(self._clock.transport, _now()), client)

    def snapshot(self, topic: Topic) -> Sequence[OscMessage]:
        """Tell a new subscriber how things stand."""
        match topic:
            case Topic.JOB:
                return [encode.job_state(*state) for state in self._book.states(None)]
            case Topic.TRANSPORT:
                return [encode.transport(self._clock.transport, _now()).message]
            case Topic.PARAM:
                return [encode.parameter(name, value).message for name, value in self._live]
            case Topic.MIDI if self._port is not None:
                return [encode.port(self._port).message]
            case _:
                return []

    def _move(self, command: TransportCommand) -> None:
        match command:
            case commands.PlayTransport():
                self._clock.play()
            case commands.StopTransport():
                self._admission.end(None, self._book.stop)
                self._clock.stop()
            case commands.Locate(beats):
                self._clock.locate(beats)
            case commands.SetTempo(bpm):
                self._clock.set_tempo(bpm)
            case commands.SetLoop(start, end, on):
                self._clock.set_loop(start, end, on=on)

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

    def _ask_status(self, client: Reporter) -> None:
        """Answer with the player's own counts as they are now, or with its last ones if it does not answer."""
        if not self._asking:
            self._player.report_statistics()
            asyncio.get_running_loop().call_later(STATUS_PATIENCE, self._answer_status)
        self._asking.append(client)

    def _answer_status(self) -> None:
        asking, self._asking = self._asking, []
        for client in asking:
            client.send(encode.status(self._status()))

    def _status(self) -> dict[str, str | int | float]:
        """What `/bridge/status` tells, in its order."""
        port, played = self._port, self._statistics
        status: dict[str, str | int | float] = {
            "version": self._version,
            "midi": port.backend if port else "opening",
            "midi_port": port.name if port else "",
            "midi_available": int(port is not None and port.available),
            "player_pid": self._player.pid or 0,
            "inference_pid": self._engine.pid or 0,
            "jobs_running": self._book.running,
            "jobs_waiting": self._book.waiting,
        }
        if played is not None:
            status |= {
                "sent": played.sent,
                "sounding": played.sounding,
                "dropped_late": played.dropped_late,
                "dropped_range": played.dropped_range,
                "clamped_bends": played.clamped_bends,
                "dropped_port": played.dropped_port,
                "xruns": played.xruns,
                "lateness_median_ms": played.lateness_median * 1000,
                "lateness_p99_ms": played.lateness_p99 * 1000,
                "lateness_max_ms": played.lateness_max * 1000,
            }
        return status | self._server.counters()

    # News

    async def _tell_position(self) -> None:
        while True:
            await asyncio.sleep(TRANSPORT_INTERVAL)
            if self._clock.transport.playing:
                self._server.publish(*encode.transport(self._clock.transport, _now()))

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
                self._port = event
                self._server.publish(*encode.port(event))
            case PlayerStatistics():
                self._statistics = event
                self._answer_status()
            case PlayerLost(message):
                log.error("%s", message)
                self._statistics = None
                if self._port is not None:
                    lost = replace(self._port, available=False, message=message)
                    self._port = lost
                    self._server.publish(*encode.port(lost))
                self._book.player_lost(message)
                # What the old process left sounding on a port that outlives it, the new one silences.
                self._player.panic()


@dataclass(frozen=True, slots=True)
class _OscAudience:
    """One requester and the subscribers; fulfils `bridge.session.job.Audience`."""

    server: OscServer
    requester: Reporter

    def answer(self, event: JobEvent) -> None:
        self.requester.send(encode.job_event(event).message)

    def tell(self, event: JobEvent) -> None:
        self.server.publish(*encode.job_event(event), self.requester)


def player_options(settings: Settings) -> PlayerOptions:
    midi = settings.midi
    return PlayerOptions(
        backend=midi.backend,
        port=midi.port,
        jack_server=midi.jack_server or None,
        lookahead_ms=midi.lookahead_ms,
        late_tolerance_ms=midi.late_tolerance_ms,
        recording=settings.recording_path,
        realtime=midi.realtime,
    )


def _initial_parameters(settings: Settings) -> dict[str, float]:
    """The live parameters that the settings set."""
    initial: dict[str, float] = {f"channel/{stem}": number for stem, number in settings.stem_channels.items()}
    initial |= {name: value for name, value in settings.parameters if name != "threshold"}
    if settings.threshold is not None:
        initial["threshold"] = settings.threshold
    return initial

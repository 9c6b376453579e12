"""The inference process as the daemon sees it: started ahead, watched, cancelled, and started again when it dies.

The process itself is whatever `target` makes it: a function that answers `Work` from its pipe with job events and one ending.
Only values travel on the pipe; audio stays in the process that separates it.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from bridge.errors import BridgeError, ErrorCode
from bridge.music.tempo import Transport
from bridge.session.events import JobEvent, Progress, Stage
from bridge.session.work import JobCancelled, Work
from bridge.units import JobId, Seconds

log = logging.getLogger("bridge.inference")


LAST_STEP = 1.0
"""Seconds that an analysis may take to end itself when the daemon ends."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Daemon to worker: end the analysis with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Run:
    """Daemon to worker: analyse; the number tells this run from an earlier one with the same id."""

    number: int
    work: Work


@dataclass(frozen=True, slots=True)
class Moved:
    """Daemon to worker: where the project is from now on."""

    transport: Transport


@dataclass(frozen=True, slots=True)
class Loaded:
    """Worker to daemon: what can be loaded ahead is loaded."""


@dataclass(frozen=True, slots=True)
class Found:
    """Worker to daemon: something about the run."""

    number: int
    event: JobEvent


@dataclass(frozen=True, slots=True)
class Ended:
    """Worker to daemon: the run is over; the error is None where all went well."""

    number: int
    error: BridgeError | JobCancelled | None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the worker may be silent before it counts as hung."""

    step: Seconds = Seconds(300.0)
    """While separating, measuring or writing: the longest step is one 44 s segment through a bag of four on a slow machine."""
    load: Seconds = Seconds(900.0)
    """While loading: a first use downloads weights."""
    cancel: Seconds = Seconds(20.0)
    """After a cancel: the segment in hand is finished first."""


@dataclass(slots=True)
class _Run:
    number: int
    job: JobId
    emit: Callable[[JobEvent], None]
    ended: asyncio.Future[None]
    stage: Stage = Stage.LOADING
    cancelled: bool = False
    watchdog: asyncio.TimerHandle | None = None


class InferenceProcess:
    """Fulfils `bridge.session.ports.Engine`; all methods are called on the event loop."""

    def __init__(
        self,
        target: Callable[..., None],
        arguments: Callable[[], tuple[object, ...]] = tuple,
        patience: Patience = Patience(),
    ) -> None:
        """Know what to start: `target(pipe, *arguments())`, the arguments asked for at each start."""
        self._target = target
        self._arguments = arguments
        self._patience = patience
        self._process: SpawnProcess | None = None
        self._outbox: queue.SimpleQueue[Run | Cancel | Moved | None] = queue.SimpleQueue()
        self._run: _Run | None = None
        self._transport: Transport | None = None
        self._runs = 0
        self._heard = False
        self._closing = False

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, so that it is loaded when the first job comes."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self._target, args=(theirs, *self._arguments()), name="stembridge-inference")
        process.start()
        theirs.close()  # So that the pipe ends when the process does.
        self._outbox.put(None)  # What was meant for the last process, this one shall not get.
        self._process, self._outbox, self._heard = process, queue.SimpleQueue(), False
        if self._transport is not None:
            self._send(Moved(self._transport))
        loop = asyncio.get_running_loop()
        # A process that hangs does not read, and writing to it would hang whoever writes.
        threading.Thread(target=_write, args=(ours, self._outbox), name="inference-writer", daemon=True).start()
        threading.Thread(target=self._read, args=(ours, process, loop), name="inference-reader", daemon=True).start()

    async def run(self, work: Work, emit: Callable[[JobEvent], None]) -> None:
        """Run one analysis; see `Engine.run`."""
        if self._process is None:
            self.start()
        self._runs += 1
        run = _Run(self._runs, work.request.id, emit, asyncio.get_running_loop().create_future())
        self._run = run
        self._watch(run)
        try:
            self._send(Run(run.number, work))
            await run.ended
        finally:
            if run.watchdog:
                run.watchdog.cancel()
            self._run = None

    def cancel(self, job: JobId) -> None:
        """Ask the running analysis to end, if it is this job's."""
        run = self._run
        if run is not None and run.job == job and not run.cancelled:
            run.cancelled = True
            self._send(Cancel(run.number))
            self._watch(run)

    def set_transport(self, transport: Transport) -> None:
        """Tell the analysis, and those to come, where the project is."""
        self._transport = transport
        if self._process is not None:
            self._send(Moved(transport))

    async def close(self) -> None:
        """End the process; nothing it does is needed any more."""
        self._closing = True
        process, run = self._process, self._run
        if run is not None:
            # A moment to remove what is half written.
            self.cancel(run.job)
            await asyncio.wait([run.ended], timeout=LAST_STEP)
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.join, 5.0)
        self._outbox.put(None)

    def _send(self, message: Run | Cancel | Moved) -> None:
        self._outbox.put(message)

    def _read(self, pipe: Connection, process: SpawnProcess, loop: asyncio.AbstractEventLoop) -> None:
        """Bring what the worker says onto the event loop, until its pipe ends (own thread)."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = pipe.recv()
                loop.call_soon_threadsafe(self._hear, process, message)
        process.join()
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody is left to tell.
            loop.call_soon_threadsafe(self._died, process)

    def _hear(self, process: SpawnProcess, message: Loaded | Found | Ended) -> None:
        if process is not self._process:
            return
        self._heard = True
        if isinstance(message, Loaded):
            return
        run = self._run
        if run is None or message.number != run.number or run.ended.done():
            return
        match message:
            case Found(_, event):
                if isinstance(event, Progress):
                    run.stage = event.stage
                if not run.cancelled:
                    self._watch(run)
                    run.emit(event)
            case Ended(_, error):
                if run.cancelled:
                    error = JobCancelled()
                if error is None:
                    run.ended.set_result(None)
                else:
                    run.ended.set_exception(error)

    def _died(self, process: SpawnProcess) -> None:
        if process is not self._process:
            return
        self._process = None
        if self._closing:
            return
        log.warning("the inference process ended: %s", _how(process))
        run = self._run
        if run is not None and not run.ended.done():
            error = BridgeError(
                ErrorCode.WORKER_CRASHED, f"the inference process {_how(process)}; the next job runs in a new one"
            )
            run.ended.set_exception(JobCancelled() if run.cancelled else error)
        if self._heard:
            self.start()
        # One that never spoke would die again at once: the next job tries, and says so if it fails.

    def _watch(self, run: _Run) -> None:
        """Wind the watchdog up again: the worker has said something, or been told something."""
        if run.watchdog:
            run.watchdog.cancel()
        patience = self._patience
        seconds = patience.cancel if run.cancelled else patience.load if run.stage is Stage.LOADING else patience.step
        run.watchdog = asyncio.get_running_loop().call_later(seconds, self._stalled, run, seconds)

    def _stalled(self, run: _Run, seconds: Seconds) -> None:
        if run.ended.done():
            return
        log.warning("the inference process has been silent for %g s in %s; it is stopped", seconds, run.stage)
        message = f"the inference process said nothing for {seconds:g} s while {run.stage}; it was stopped"
        run.ended.set_exception(JobCancelled() if run.cancelled else BridgeError(ErrorCode.WORKER_STALLED, message))
        if self._process is not None:
            self._process.kill()
            self.start()


def _write(pipe: Connection, outbox: "queue.SimpleQueue[Run | Cancel | Moved | None]") -> None:
    """Send what is put into the outbox, until it holds None or nobody is there to read (own thread)."""
    with contextlib.suppress(OSError):  # A dead worker: the reader has seen it, or is about to.
        while (message := outbox.get()) is not None:
            pipe.send(message)


def _how(process: SpawnProcess) -> str:
    """Say how a process ended."""
    code = process.exitcode
    if code is None or code >= 0:
        return f"exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (a SIGKILL nobody sent is the system running out of memory)" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"

"""The player process as the daemon sees it: a `Player` whose calls only queue, and whose reports arrive on the event loop.

Two threads a process, one writing and one reading, for a pipe can be full and asyncio has no portable way to wait for one.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

from bridge.errors import BridgeError, ErrorCode
from bridge.midi import player
from bridge.midi.messages import of_system
from bridge.midi.options import PlayerOptions
from bridge.midi.voicing import OVERRIDES
from bridge.midi.wire import CLOSE, REPORT_STATISTICS, PlayerReady, Report, Request
from bridge.music.notes import Extent, Note, NoteKey
from bridge.music.tempo import Transport
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import Part, PartId, PlayerEvent, PlayerLost
from bridge.session.request import Follow
from bridge.units import HostTime

_START_TIMEOUT = 20.0
"""Seconds that a fresh process may take to import what it needs, on a machine that is busy."""
_CLOSE_TIMEOUT = 2.0
_LONGEST_CLOCK = 16
"""Bytes; a cycle of JACK's has no room for long ones, and the notes behind it would wait for ever."""
_RESTART_DELAYS = (0.1, 0.5, 2.0, 5.0)
"""Seconds before the first restart, the second, ... until the player has stayed up for the longest of them."""


class _Run:
    """One run of the player: the process, its pipes, and the queue of what it is to be told."""

    def __init__(self, options: PlayerOptions, on_report: Callable[[Report], None], on_end: Callable[[], None]) -> None:
        self.queue: SimpleQueue[Request | None] = SimpleQueue()
        self._options = options
        self._on_report = on_report
        self._on_end = on_end
        self.process: SpawnProcess | None = None

    def start(self) -> None:
        """Start the process; takes as long as the system needs, so not on the event loop."""
        context = get_context("spawn")
        their_commands, commands = context.Pipe(duplex=False)
        reports, their_reports = context.Pipe(duplex=False)
        self.process = context.Process(
            target=player.main,
            args=(self._options, their_commands, their_reports),
            name="stembridge-player",
            daemon=True,
        )
        self.process.start()
        # The player's ends must be open in the player alone, or neither side would see the other's end.
        their_commands.close()
        their_reports.close()
        Thread(target=self._write, args=(commands,), name="player-commands", daemon=True).start()
        Thread(target=self._read, args=(reports,), name="player-reports", daemon=True).start()

    def end(self) -> None:
        """Ask it to leave and wait; force it where it does not. Not on the event loop."""
        self.queue.put((CLOSE, (), {}))
        if self.process is None:
            return
        self.process.join(_CLOSE_TIMEOUT)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _write(self, connection: Connection) -> None:
        with connection:
            while (request := self.queue.get()) is not None:
                try:
                    connection.send(request)
                except OSError:
                    return

    def _read(self, connection: Connection) -> None:
        with connection:
            try:
                while True:
                    self._on_report(connection.recv())
            except (EOFError, OSError):
                pass
        self.queue.put(None)
        self._on_end()


class PlayerProcess:
    """Fulfils `bridge.session.playback.Player` with a process, and starts another one where it dies.

    Every call must come from the event loop's thread, and returns at once. What was set for all parts is told to a new process too;
    parts are not, for the session decides what becomes of them.

    Args:
        options: which port, and how.
        on_event: called on the event loop with every report, in order; `PlayerLost` when the process died.

    """

    def __init__(self, options: PlayerOptions, on_event: Callable[[PlayerEvent], None]) -> None:
        self._options = options
        self._on_event = on_event
        self._parameters: dict[str, float] = {}
        self._transport: Transport | None = None
        self._run: _Run | None = None
        self._restart: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._up = False
        self._up_since = 0.0
        self._failures = 0
        self._closing = False
        self.realtime = False
        """Whether the player runs at real-time priority."""

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._run is None or self._run.process is None else self._run.process.pid

    async def start(self) -> None:
        """Start the process and wait until it takes commands; raises BridgeError INTERNAL where it does not."""
        self._run = self._new_run()
        await asyncio.to_thread(self._run.start)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), _START_TIMEOUT)
        if not self._up:
            await self.close()
            message = (
                f"the player process ended at once or was not there after {_START_TIMEOUT} s; its error output says why"
            )
            raise BridgeError(ErrorCode.INTERNAL, message)

    async def close(self) -> None:
        """Let the player release its notes and leave."""
        self._closing = True
        if self._restart is not None:
            self._restart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restart
        if self._run is not None:
            await asyncio.to_thread(self._run.end)

    # Player

    def load(self, part: Part) -> None:
        if part.follow is Follow.TEMPO and part.tempo is None:
            raise BridgeError(ErrorCode.BAD_ARGUMENT, f"part {part.id} follows the tempo: it needs a tempo of its own")
        self._post("load", part)

    def update(
        self,
        part: PartId,
        notes: Sequence[Note],
        withdrawn: Sequence[NoteKey],
        known: Sequence[Extent],
        *,
        complete: bool,
    ) -> None:
        self._post("update", part, tuple(notes), tuple(withdrawn), tuple(known), complete=complete)

    def launch(self, parts: Sequence[PartId]) -> None:
        self._post("launch", tuple(parts))

    def unload(self, parts: Sequence[PartId]) -> None:
        self._post("unload", tuple(parts))

    def override(self, part: PartId, name: str, value: float) -> None:
        if name not in OVERRIDES:
            expected = ", ".join(sorted(OVERRIDES))
            raise BridgeError(ErrorCode.BAD_ARGUMENT, f"a part has no parameter {name!r} of its own, only: {expected}")
        self._post("override", part, name, value)

    def set_key(self, parts: Sequence[PartId], key: int) -> None:
        self._post("set_key", tuple(parts), key)

    def set_parameter(self, name: str, value: float) -> None:
        if name not in PARAMETERS:
            raise BridgeError(
                ErrorCode.BAD_ARGUMENT, f"no parameter is called {name!r}; there are: {', '.join(PARAMETERS)}"
            )
        self._parameters[name] = value
        self._post("set_parameter", name, value)

    def set_transport(self, transport: Transport) -> None:
        self._transport = transport
        self._post("set_transport", transport)

    def send_clock(self, messages: Sequence[tuple[HostTime, bytes]]) -> None:
        for _, data in messages:
            if not data or not of_system(data) or len(data) > _LONGEST_CLOCK:
                expected = f"expected a system message, 0xF0 to 0xFF, of at most {_LONGEST_CLOCK} bytes"
                raise BridgeError(
                    ErrorCode.BAD_ARGUMENT, f"{data.hex(' ') or 'nothing'} is no clock message: {expected}"
                )
        # Whatever the caller's tuples are: their classes are not the player's concern.
        self._post("send_clock", tuple((host, data) for host, data in messages))

    def clear_clock(self) -> None:
        self._post("clear_clock")

    def panic(self) -> None:
        self._post("panic")

    def report_statistics(self) -> None:
        """Ask for a `PlayerStatistics` now; while something plays one comes every second anyway."""
        self._post(REPORT_STATISTICS)

    # The process

    def _post(self, name: str, *args: object, **keywords: object) -> None:
        if self._run is not None:
            self._run.queue.put((name, args, keywords))

    def _new_run(self) -> _Run:
        loop = asyncio.get_running_loop()

        def on_loop(call: Callable[..., None], *args: object) -> None:
            # A loop that has ended has no use for reports.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(call, *args)

        run = _Run(self._options, lambda report: on_loop(self._receive, report), lambda: on_loop(self._ended, run))
        for name, value in self._parameters.items():
            run.queue.put(("set_parameter", (name, value), {}))
        if self._transport is not None:
            run.queue.put(("set_transport", (self._transport,), {}))
        return run

    def _receive(self, report: Report) -> None:
        if isinstance(report, PlayerReady):
            self.realtime = report.realtime
            self._up_since = perf_counter()
            self._up = True
            self._answered.set()
        else:
            self._on_event(report)

    def _ended(self, run: _Run) -> None:
        if self._closing or run is not self._run:
            return
        if not self._answered.is_set():
            # Never up at all: `start` says so to its caller, and trying again would give the same.
            self._answered.set()
            return
        # From here on calls go to the next process, also those that the report leads to.
        self._run = self._new_run()
        lasted = self._up and perf_counter() - self._up_since > _RESTART_DELAYS[-1]
        self._failures = 0 if lasted else self._failures + 1
        self._up = False
        self._on_event(PlayerLost("the player process ended; starting it again"))
        delay = _RESTART_DELAYS[min(self._failures, len(_RESTART_DELAYS) - 1)]
        self._restart = asyncio.create_task(self._start_again(self._run, delay))

    async def _start_again(self, run: _Run, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            await asyncio.to_thread(run.start)
        except OSError:
            self._ended(run)

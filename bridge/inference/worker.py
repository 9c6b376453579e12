"""What runs inside the inference process: one analysis after another, each cancellable between two steps."""

import contextlib
import gc
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.process import Cancel, Ended, Found, Loaded, Moved, Run
from bridge.music.tempo import PARKED, Transport
from bridge.session.events import JobEvent
from bridge.session.work import JobCancelled, Work

log = logging.getLogger("bridge.inference")

NICE = 10
"""Below the daemon and the DAW: what is late here delays a later note, what is late there is heard."""

Analyse = Callable[[Work, Callable[[JobEvent], None], Callable[[], bool], Callable[[], Transport]], None]
"""(work, what to tell, whether it is cancelled, where the project is)"""


class _Told:
    """What the daemon has said that concerns a running analysis; written by the listening thread."""

    def __init__(self) -> None:
        self.cancelled: set[int] = set()
        """Numbers of runs."""
        self.transport = PARKED


def serve(pipe: Connection, load: Callable[[], Analyse]) -> None:
    """Answer `Run` with the events of what `load` returns and one `Ended`; leave the process when the pipe ends.

    Loading takes seconds; jobs asked for meanwhile wait, and the end of the pipe is heeded even then.
    """
    for name in ("SIGINT", "SIGHUP", "SIGBREAK"):  # These are the daemon's; it ends this process in its own time.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICE)
    runs: queue.SimpleQueue[Run] = queue.SimpleQueue()
    told = _Told()
    threading.Thread(target=_listen, args=(pipe, runs, told), name="daemon-pipe", daemon=True).start()
    analyse = load()
    pipe.send(Loaded())
    while True:
        run = runs.get()
        error = _analyse(pipe, analyse, run, told)
        told.cancelled.discard(run.number)
        gc.collect()
        with contextlib.suppress(OSError):  # The daemon is gone: the listening thread ends the process.
            pipe.send(Ended(run.number, error))


def _listen(pipe: Connection, runs: "queue.SimpleQueue[Run]", told: _Told) -> None:
    """Take the daemon's messages while an analysis runs; without a daemon nothing here has a purpose."""
    try:
        while True:
            message = pipe.recv()
            match message:
                case Run():
                    runs.put(message)
                case Cancel(number):
                    told.cancelled.add(number)
                case Moved(transport):
                    told.transport = transport
    except (EOFError, OSError):
        os._exit(0)


def _analyse(pipe: Connection, analyse: Analyse, run: Run, told: _Told) -> BridgeError | JobCancelled | None:
    try:
        analyse(
            run.work,
            lambda event: pipe.send(Found(run.number, event)),
            lambda: run.number in told.cancelled,
            lambda: told.transport,
        )
    except (BridgeError, JobCancelled) as error:
        return error
    except MemoryError:
        return BridgeError(ErrorCode.OUT_OF_MEMORY, "not enough memory for this job; choose a smaller model or region")
    except OSError as error:
        log.exception("job %s", run.work.request.id)
        return BridgeError(ErrorCode.DISK, f"{error.strerror or error}: {error.filename or 'a file of this job'}")
    except Exception as error:
        log.exception("job %s", run.work.request.id)
        return BridgeError(ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")
    return None


def silence_standard_output() -> None:
    """Send what libraries print to standard error: standard output is the user's."""
    sys.stdout = sys.stderr

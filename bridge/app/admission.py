"""The door of the job book: a request's files are looked at before it is accepted, away from the event loop.

A disk that has gone to sleep, or a network drive that has gone away, then delays that one job and nothing else. What is asked
about the job meanwhile waits until it is accepted or refused, so that a quick cancel finds it.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from bridge.app.aside import PATIENCE, in_a_thread
from bridge.audio.clip import check_region
from bridge.audio.source import probe
from bridge.errors import BridgeError, ErrorCode
from bridge.session.book import JobBook
from bridge.session.job import Audience
from bridge.session.request import JobRequest
from bridge.units import JobId

log = logging.getLogger("bridge.jobs")

Refuse = Callable[[BridgeError], None]
"""Tells the one who asked why there will be no job."""

AT_A_TIME = 32
"""Requests whose files are being looked at; more is a flood or a dead disk."""


class _Deferred(NamedTuple):
    """What is to be done once a request is decided, and who hears if it cannot be."""

    action: Callable[[], None]
    refuse: Refuse


class Admission:
    """Admits requests to the book; all methods are called on the event loop."""

    def __init__(self, book: JobBook) -> None:
        self._book = book
        self._undecided: dict[JobId, list[_Deferred]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, request: JobRequest, audience: Audience, refuse: Refuse) -> None:
        """Accept a job once its files prove to be audio; a refusal goes to `refuse`.

        Raises:
            BridgeError: BUSY, or what the book says at once about an id that it knows.

        """
        if request.id in self._undecided:
            again = partial(self.start, request, audience, refuse)
            self._undecided[request.id].append(_Deferred(again, refuse))
            return
        if self._book.answers(request):
            self._book.start(request, audience)
            return
        if len(self._undecided) >= AT_A_TIME:
            raise BridgeError(ErrorCode.BUSY, f"the files of {AT_A_TIME} jobs are still being opened; try again soon")
        self._undecided[request.id] = []
        task = asyncio.create_task(self._decide(request, audience, refuse), name=f"admit {request.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def about(self, job: JobId | None, action: Callable[[], None], refuse: Refuse) -> None:
        """Do something to a job now, raising what it raises, or when the job is decided, with `refuse` for what it raises."""
        if job in self._undecided:
            self._undecided[job].append(_Deferred(action, refuse))
        else:
            action()

    def end(self, job: JobId | None, end: Callable[[JobId | None], None]) -> None:
        """End a job, or all, in the way that `end` does: now, or when it is decided; raises what `end` raises now."""
        if job is None:
            end(None)
        for each in self._undecided if job is None else [job]:
            self.about(each, partial(end, each), _nothing_to_end)

    async def _decide(self, request: JobRequest, audience: Audience, refuse: Refuse) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await in_a_thread(partial(_look_at, request))
            self._book.start(request, audience)
        except BridgeError as error:
            refuse(error)
        except TimeoutError:
            words = f"{request.path}: the disk did not open it within {PATIENCE:g} s"
            refuse(BridgeError(ErrorCode.BAD_AUDIO, words))
        except Exception:
            log.exception("looking at %s", request.path)
            refuse(BridgeError(ErrorCode.INTERNAL, "a fault in StemBridge; its log has the details"))
        finally:
            for deferred in self._undecided.pop(request.id):
                try:
                    deferred.action()
                except BridgeError as error:
                    deferred.refuse(error)


def _nothing_to_end(_: BridgeError) -> None:
    """The request was refused, and its requester was told: there is nothing left that could be said of ending it."""


def _look_at(request: JobRequest) -> None:
    """Check that a request's files are audio and hold its region; raises BridgeError."""
    facts = [probe(path) for path in (request.path, request.path2) if path is not None]
    check_region(facts, request.start, request.end)

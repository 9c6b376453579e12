"""The watched folder in the daemon: one job at a time for what is put there, its results next to it."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from bridge.app.admission import Refuse
from bridge.app.aside import PATIENCE, in_a_thread
from bridge.app.audience import OscAudience
from bridge.app.intake_settings import WatchSettings
from bridge.app.watch_files import WatchFiles
from bridge.app.watch_orders import ADDRESS, Asked, Order, OrderReader
from bridge.app.watch_scan import Stillness, scan
from bridge.errors import BridgeError, ErrorCode
from bridge.osc.server import OscServer
from bridge.session.events import Accepted, Cancelled, Done, Failed, JobEvent, Result
from bridge.session.job import Audience
from bridge.session.request import JobRequest
from bridge.session.selection import OwnIds
from bridge.units import JobId

log = logging.getLogger("bridge.watch")

UNOPENED = 5
"""So many times `settle_s` a file may lie there as it is and not open as audio, before that is told: a copy may have stalled."""
LEISURE = 4
"""So many times as long as a look took nothing is looked at, at least: a slow drive has other things to do."""

T = TypeVar("T")
Admit = Callable[[JobRequest, Audience, Refuse], None]
"""Accepts a job, or refuses it, now with BridgeError or later."""


class WatchDesk:
    """All calls belong to the event loop's thread; the disk is touched in threads of their own.

    Args:
        settings: the folder and what to do there.
        server: tells subscribers.
        admit: takes a job.
        silence: ends what an accepted job would play, and lets its analysis go on.

    """

    def __init__(
        self, settings: WatchSettings, server: OscServer, admit: Admit, silence: Callable[[JobId], None]
    ) -> None:
        self._settings = settings
        self._server = server
        self._admit = admit
        self._silence = silence
        self._folder = Path(settings.folder).expanduser().absolute()
        self._files = WatchFiles(self._folder)
        self._reader = OrderReader(self._folder, settings.stem)
        self._stillness = Stillness()
        self._ids = OwnIds("watch")
        self._lost = False
        """Whether the folder could not be read when it was last looked at."""

    async def run(self) -> None:
        """Do what is put into the folder, until cancelled; without a folder in the settings there is nothing to do."""
        if not self._settings.folder:
            return
        log.info("watching %s", self._folder)
        while True:
            began = time.monotonic()
            try:
                orders = await self._look()
                took = time.monotonic() - began
                if await self._do_first(orders):
                    continue
            except Exception:
                log.exception("watching %s", self._folder)
                took = time.monotonic() - began
            await asyncio.sleep(max(self._settings.poll_s, LEISURE * took))

    async def _look(self) -> list[Order]:
        """Return what is to be done, nothing while the folder is not there."""
        try:
            orders = await self._patiently(self._read_folder)
        except OSError as error:
            self._lose(f"{self._folder} cannot be read: {error.strerror or error}; it is looked for again and again")
            return []
        if self._lost:
            self._lost = False
            log.info("%s is there again", self._folder)
        return orders

    def _read_folder(self) -> list[Order]:
        seen = scan(self._folder)
        self._files.recall()
        still = self._stillness.look(seen, time.monotonic())
        orders = self._reader.orders(seen, still, self._settings.settle_s)
        return [order for order in orders if not self._files.is_done(order)]

    async def _do_first(self, orders: Sequence[Order]) -> bool:
        """Do the first thing that can be done now; return whether there was one, so that the folder has changed since."""
        for order in orders:
            asked = order.asked
            if isinstance(asked, BridgeError):
                self._refuse("", asked)
                await self._finish(order, partial(self._files.say, order, _in_words(asked)))
                return True
            try:
                ending = await self._work(order, asked)
            except BridgeError:
                # Too busy for the next one as well.
                return False
            if ending is not None:
                await self._finish(order, ending)
                return True
        return False

    async def _work(self, order: Order, asked: Asked) -> Callable[[], None] | None:
        """Let a job run; return what is to be left in the folder then, None where its file may not be whole yet.

        Raises:
            BridgeError: BUSY where there is no place for it now.

        """
        job = replace(asked.request, id=self._ids.next())
        try:
            requester = self._server.reporter(asked.reply_to)
        except BridgeError as error:
            self._refuse(job.id, error)
            return partial(self._files.say, order, _in_words(error))
        silence = None if asked.plays else partial(self._silence, job.id)
        listener = _Listener(OscAudience(self._server, requester), silence)
        try:
            self._admit(job, listener, listener.refuse)
        except BridgeError as error:
            listener.refuse(error)
        try:
            await listener.ended
        except BridgeError as error:
            if error.code is ErrorCode.BUSY:
                raise
            if not listener.accepted:
                if self._may_open_yet(order, error):
                    return None
                requester.refuse(job.id, ADDRESS, error)
            return partial(self._files.say, order, _in_words(error))
        return partial(self._files.deliver, order, listener.results)

    def _may_open_yet(self, order: Order, error: BridgeError) -> bool:
        """Whether a file that does not open may be one that is still being written."""
        unopened = error.code in (ErrorCode.BAD_AUDIO, ErrorCode.FILE_NOT_FOUND)
        return unopened and order.still < UNOPENED * self._settings.settle_s

    async def _finish(self, order: Order, leave: Callable[[], None]) -> None:
        """Leave results or an error, and never do this order again."""

        def finish() -> None:
            try:
                leave()
            except OSError:
                # Where the folder has gone it is done once more when that is back; else it would be done again for ever.
                if self._folder.is_dir():
                    self._files.remember(order)
                raise
            self._files.remember(order)

        try:
            await self._patiently(finish)
        except OSError as error:
            words = (
                f"{self._folder} cannot be written to: {error.strerror or error}; {order.name}'s results are not there"
            )
            self._refuse("", BridgeError(ErrorCode.DISK, words))

    async def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call that a dead drive may hold for ever, and say so once where it does."""
        calling = asyncio.ensure_future(in_a_thread(call))
        try:
            if not (await asyncio.wait({calling}, timeout=PATIENCE))[0]:
                self._lose(f"{self._folder} has not answered for {PATIENCE:g} s; it is waited for")
            return await calling
        finally:
            calling.cancel()

    def _lose(self, words: str) -> None:
        if not self._lost:
            self._lost = True
            self._refuse("", BridgeError(ErrorCode.DISK, words))

    def _refuse(self, job: str, error: BridgeError) -> None:
        """Tell those who listen to jobs, as nobody asked over OSC."""
        # A name that is no UTF-8 cannot be sent as it is.
        words = error.message.encode(errors="backslashreplace").decode()
        log.warning("%s", words)
        self._server.reporter(None).refuse(job, ADDRESS, BridgeError(error.code, words))


@dataclass(slots=True)
class _Listener:
    """Hears of one job, passes it on, and waits for its end; fulfils `bridge.session.job.Audience`."""

    audience: Audience
    silence: Callable[[], None] | None
    """Ends what the job would play, where it is not to play."""
    accepted: bool = False
    results: list[Result] = field(default_factory=list)
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Set with the analysis' end, or with the BridgeError that says why there is none."""

    def answer(self, event: JobEvent) -> None:
        self.audience.answer(event)

    def tell(self, event: JobEvent) -> None:
        self.audience.tell(event)
        match event:
            case Accepted():
                self.accepted = True
                if self.silence is not None:
                    # The book is still saying that it has the job.
                    asyncio.get_running_loop().call_soon(self.silence)
            case Result():
                self.results.append(event)
            case Done():
                self._end(None)
            case Failed(_, code, message):
                self._end(BridgeError(code, message))
            case Cancelled():
                self._end(
                    BridgeError(ErrorCode.NOT_SUPPORTED, "the job was cancelled; save the file anew to start it again")
                )

    def refuse(self, error: BridgeError) -> None:
        """Take in that there will be no job; whether anybody is told depends on whether it is tried again."""
        self._end(error)

    def _end(self, error: BridgeError | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


def _in_words(error: BridgeError) -> str:
    return f"{error.code}: {error.message}"

"""Calls that a dead disk may hold for ever: each in a thread of its own, so that nothing waits for it but its caller."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 10.0
"""Seconds that a file system may take to open a file."""

T = TypeVar("T")


async def in_a_thread(call: Callable[[], T]) -> T:
    """Run a call in a thread of its own, which may stay behind: a pool would run out of threads that a dead disk holds.

    Raises:
        Exception: whatever the call raises.

    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]
        else:
            done.set_exception(error)

    def work() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = call()
        except Exception as raised:  # noqa: BLE001 - it is raised again where it is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=work, name="look at a file", daemon=True).start()
    return await done

"""Bundles stamped with a time to come: they wait on the event loop's timers, never on its thread."""

import asyncio
from collections import Counter
from collections.abc import Callable

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.clients import Peer

FURTHEST_AHEAD = 60.0
"""Seconds; a bundle stamped later than that comes from a clock that disagrees with ours."""
MAX_SCHEDULED = 1024
MAX_SCHEDULED_EACH = 128
"""Of one sender."""


class Schedule:
    """What is still to be handled, bounded in time and number."""

    def __init__(self) -> None:
        self._handles: set[asyncio.TimerHandle] = set()
        self._each: Counter[Peer] = Counter()

    def __len__(self) -> int:
        return len(self._handles)

    def add(self, sender: Peer, ahead: float, act: Callable[[], None]) -> None:
        """Call `act` that many seconds from now.

        Raises:
            BridgeError: BAD_MESSAGE for too far ahead, BUSY for too many.

        """
        if ahead > FURTHEST_AHEAD:
            raise BridgeError(
                ErrorCode.BAD_MESSAGE,
                f"the bundle's time tag lies {ahead:.1f} s ahead, at most {FURTHEST_AHEAD:.0f} s are taken;"
                " do the clocks of both machines agree?",
            )
        if self._each[sender] >= MAX_SCHEDULED_EACH or len(self._handles) >= MAX_SCHEDULED:
            raise BridgeError(
                ErrorCode.BUSY,
                f"{self._each[sender]} bundles of this sender and {len(self._handles)} in all wait for their time;"
                f" at most {MAX_SCHEDULED_EACH} and {MAX_SCHEDULED} do",
            )

        def due() -> None:
            self._handles.discard(handle)
            self._each[sender] -= 1
            if not self._each[sender]:
                del self._each[sender]
            act()

        loop = asyncio.get_running_loop()
        handle = loop.call_at(loop.time() + ahead, due)
        self._handles.add(handle)
        self._each[sender] += 1

    def clear(self) -> None:
        """Forget all of them."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
        self._each.clear()

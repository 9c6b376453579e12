"""What `/bridge/status` tells, and who waits for it: the player is asked how it is, and answers, or does not."""

import asyncio
from collections.abc import Callable

from bridge.osc import encode
from bridge.osc.server import Reporter
from bridge.session.playback import InputChanged, PlayerStatistics, PortChanged

PATIENCE = 0.2
"""Seconds that the player may take to say how it is."""

Counters = dict[str, str | int | float]


class StatusDesk:
    """Answers with the player's own counts as they are now, or with its last ones if it does not answer.

    Args:
        ask: asks the player for its counts.
        head: what stands before the player's counts.
        tail: what stands behind them.

    """

    def __init__(self, ask: Callable[[], None], head: Callable[[], Counters], tail: Callable[[], Counters]) -> None:
        self._ask, self._head, self._tail = ask, head, tail
        self._asking: list[Reporter] = []
        self._statistics: PlayerStatistics | None = None
        self.port: PortChanged | None = None
        """The MIDI port, once it has been heard of."""
        self.input: InputChanged | None = None
        """The MIDI input, likewise."""

    def ask(self, client: Reporter) -> None:
        """Answer soon."""
        if not self._asking:
            self._ask()
            asyncio.get_running_loop().call_later(PATIENCE, self._answer)
        self._asking.append(client)

    def take(self, statistics: PlayerStatistics | None) -> None:
        """The player says how it is; None: it is gone, and its counts with it."""
        self._statistics = statistics
        if statistics is not None:
            self._answer()

    def _answer(self) -> None:
        asking, self._asking = self._asking, []
        for client in asking:
            client.send(encode.status(self._head() | self._ports() | self._played() | self._tail()))

    def _ports(self) -> Counters:
        port, input_ = self.port, self.input
        return {
            "midi": port.backend if port else "opening",
            "midi_port": port.name if port else "",
            "midi_available": int(port is not None and port.available),
            "midi_input": input_.name if input_ else "",
            "midi_input_available": int(input_ is not None and input_.available),
        }

    def _played(self) -> Counters:
        played = self._statistics
        if played is None:
            return {}
        return {
            "sent": played.sent,
            "sounding": played.sounding,
            "dropped_late": played.dropped_late,
            "dropped_range": played.dropped_range,
            "clamped_bends": played.clamped_bends,
            "dropped_port": played.dropped_port,
            "dropped_clock": played.dropped_clock,
            "xruns": played.xruns,
            "lateness_median_ms": played.lateness_median * 1000,
            "lateness_p99_ms": played.lateness_p99 * 1000,
            "lateness_max_ms": played.lateness_max * 1000,
        }

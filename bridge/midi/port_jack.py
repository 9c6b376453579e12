"""The JACK port: messages are chosen in the process callback, so every one goes to the very frame it is due at.

JACK loses the messages of a cycle that a receiver could not finish in time, and says only that there was an xrun. A lost note-on is a
note missed; a lost note-off would sound for ever. So after an xrun the latest note-offs are sent once more.

It never starts a server. A server that goes away is noticed through its shutdown callback; the port is then lost for good, and
another one is opened when a server is there again.
"""

from collections import deque
from collections.abc import Iterable
from math import inf
from time import perf_counter, sleep

import jack

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.jack_time import JackTime
from bridge.midi.messages import Emission, Order, Sent, of_bend, of_system
from bridge.midi.port_outgoing import Outgoing
from bridge.units import Channel, HostTime, Seconds

PORT = "out"
"""The port's short name; its full one is `<client>:out`."""

_SLACK = Seconds(0.003)
"""What a post needs beyond one period to be there when the callback looks."""
_REPEATED = Seconds(0.5)
"""How far back messages are repeated after an xrun."""
_AGAIN_AFTER = Seconds(0.2)
"""They are repeated at once and again after this: the receiver may go on missing cycles, and no word comes of the last."""
_REPEAT_APART = Seconds(0.03)
"""But no closer than this: a client that hangs, anybody's, is an xrun in every cycle."""
_LOOK_EVERY = Seconds(0.001)
_SILENCE = Seconds(2.0)
"""Without a cycle for so long the server hangs, though nobody has said that it is gone."""
_CYCLES_UNTIL_READ = 2
"""Receivers read a cycle's messages in that cycle or the next."""


def _quiet(_: str) -> None:
    """JACK's library writes to standard error whenever no server answers; the player says so in its own words."""


def open_client(name: str, server: str | None) -> jack.Client:
    """A client of a server that runs, not yet active; raises BridgeError MIDI_UNAVAILABLE where none answers, and starts none."""
    jack.set_error_function(_quiet)
    jack.set_info_function(_quiet)
    try:
        return jack.Client(name, no_start_server=True, servername=server)
    except jack.JackOpenError as error:
        where = f"JACK server {server!r}" if server else "JACK server"
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"no {where} answers") from error


class JackPort:
    """A JACK client with one MIDI output.

    Raises BridgeError MIDI_UNAVAILABLE where no server answers.
    """

    backend = "jack"

    def __init__(self, name: str, server: str | None, tolerance: Seconds) -> None:
        self._client = open_client(name, server)
        self._rate = self._client.samplerate
        self._outgoing = Outgoing(tolerance)
        self._inbox: deque[Order] = deque()
        self._outbox: deque[Sent] = deque()
        self._lost: str | None = None
        self._backlog: deque[Emission] = deque()
        self._recent: deque[tuple[HostTime, bytes]] = deque()
        self._cycles = 0
        self._repaired = 0
        self._repeated_at = HostTime(-inf)
        self._repeat_at = self._again_at = HostTime(inf)
        self._read_after = 0
        self._seen_cycles = 0
        self._seen_at = self._tended_at = perf_counter()
        self.xruns = 0
        try:
            self._out = self._client.midi_outports.register(PORT)
            self.name: str = self._out.name
            self._time = JackTime(self._client)
            self._client.set_process_callback(self._process)
            self._client.set_shutdown_callback(self._on_shutdown)
            self._client.set_xrun_callback(self._on_xrun)
            self._client.activate()
        except jack.JackError as error:
            self._client.close()
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"JACK refused the port {name}:{PORT}: {error}") from error

    @property
    def lead(self) -> Seconds:
        return Seconds(self._client.blocksize / self._rate + _SLACK if self._lost is None else _SLACK)

    @property
    def dropped_late(self) -> int:
        return self._outgoing.dropped_late

    @property
    def dropped_clock(self) -> int:
        return self._outgoing.dropped_clock

    def post(self, orders: Iterable[Order]) -> None:
        self._inbox.extend(orders)

    def sent(self) -> list[Sent]:
        return [self._outbox.popleft() for _ in range(len(self._outbox))]

    def tend(self) -> str | None:
        if self._lost is None:
            self._time.measure()
            self._watch(perf_counter())
        return self._lost

    def _watch(self, now: float) -> None:
        """Notice a server that has stopped calling; time in which we did not look ourselves does not count."""
        looked_away = now - self._tended_at > _SILENCE / 4
        self._tended_at = now
        if self._cycles != self._seen_cycles or looked_away:
            self._seen_cycles, self._seen_at = self._cycles, now
        elif now - self._seen_at > _SILENCE:
            self._lost = f"the JACK server has hung for {_SILENCE:g} s"

    def drain(self, timeout: Seconds) -> bool:
        deadline = perf_counter() + timeout
        self._read_after = self._cycles + _CYCLES_UNTIL_READ
        while self._inbox or self._backlog or self._cycles < self._read_after or self._to_repeat:
            if self._lost is not None or perf_counter() > deadline:
                return False
            sleep(_LOOK_EVERY)
        return True

    @property
    def _to_repeat(self) -> bool:
        return self._repaired != self.xruns or self._repeat_at < inf

    def close(self) -> None:
        self._client.deactivate()
        self._client.close()

    def _process(self, frames: int) -> None:
        """One cycle, on JACK's thread. An exception would end the callbacks without a word, so it becomes a loss."""
        try:
            self._cycle(frames)
        except Exception as error:
            self._lost = f"the process callback failed: {type(error).__name__}: {error}"
            raise jack.CallbackExit from error

    def _cycle(self, frames: int) -> None:
        out, inbox, outgoing = self._out, self._inbox, self._outgoing
        out.clear_buffer()
        while inbox:
            outgoing.accept(inbox.popleft())
        first = self._client.last_frame_time
        start = self._time.host(first)
        end = HostTime(start + (frames - 0.5) / self._rate)
        if self._repaired != self.xruns:
            self._repaired = self.xruns
            self._repeat_at = HostTime(max(start, self._repeated_at + _REPEAT_APART))
            self._again_at = HostTime(start + _AGAIN_AFTER)
        if start >= self._repeat_at:
            self._repeat_at = HostTime(inf)
            self._repeat(start)
        elif start >= self._again_at:
            self._again_at = HostTime(inf)
            self._repeat(start)
        self._backlog.extend(outgoing.take(end, start))
        at = 0
        while self._backlog:
            emission = self._backlog[0]
            at = max(at, min(frames - 1, round((emission.due - start) * self._rate)))
            try:
                out.write_midi_event(at, emission.data)
            except jack.JackError:
                # The cycle's buffer is full (some 80 messages at 256 frames): the rest leaves with the next.
                break
            self._backlog.popleft()
            self._outbox.append(Sent(emission, HostTime(start + at / self._rate)))
            if not emission.on and not of_system(emission.data):
                self._recent.append((start, emission.data))
        while self._recent and self._recent[0][0] < start - _REPEATED:
            self._recent.popleft()
        self._cycles += 1

    def _repeat(self, start: HostTime) -> None:
        """Send again what left lately and is no note-on; not the end of a note where another has begun since.

        No clock message either: a slave would count it twice.
        """
        self._repeated_at = start
        self._read_after = self._cycles + _CYCLES_UNTIL_READ
        recent = dict.fromkeys(data for _, data in self._recent)
        self._recent.clear()
        again = [data for data in recent if not of_bend(data) and not self._outgoing.notes.sounds(data)]
        # Bends make sense only in their order: what holds now is said instead.
        bent = sorted({Channel((data[0] & 0x0F) + 1) for data in recent if of_bend(data)})
        again += self._outgoing.notes.restate(bent)
        self._backlog.extendleft(Emission(start, data, None, on=False) for data in reversed(again))

    def _on_shutdown(self, status: jack.Status, reason: str) -> None:
        self._lost = f"the JACK server went away ({reason or status})"

    def _on_xrun(self, _: float) -> None:
        self.xruns += 1

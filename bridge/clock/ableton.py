"""Ableton Live through AbletonOSC: the song's position in beats at every tick of Live's, some ten a second.

Listeners follow the latest program that asked, and answers go to port 11001 whatever port was asked from.
"""

from collections.abc import Sequence
from typing import ClassVar

from bridge.clock.osc_source import OscOut, OscSource, OscValue, Send, number
from bridge.music.tempo import Loop
from bridge.units import Beats, Bpm, HostTime, Seconds

_SONG = "/live/song/"
_GET = _SONG + "get/"
_PROPERTIES = (
    *("tempo", "is_playing", "signature_numerator", "signature_denominator"),
    *("loop", "loop_start", "loop_length", "current_song_time"),
)
ANSWERS = 11001
"""The port that AbletonOSC answers to."""


class AbletonSource(OscSource):
    """Ableton Live, one listener a property."""

    name = "ableton"
    label = "Ableton Live"
    asks: ClassVar[bool] = True
    port = 11000
    silence = Seconds(5.0)
    """Two answers to `poll` and a little."""
    hello = tuple(OscOut(f"{_SONG}start_listen/{name}") for name in _PROPERTIES)
    poll = (OscOut("/live/test"),)

    def __init__(self, send: Send) -> None:
        super().__init__(send)
        self._values: dict[str, float] = {}

    def stop(self) -> None:
        if self.wanted:
            self._send([OscOut(f"{_SONG}stop_listen/{name}") for name in _PROPERTIES])
        super().stop()

    def alive(self, now: HostTime) -> bool:
        # Asked for a sign of life it gives one; where it is not asked, silence means that nothing moves.
        return now - self._heard <= self.silence if self.wanted else super().alive(now)

    def receive(self, host: HostTime, address: str, arguments: Sequence[OscValue]) -> bool:
        if not address.startswith("/live/"):
            return False
        self._heard = host
        if address == "/live/startup" and self.wanted:
            self._send(self.hello)
        value = number(arguments)
        name = address.removeprefix(_GET)
        if value is None or name not in _PROPERTIES:
            return True
        self._values[name] = value
        match name:
            case "tempo":
                self._hear_tempo(host, value)
            case "is_playing":
                self._hear_playing(host, value > 0)
            case "current_song_time":
                self._say(host, beats=Beats(value), beats_per_bar=self._beats_per_bar)
            case _:
                self._loop = self._looped
                self._say(host, beats_per_bar=self._beats_per_bar)
        return True

    @property
    def _looped(self) -> Loop | None:
        start, length = self._values.get("loop_start"), self._values.get("loop_length")
        if not self._values.get("loop") or start is None or not length:
            return None
        return Loop(Beats(start), Beats(start + length))

    @property
    def _beats_per_bar(self) -> float | None:
        above, below = self._values.get("signature_numerator"), self._values.get("signature_denominator")
        return 4 * above / below if above and below else None

    def play(self) -> None:
        self._send([OscOut(_SONG + "continue_playing")])

    def halt(self) -> None:
        self._send([OscOut(_SONG + "stop_playing")])

    def locate(self, beats: Beats, seconds: Seconds) -> None:
        del seconds
        self._send([OscOut(_SONG + "set/current_song_time", (float(beats),))])

    def set_tempo(self, bpm: Bpm) -> None:
        self._send([OscOut(_SONG + "set/tempo", (float(bpm),))])

    def set_loop(self, loop: Loop | None) -> None:
        if loop is None:
            self._send([OscOut(_SONG + "set/loop", (0,))])
        else:
            bounds = (("loop_start", loop.start), ("loop_length", loop.end - loop.start), ("loop", 1))
            self._send([OscOut(_SONG + f"set/{name}", (value,)) for name, value in bounds])

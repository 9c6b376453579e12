"""REAPER's OSC feedback with the patterns of its `Default.ReaperOSC`: time in seconds about 11 times a second while it rolls.

Parked it is silent, and it answers no question. Its `/beat/str` is left aside: no message tells the time signatures that it counts in.
"""

from collections.abc import Sequence

from bridge.clock.osc_source import OscOut, OscSource, OscValue, number
from bridge.units import HostTime, Seconds


class ReaperSource(OscSource):
    """REAPER, which sends to the address set in its preferences."""

    name = "reaper"
    label = "REAPER"
    port = 8000

    def receive(self, host: HostTime, address: str, arguments: Sequence[OscValue]) -> bool:
        value = number(arguments)
        match address:
            case "/time" if value is not None:
                self._heard = host
                self._say(host, seconds=Seconds(value))
            case "/tempo/raw":
                self._hear_tempo(host, value)
            case "/play" if value is not None:
                self._hear_playing(host, value > 0)
            case "/stop" | "/pause" if value is not None:
                # Both buttons' lights; neither going out says that it rolls.
                if value > 0:
                    self._hear_playing(host, playing=False)
            case _:
                return False
        return True

    def play(self) -> None:
        self._send([OscOut("/play", (1.0,))])

    def halt(self) -> None:
        self._send([OscOut("/stop", (1.0,))])

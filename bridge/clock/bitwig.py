"""Bitwig Studio through the DrivenByMoss extension: changed values at every flush, the position as text.

`/beat/str` is `bar.quarter.sixteenth:hundredths`, each but the last counted from 1, in bars of whole quarter notes. `/time/str` is
only that beat at the present tempo, so it is left aside.
"""

import re
from collections.abc import Sequence

from bridge.clock.osc_source import OscOut, OscSource, OscValue, Send, number
from bridge.units import Beats, HostTime

_BEAT = re.compile(r"^(-?\d{1,6})\.(\d{1,2})\.(\d{1,2}):(\d{1,3})$")
_SIGNATURE = re.compile(r"^(\d{1,2}) */ *(\d{1,2})$")
_HUNDREDTH = 0.25 / 100
"""Beats: the text's last digit, rounded down."""


class BitwigSource(OscSource):
    """Bitwig Studio, which sends to the address set in the extension."""

    name = "bitwig"
    label = "Bitwig Studio"
    port = 8000
    hello = (OscOut("/refresh"),)

    def __init__(self, send: Send) -> None:
        super().__init__(send)
        self._quarters = 4
        """In a bar."""

    def receive(self, host: HostTime, address: str, arguments: Sequence[OscValue]) -> bool:
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        value = number(arguments)
        match address:
            case "/beat/str":
                self._hear_beat(host, text)
            case "/tempo/raw":
                self._hear_tempo(host, value)
            case "/play" if value is not None:
                self._hear_playing(host, value > 0)
            case "/time/signature":
                if signature := _SIGNATURE.match(text):
                    self._quarters = max(1, 4 * int(signature[1]) // max(1, int(signature[2])))
            case _:
                return False
        return True

    def _hear_beat(self, host: HostTime, text: str) -> None:
        if not (found := _BEAT.match(text)):
            return
        self._heard = host
        bar, quarter, sixteenth, hundredth = (int(part) for part in found.groups())
        beats = (bar - 1) * self._quarters + (quarter - 1) + (sixteenth - 1) / 4 + (hundredth + 0.5) * _HUNDREDTH
        self._say(host, beats=Beats(beats), beats_per_bar=float(self._quarters))

    def play(self) -> None:
        self._send([OscOut("/play", (1,))])

    def halt(self) -> None:
        # A stop while it is parked would rewind it.
        if self._playing:
            self._send([OscOut("/stop", (1,))])

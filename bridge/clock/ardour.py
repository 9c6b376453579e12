"""Ardour's OSC feedback: the sample and the musical position, ten times a second, with a heartbeat once a second.

The position is the end of the audio cycle under way, so it is half a cycle ahead on average; the cycle is what all steps have in
common. No address tells the tempo or the sample rate either: the rate is read off time and samples, the tempo off beats and seconds.
"""

import re
from collections.abc import Sequence
from math import gcd
from typing import ClassVar

from bridge.clock.line import Line
from bridge.clock.osc_source import OscOut, OscSource, OscValue, Send, number
from bridge.clock.tempo_learner import plausible
from bridge.units import Beats, Bpm, HostTime, Seconds

_RATES = (22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
_TELLING = Seconds(0.2)
"""A position from which on milliseconds tell the rate apart."""
_TICKS = 1920
"""In a beat of `/position/bbt`."""
_TIME = re.compile(r"^(-?)(\d{1,6}):(\d{1,2}):(\d{1,2})\.(\d{1,6})$")
_BBT = re.compile(r"^(\d{1,6})\|(\d{1,2})\|(\d{1,5})$")
_BAR_END = Beats(0.15)
"""By which two positions about a bar's end may differ from what plays on at the tempo there."""
_FEEDBACK = 8 + 16 + 32 + 1024 + 2048
"""Heartbeat, transport (with the master section), bars and beats, samples, time."""
_TOGETHER = Seconds(0.02)
_JUMP = Beats(2.0)
_STEPS = 4
"""Positions in a row that tell the cycle."""
_LONGEST_CYCLE = 8192


class ArdourSource(OscSource):
    """Ardour, which answers to where it is asked from."""

    name = "ardour"
    label = "Ardour"
    asks: ClassVar[bool] = True
    port = 3819
    silence = parked_silence = Seconds(3.5)
    hello = (OscOut("/set_surface", (0, 0, _FEEDBACK, 0, 0, 0, 0)),)

    def __init__(self, send: Send) -> None:
        super().__init__(send)
        self._rate: int | None = None
        self._time: tuple[HostTime, Seconds] | None = None
        self._bbt: tuple[HostTime, Beats] | None = None
        self._beats_per_bar = 4
        self._place = (1, 1, 0)
        """Bar, beat and ticks of the latest position."""
        self._line = Line()
        """Beats over project seconds."""
        self._last: tuple[Seconds, Beats] | None = None
        self._cycle = 0
        """Samples that all steps since the last move have in common."""
        self._steps = 0
        self._samples = 0

    def receive(self, host: HostTime, address: str, arguments: Sequence[OscValue]) -> bool:
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        value = number(arguments)
        if not address.startswith(("/position/", "/transport_", "/heartbeat")):
            return False
        self._heard = host
        match address:
            case "/transport_play" if value is not None:
                self._hear_playing(host, value > 0)
            case "/transport_stop" if value:
                self._hear_playing(host, playing=False)
            case "/position/bbt":
                self._hear_bbt(host, text)
            case "/position/time":
                self._hear_time(host, text)
            case "/position/samples" if value is not None:
                self._hear_samples(host, value)
            case _:
                """A heartbeat, or what is not needed."""
        return True

    def _hear_bbt(self, host: HostTime, text: str) -> None:
        if not (found := _BBT.match(text)):
            return
        bar, beat, ticks = (int(part) for part in found.groups())
        before, self._place = self._place, (bar, beat, ticks)
        # How many beats a bar has is seen where one ends; a jump to the next bar is no end.
        if self._playing and bar == before[0] + 1 and beat == 1 and self._bbt is not None:
            played = (host - self._bbt[0]) * (self._bpm or 120.0) / 60
            if abs(played - (1 + (ticks - before[2]) / _TICKS)) < _BAR_END:
                self._beats_per_bar = before[1]
        self._beats_per_bar = max(self._beats_per_bar, beat)
        self._bbt = host, Beats((bar - 1) * self._beats_per_bar + (beat - 1) + ticks / _TICKS)

    def _hear_time(self, host: HostTime, text: str) -> None:
        if not (found := _TIME.match(text)):
            return
        hours, minutes, seconds, fraction = (int(part) for part in found.groups()[1:])
        total = (hours * 60 + minutes) * 60 + seconds + fraction / 10 ** len(found[5])
        self._time = host, Seconds(-total if found[1] else total)

    def _hear_samples(self, host: HostTime, samples: float) -> None:
        """The last of the three: with it the position is complete."""
        seconds = None
        if self._time is not None and host - self._time[0] < _TOGETHER:
            seconds = self._time[1]
            if seconds > _TELLING:
                rate = samples / seconds
                self._rate = min(_RATES, key=lambda known: abs(rate - known))
        if self._rate is not None:
            seconds = Seconds(samples / self._rate)
        if seconds is None:
            return
        beats = self._bbt[1] if self._bbt is not None and host - self._bbt[0] < _TOGETHER else None
        if beats is not None:
            beats = self._measure_tempo(seconds, beats)
        ahead = self._ahead(round(samples))
        if self._playing and ahead and self._bpm:
            seconds = Seconds(seconds - ahead)
            beats = None if beats is None else Beats(beats - ahead * self._bpm / 60)
        self._say(host, seconds=seconds, beats=beats, beats_per_bar=float(self._beats_per_bar))

    def _ahead(self, samples: int) -> Seconds:
        """Half a cycle, as soon as its length is known."""
        step, self._samples = samples - self._samples, samples
        if self._rate is None or not 0 < step < self._rate:
            self._cycle = self._steps = 0
            return Seconds(0.0)
        self._cycle = gcd(self._cycle, step)
        self._steps += 1
        if self._steps < _STEPS or self._cycle > _LONGEST_CYCLE:
            return Seconds(0.0)
        return Seconds(self._cycle / self._rate / 2)

    def _measure_tempo(self, seconds: Seconds, beats: Beats) -> Beats:
        """Return the beat as all positions have it: now and then a new cycle begins between beats and samples."""
        if self._last is None or not 0 < seconds - self._last[0] < 1 or not 0 < beats - self._last[1] < _JUMP:
            self._line.restart(HostTime(seconds), beats, None, (self._bpm or Bpm(120.0)) / 60)
        else:
            self._line.observe(HostTime(seconds), beats, None)
            self._bpm = plausible(Bpm(60 * self._line.speed), self._line.doubt, self._bpm or Bpm(120.0))
        self._last = seconds, beats
        return Beats(self._line.at(HostTime(seconds)))

    def play(self) -> None:
        self._send([OscOut("/transport_play")])

    def halt(self) -> None:
        self._send([OscOut("/transport_stop")])

    def locate(self, beats: Beats, seconds: Seconds) -> None:
        del beats
        if self._rate is None:
            super().locate(Beats(0.0), seconds)
        else:
            self._send([OscOut("/locate", (round(seconds * self._rate), int(self._playing)))])

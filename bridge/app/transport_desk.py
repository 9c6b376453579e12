"""The project's time in the daemon: its clock with every source, what moves it, who hears of it, and who follows ours."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bridge.app.aside import PATIENCE, in_a_thread
from bridge.app.options import clock_sources
from bridge.app.settings import Settings
from bridge.app.tempo_out import LOOK_EVERY, TempoOut
from bridge.clock.link import LinkLeader
from bridge.clock.observation import Observation
from bridge.clock.osc_source import OscOut
from bridge.clock.project import ProjectClock
from bridge.errors import BridgeError, ErrorCode
from bridge.midi.file_tempo import read_tempo
from bridge.music.tempo import Loop, TempoMap, Transport
from bridge.osc import encode
from bridge.osc.clients import Peer
from bridge.osc.codec import OscMessage
from bridge.osc.server import OscServer, Reporter
from bridge.session import commands
from bridge.session.commands import ClockCommand, ClockName, ClockOut, TransportCommand
from bridge.session.playback import MidiReceived, Player
from bridge.session.request import Follow, JobRequest, Sync
from bridge.units import Beats, Bpm, HostTime

log = logging.getLogger("bridge.clock")

TELL_EVERY = 1 / 30
"""Seconds between the positions that subscribers of a rolling transport hear."""


class TransportDesk:
    """All calls belong to the event loop's thread.

    Args:
        settings: who leads at first, where the DAWs listen, who follows.
        server: hears DAWs and tells subscribers.
        player: sends the MIDI clock.
        now: the host's clock.
        retime: hears of every transport that differs from the one before.

    Raises BridgeError BAD_ARGUMENT for a DAW's address that is none.

    """

    def __init__(
        self,
        settings: Settings,
        server: OscServer,
        player: Player,
        now: Callable[[], HostTime],
        retime: Callable[[Transport], None],
    ) -> None:
        self._settings = settings.clock
        self._server = server
        self._now = now
        self._retime = retime
        self._map: tuple[TempoMap | None, Path | None] = (None, None)
        self._reading: asyncio.Task[None] | None = None
        self._told_playing = False
        self._commanded = False
        """Whether a command is being carried out: its answer, which subscribers hear too, tells what has come of it."""
        sources = clock_sources(settings, self._write)
        self._clock = ProjectClock(Bpm(settings.transport.bpm), now, self._changed, self._led, sources)
        leader = LinkLeader(Beats(settings.clock.link_quantum))
        self._out = TempoOut(player, now, self._clock.transport, leader)

    @property
    def transport(self) -> Transport:
        return self._clock.transport

    @property
    def bpm(self) -> Bpm:
        """The tempo under the playhead."""
        return self._clock.bpm

    def start(self) -> None:
        """Follow and lead as the settings say; raises BridgeError where that cannot be."""
        if self._settings.tempo_map:
            path = Path(self._settings.tempo_map).expanduser()
            self._map = read_tempo(path), path
            self._clock.set_map(self._map[0])
        self._choose(self._settings.source, self._clock.start)
        for out, on in ((ClockOut.MIDI, self._settings.send_midi), (ClockOut.LINK, self._settings.send_link)):
            if on:
                self._send(out, on=True)

    async def run(self) -> None:
        """Look at the sources, tell where the project is, and what follows us what comes next, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._clock.run(), name="clock")
            tasks.create_task(self._tell(), name="transport")
            tasks.create_task(self._feed(), name="tempo out")

    def leave(self) -> None:
        """Let go of the Link session; the MIDI clock's followers are stopped with the player."""
        self._out.lead_link(on=False)

    def check(self, request: JobRequest) -> None:
        """Refuse what the clock that leads cannot give; raises BridgeError NOT_SUPPORTED."""
        who = f"the clock source {self._clock.source}"
        if request.sync is Sync.TRANSPORT and not self._clock.located:
            raise BridgeError(
                ErrorCode.NOT_SUPPORTED,
                f"sync transport needs a place in the song, and {who} tells none yet: start or locate there, or take sync beat",
            )
        by_beats = request.sync in (Sync.BEAT, Sync.BAR) or request.follow is Follow.TEMPO or request.at is not None
        if by_beats and not self._clock.knows_tempo:
            raise BridgeError(
                ErrorCode.NOT_SUPPORTED,
                f"at, follow tempo and sync beat or bar count beats, and {who} tells no tempo: say it with"
                " /bridge/transport/tempo or /bridge/clock/map, or give at_s",
            )

    # Commands

    def move(self, command: TransportCommand, client: Reporter) -> None:
        """Carry out a command and tell where the project is then; raises BridgeError where the DAW alone can."""
        with self._answering():
            match command:
                case commands.PlayTransport():
                    self._clock.play()
                case commands.StopTransport():
                    self._clock.stop()
                case commands.Locate(beats):
                    self._clock.locate(beats)
                case commands.SetTempo(bpm):
                    self._clock.set_tempo(bpm)
                case commands.SetLoop(start, end, on):
                    self._clock.set_loop(Loop(start, end) if on else None)
        self._server.publish(*encode.transport(self.transport, self._now()), client)

    def carry_out(self, command: ClockCommand, client: Reporter) -> None:
        """Carry out what is about the clock itself; what cannot be done raises BridgeError."""
        match command:
            case commands.ChooseClock(name):
                if name is None:
                    client.send(self._who().message)
                    return
                with self._answering():
                    self._choose(name, self._clock.choose)
                self._server.publish(*self._who(), client)
            case commands.ObserveClock(seconds, beats, bpm, playing, loop):
                self._clock.observe(Observation(self._now(), playing, seconds, beats, bpm, loop))
            case commands.SendClock(out, on):
                self._send(out, on=on)
                self._tell_both(encode.clock_out(out, on=on), client)
            case commands.UseTempoMap(path):
                if self._reading is not None:
                    raise BridgeError(ErrorCode.BUSY, "another tempo map is still being read; try again soon")
                if path is None:
                    self._use_map(None, None, client)
                    return
                self._reading = asyncio.create_task(self._read_map(path, client), name=f"read {path}")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        self._commanded = True
        try:
            yield
        finally:
            self._commanded = False

    def _choose(self, name: ClockName, choose: Callable[[str], None]) -> None:
        led = {ClockName.LINK: self._out.link, ClockName.MIDI: self._out.midi}
        if led.get(name):
            raise BridgeError(
                ErrorCode.NOT_SUPPORTED,
                f"StemBridge leads by {name} itself; end that first: /bridge/clock/out {name} 0",
            )
        answers = self._settings.ableton_answers
        if name is ClockName.ABLETON:
            self._server.open_door(answers)
        choose(name)
        if name is not ClockName.ABLETON:
            self._server.close_door(answers)

    def _send(self, out: ClockOut, *, on: bool) -> None:
        if on and self._clock.wish == out:
            raise BridgeError(
                ErrorCode.NOT_SUPPORTED,
                f"StemBridge follows the clock {out}; choose another clock source to lead by it",
            )
        if out is ClockOut.MIDI:
            self._out.send_midi(on=on)
            # Through a patchbay our own ticks can come back, each round a little later.
            self._clock.bar(ClockName.MIDI, on=on)
        else:
            self._out.lead_link(on=on)

    def _tell_both(self, said: encode.Published, client: Reporter) -> None:
        """Answer, and tell subscribers; two that repeat what they hear do not answer each other for ever."""
        client.send(said.message)
        self._server.publish(*said)

    async def _read_map(self, path: Path, client: Reporter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                tempo = await in_a_thread(partial(read_tempo, path))
        except BridgeError as error:
            client.refuse("", "/bridge/clock/map", error)
        except TimeoutError:
            words = f"{path}: the disk did not read it within {PATIENCE:g} s"
            client.refuse("", "/bridge/clock/map", BridgeError(ErrorCode.FILE_NOT_FOUND, words))
        else:
            self._use_map(tempo, path, client)
        finally:
            self._reading = None

    def _use_map(self, tempo: TempoMap | None, path: Path | None, client: Reporter) -> None:
        self._clock.set_map(tempo)
        self._map = tempo, path
        self._tell_both(encode.tempo_map(path, tempo), client)

    # What comes in

    def hear(self, message: OscMessage) -> bool:
        """Take in what a DAW says of its own; False where it means nothing to any source."""
        return self._clock.receive_osc(self._now(), message.address, message.arguments)

    def take_midi(self, received: MidiReceived) -> None:
        """Take in what came in at the MIDI input."""
        for host, data in received.messages:
            self._clock.receive_midi(host, data)

    def port_opened(self) -> None:
        """The MIDI port is there, new: who follows our clock by it knows nothing yet."""
        self._out.port_opened()

    def _write(self, peer: Peer, messages: Sequence[OscOut]) -> None:
        for message in messages:
            self._server.send(peer, OscMessage(message.address, message.arguments))

    # News

    def snapshot(self) -> list[OscMessage]:
        """Tell a new subscriber how things stand."""
        said = [encode.transport(self.transport, self._now()), self._who()]
        said += [encode.clock_out(ClockOut.MIDI, on=self._out.midi), encode.clock_out(ClockOut.LINK, on=self._out.link)]
        said.append(encode.tempo_map(self._map[1], self._map[0]))
        return [published.message for published in said]

    def status(self) -> dict[str, str | int]:
        """What `/bridge/status` says of it."""
        return {"clock": self._clock.source, "clock_locked": int(self._clock.locked), "clock_chosen": self._clock.wish}

    def _who(self) -> encode.Published:
        return encode.clock(self._clock.source, locked=self._clock.locked, chosen=self._clock.wish)

    def _changed(self, transport: Transport) -> None:
        self._retime(transport)
        self._out.follow(transport)
        started = transport.playing is not self._told_playing
        self._told_playing = transport.playing
        # While it rolls, subscribers hear of it in any case.
        if not self._commanded and (started or not transport.playing):
            self._server.publish(*encode.transport(transport, self._now()))

    def _led(self, source: str, locked: bool) -> None:
        if locked:
            log.info("the clock is %s", source)
        else:
            log.warning("the clock %s is lost, or not heard yet", source)
        if not self._commanded:
            self._server.publish(*self._who())

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY)
            if self.transport.playing:
                self._server.publish(*encode.transport(self.transport, self._now()))

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._out.tick()

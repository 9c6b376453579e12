"""A server on a free port whose handler writes down what it is asked and answers like a small daemon."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.osc import encode
from bridge.osc.codec import OscMessage
from bridge.osc.rows import Topic
from bridge.osc.server import OscServer, Reporter, ServerOptions
from bridge.session import commands
from bridge.session.events import Accepted
from bridge.session.parameters import PARAMETERS
from tests.osc.peers import UdpPeer


class SmallDaemon:
    """Keeps live parameters and accepts jobs; a request id of `crash` or `refuse` makes it fail that way."""

    def __init__(self) -> None:
        self.commands: list[commands.Command] = []
        self.reporters: list[Reporter] = []
        self.foreign: list[OscMessage] = []
        self.values = {name: p.default for name, p in PARAMETERS.items()}
        self.server: OscServer

    def handle(self, command: commands.Command, client: Reporter) -> None:
        self.commands.append(command)
        self.reporters.append(client)
        match command:
            case commands.StartJob(request):
                if request.id == "crash":
                    raise ZeroDivisionError
                if request.id == "refuse":
                    raise BridgeError(ErrorCode.BUSY, "eight jobs wait already")
                client.send(encode.job_event(Accepted(request.id)).message)
            case commands.SetParameter(name, value):
                self.values[name] = value
                client.send(encode.parameter(name, value).message)
                self.server.publish(*encode.parameter(name, value))
            case commands.AskParameter(name):
                client.send(encode.parameter(name, self.values[name]).message)
            case commands.Panic():
                client.send(encode.panic().message)
            case commands.AskVersion():
                client.send(encode.version("1.2.3"))
            case commands.AskStatus():
                client.send(encode.status(self.server.counters()))

    def hear(self, message: OscMessage) -> bool:
        """Understands what a DAW says of its tempo."""
        if message.address != "/tempo/raw":
            return False
        self.foreign.append(message)
        return True

    def snapshot(self, topic: Topic) -> Sequence[OscMessage]:
        if topic is Topic.PARAM:
            return [encode.parameter(name, value).message for name, value in self.values.items()]
        return []


class Running:
    """A server on an event loop in a thread, so that tests can use ordinary blocking peers."""

    def __init__(self) -> None:
        self.daemon = SmallDaemon()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.server = self.call(self._start())
        self.port = self.server.port

    async def _start(self) -> OscServer:
        server = OscServer(ServerOptions(port=0), self.daemon)
        self.daemon.server = server
        await server.start()
        return server

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def do(self, function, *arguments):
        """Call a function on the server's loop."""

        async def run():
            return function(*arguments)

        return self.call(run())

    def stop(self) -> None:
        self.do(self.server.close)
        self.call(asyncio.sleep(0))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def peer(running: Running) -> Iterator[UdpPeer]:
    peer = UdpPeer(running.port)
    yield peer
    peer.close()


@pytest.fixture
def other(running: Running) -> Iterator[UdpPeer]:
    peer = UdpPeer(running.port)
    yield peer
    peer.close()

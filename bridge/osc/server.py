"""The daemon's OSC end: packets in, commands to the handler, answers and news out."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from bridge.errors import BridgeError, ErrorCode
from bridge.osc import encode
from bridge.osc.addresses import OWN_PREFIX
from bridge.osc.arguments import parse_peer
from bridge.osc.clients import ECHO_WINDOW, Client, Clients, Peer
from bridge.osc.codec import OscMessage, Timed, decode
from bridge.osc.codec import encode as to_bytes
from bridge.osc.inbox import Inbox
from bridge.osc.limit import ErrorLimit
from bridge.osc.listen import bind_both, bind_udp
from bridge.osc.parse import (
    Parsed,
    Ping,
    ReplyElsewhere,
    Subscribe,
    Unsubscribe,
    parse,
    reply_target,
    request_id,
)
from bridge.osc.reach import Reach
from bridge.osc.rows import Topic
from bridge.osc.schedule import Schedule
from bridge.osc.table import INCOMING, only_sent
from bridge.osc.tcp import TcpPort
from bridge.osc.udp import UdpPort
from bridge.osc.words import shown
from bridge.session.commands import Command

log = logging.getLogger("bridge.osc")

TIDY_INTERVAL = 60.0
"""Seconds between looks for clients that have not been heard of."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where to listen and whom to greet."""

    host: str = "127.0.0.1"
    """An IP address or localhost; 0.0.0.0 or :: for all interfaces."""
    port: int = 9123
    """UDP and TCP; 0 takes a free one."""
    announce: tuple[str, ...] = ()
    """`host:port` of those who hear every `broadcast` (`/bridge/hello`, `/bridge/bye`) over UDP without having asked."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """One requester, kept for as long as there is something to say to it; equal where its messages go to the same place."""

    peer: Peer | None
    """None where nobody asked over OSC: refusals then go to those who listen to jobs, answers to nobody."""
    _server: "OscServer" = field(repr=False, compare=False)

    def send(self, message: OscMessage) -> None:
        """Send to wherever this requester wants its answers now; nothing happens if it has gone."""
        if self.peer is not None:
            self._server.send(self.peer, message)

    def refuse(self, request_id: str, address: str, error: BridgeError) -> None:
        """Refuse later what could not be decided at once, within the same share of errors."""
        self._server.refuse(error, self.peer, OscMessage(address, (request_id,)))


class Handler(Protocol):
    """Who carries out commands: the daemon."""

    def handle(self, command: Command, client: Reporter) -> None:
        """Carry out a command, at once or from now on; a BridgeError is told to that client and nobody else."""

    def hear(self, message: OscMessage) -> bool:
        """Take a message outside the address table, as DAWs send them of their own; False where it means nothing."""

    def snapshot(self, topic: Topic) -> Sequence[OscMessage]:
        """Return the messages that tell a new subscriber how things stand."""


class OscServer:
    """Listens on UDP and TCP; all of it runs on the event loop that called `start`.

    Raises:
        BridgeError: BAD_ARGUMENT for an address to announce to that is none.

    """

    def __init__(self, options: ServerOptions, handler: Handler) -> None:
        self._options = options
        self._handler = handler
        self._clients = Clients()
        self._inbox = Inbox(self._receive)
        self._udp: UdpPort | None = None
        self._tcp = TcpPort(self._inbox, self._refuse_packet, self._clients.drop)
        self._schedule = Schedule()
        self._answering: tuple[Peer, OscMessage] | None = None
        """Whose message is being handled."""
        self._errors_left_out = 0
        self._unasked_errors = ErrorLimit()
        self._reach = Reach(options.host, options.port)
        self._announce = tuple(_announced(text) for text in options.announce)
        self._tidying: asyncio.TimerHandle | None = None
        self._doors: dict[int, UdpPort] = {}
        """Other UDP ports that are listened on, for DAWs that answer to one that they choose."""

    @property
    def port(self) -> int:
        """The port number listened on, UDP and TCP alike."""
        return self._reach.port

    async def start(self) -> None:
        """Listen.

        Raises:
            BridgeError: UNREACHABLE where the address cannot be listened on.

        """
        udp, tcp = bind_both(self._options.host, self._options.port)
        self._reach = Reach(self._options.host, udp.getsockname()[1])
        self._udp = UdpPort(udp, self._inbox)
        await self._tcp.listen(tcp)
        self._tidy()
        log.info("OSC on %s:%d, UDP and TCP", self._options.host, self.port)

    def _tidy(self) -> None:
        self._clients.expire(time.monotonic())
        self._tidying = asyncio.get_running_loop().call_later(TIDY_INTERVAL, self._tidy)

    def close(self) -> None:
        """Say goodbye to every subscriber and stop listening."""
        self.broadcast(OscMessage("/bridge/bye"))
        if self._tidying is not None:
            self._tidying.cancel()
        self._schedule.clear()
        self._inbox.close()
        self._tcp.close()
        for port in list(self._doors):
            self.close_door(port)
        if self._udp is not None:
            self._udp.close()
            self._udp = None

    def open_door(self, port: int) -> None:
        """Listen on another UDP port as well, where it is not open yet.

        Raises:
            BridgeError: UNREACHABLE where somebody else listens there.

        """
        if port not in self._doors:
            self._doors[port] = UdpPort(bind_udp(self._options.host, port), self._inbox)

    def close_door(self, port: int) -> None:
        """Listen there no longer."""
        door = self._doors.pop(port, None)
        if door is not None:
            door.close()

    def counters(self) -> dict[str, int]:
        """Return what `/bridge/status` says of this end."""
        udp = self._udp
        return {
            "osc_subscribers": sum(1 for _ in self._clients.subscribers()),
            "osc_tcp_clients": len(self._tcp),
            "osc_datagrams": udp.received if udp else 0,
            "osc_overflowed": udp.overflowed if udp else 0,
            "osc_unsent": udp.unsent if udp else 0,
            "osc_errors_left_out": self._errors_left_out,
            "osc_scheduled": len(self._schedule),
        }

    def reporter(self, peer: Peer | None) -> Reporter:
        """Whom to tell of what was not asked for over OSC: an address, or nobody in particular; raises BridgeError as for `reply_to`."""
        if peer is not None:
            self._reach.check(peer)
        return Reporter(peer, self)

    # Out

    def publish(self, topic: Topic, message: OscMessage, reporter: Reporter | None = None) -> None:
        """Tell the subscribers of a topic, and the reporter; each hears it once.

        A parameter's value goes only to subscribers who were last told another one, and what else can be sent to us as well only to
        those who were not told the same a moment ago: two surfaces that repeat what they hear would otherwise answer each other for
        ever. So answer the sender first (`Reporter.send`), then publish.
        """
        targets = dict.fromkeys(self._clients.subscribers(topic))
        if reporter is not None and reporter.peer is not None:
            targets[self._clients.target(reporter.peer)] = None
        packet = to_bytes(message)
        for target in targets:
            last, when = self._last_sent(target, message.address)
            if last == packet and (topic is Topic.PARAM or time.monotonic() - when < ECHO_WINDOW):
                continue
            self._transmit(target, message, packet)

    def broadcast(self, message: OscMessage) -> None:
        """Tell every subscriber of anything, and whom the options name."""
        packet = to_bytes(message)
        for target in dict.fromkeys((*self._clients.subscribers(), *self._announce)):
            self._transmit(target, message, packet)

    def send(self, peer: Peer, message: OscMessage) -> None:
        """Tell one client, wherever it wants its answers."""
        target = self._clients.target(peer)
        packet = to_bytes(message)
        if self._is_echo(target, message, packet):
            return
        self._transmit(target, message, packet)

    def _transmit(self, target: Peer, message: OscMessage, packet: bytes) -> None:
        if message.address in INCOMING:
            client = self._clients.get(target, time.monotonic())
            client.last_sent[message.address] = (packet, time.monotonic())
        if target.transport == "tcp":
            self._tcp.send(packet, target)
        elif self._udp is not None:
            self._udp.send(packet, target.host, target.port)

    def _last_sent(self, target: Peer, address: str) -> tuple[bytes, float]:
        return self._clients.get(target, time.monotonic()).last_sent.get(address, (b"", 0.0))

    def _is_echo(self, target: Peer, message: OscMessage, packet: bytes) -> bool:
        """Whether this answers a client that sent us back what we had just sent it, and would do so again."""
        if self._answering is None or message.address not in INCOMING:
            return False
        sender, received = self._answering
        last, when = self._last_sent(target, message.address)
        return (
            self._clients.target(sender) == target
            and received.address == message.address
            and bool(received.arguments)
            and last == packet
            and time.monotonic() - when < ECHO_WINDOW
        )

    # In

    def _receive(self, packet: bytes, sender: Peer) -> None:
        """Take one packet; whatever it is, this returns."""
        if self._reach.is_own(sender):
            return
        try:
            groups = decode(packet)
        except BridgeError as error:
            address = packet[:200].split(b"\0", 1)[0].decode("utf-8", "replace")
            if not only_sent(address) and b"/bridge/error\0" not in packet:
                self._refuse_packet(error, sender)
            return
        now = time.time()
        for group in groups:
            ahead = 0.0 if group.due is None else group.due - now
            if ahead <= 0.0:
                self._handle_group(group, sender)
                continue
            try:
                self._schedule.add(sender, ahead, partial(self._handle_group, group, sender))
            except BridgeError as error:
                self.refuse(error, sender, group.messages[0])

    def _handle_group(self, group: Timed, sender: Peer) -> None:
        """Handle messages in order with nothing in between; one that is refused does not stop the rest."""
        for message in group.messages:
            if only_sent(message.address):
                continue
            client = self._clients.seen(sender, time.monotonic())
            try:
                if not self._is_foreign(message, client):
                    self._handle(message, client)
            except BridgeError as error:
                self.refuse(error, sender, message)
            except Exception:
                log.exception("handling %s from %s", message.address, sender)
                problem = BridgeError(ErrorCode.INTERNAL, "a fault in StemBridge; its log has the details")
                self.refuse(problem, sender, message)

    def _is_foreign(self, message: OscMessage, client: Client) -> bool:
        """Whether this is a DAW's own message: one that was understood, or another of one who was."""
        if message.address.startswith(OWN_PREFIX):
            return False
        if self._handler.hear(message):
            client.speaks_otherwise = True
        return client.speaks_otherwise

    def _handle(self, message: OscMessage, client: Client) -> None:
        parsed = parse(message, hints=client.errors.open(time.monotonic()))
        if parsed.command is None:
            return
        if parsed.reply_to is not None:
            self._reach.check(parsed.reply_to)
        peer = parsed.reply_to or client.peer
        self._answering = (peer, message)
        try:
            self._carry_out(parsed, peer, client)
        finally:
            self._answering = None

    def _carry_out(self, parsed: Parsed, peer: Peer, client: Client) -> None:
        now = time.monotonic()
        match parsed.command:
            case Subscribe(topics):
                self._clients.subscribe(self._clients.target(peer), set(topics), now)
                for topic in Topic:
                    if topic in topics:
                        for message in self._handler.snapshot(topic):
                            self.send(peer, message)
            case Unsubscribe(topics):
                self._clients.unsubscribe(self._clients.target(peer), set(topics))
            case ReplyElsewhere(to):
                self._reach.check(to)
                self._clients.redirect(client.peer, to, now)
            case Ping(token):
                self.send(peer, OscMessage("/bridge/pong", token))
            case None:
                pass
            case command:
                self._handler.handle(command, Reporter(peer, self))

    # Refusals

    def _refuse_packet(self, error: BridgeError, sender: Peer) -> None:
        """Refuse what could not be read as messages."""
        self.refuse(error, sender, OscMessage(""))

    def refuse(self, error: BridgeError, sender: Peer | None, message: OscMessage) -> None:
        """Tell the requester, and only it, or where there is none who listens to jobs, unless they have been told a lot already."""
        now = time.monotonic()
        limit = self._unasked_errors if sender is None else self._clients.get(sender, now).errors
        if not limit.take(now):
            self._errors_left_out += 1
            return
        if sender is None:
            self.publish(Topic.JOB, encode.error(request_id(message), message.address, error))
            log.info("%s refused: %s", shown(message.address), error)
            return
        to = reply_target(message) or sender
        if not self._reach.allows(to):
            to = sender
        self.send(to, encode.error(request_id(message), message.address, error))
        log.info("%s from %s refused: %s", shown(message.address) if message.address else "a packet", sender, error)
        if limit.announce():
            problem = BridgeError(ErrorCode.BUSY, "too many errors: the next ones are left out, 20 a second are sent")
            self.send(to, encode.error("", "", problem))
            log.warning("%s causes so many errors that it is not told of all", sender)


def _announced(text: str) -> Peer:
    peer = parse_peer(text)
    if peer is None:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{text!r} is no host:port with an IP address or localhost to greet")
    return peer

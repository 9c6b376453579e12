"""Who talks to us: each sender with its subscriptions, its reply address and its share of errors.

A client is known by transport, address and port, so two programs on one machine never get each other's answers. A client
without a subscription or reply address is only a memory and makes way for newer ones; the others are kept for an hour after
their last message, TCP clients as long as they are connected.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.limit import ErrorLimit
from bridge.osc.rows import Topic

EXPIRY = 3600.0
"""Seconds after its last message at which a UDP client's subscriptions end."""
MAX_KEPT = 64
"""Clients with a subscription or a reply address."""
MAX_PASSING = 512
"""Clients that are only remembered for their share of errors."""
ECHO_WINDOW = 0.5
"""Seconds in which a value that comes back just as it was sent counts as an echo."""


class Peer(NamedTuple):
    """One end of a conversation."""

    transport: Literal["udp", "tcp"]
    host: str
    """An IP address."""
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port} ({self.transport})"


@dataclass(slots=True)
class Client:
    """What is known of one sender, or of one address that answers go to."""

    peer: Peer
    seen: float
    """`time.monotonic()` of its last message."""
    topics: set[Topic] = field(default_factory=set)
    redirect: Peer | None = None
    """Where everything meant for it goes."""
    speaks_otherwise: bool = False
    """Whether it has sent what belongs to no table of ours and was understood: a DAW, which sends much more that concerns nobody here."""
    errors: ErrorLimit = field(default_factory=ErrorLimit)
    last_sent: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    """By address, of those that both sides send: what it was last told, and when."""

    @property
    def kept(self) -> bool:
        """Whether forgetting it would lose something that it asked for."""
        return bool(self.topics) or self.redirect is not None


class Clients:
    """All clients, bounded in number."""

    def __init__(self) -> None:
        self._kept: dict[Peer, Client] = {}
        self._passing: OrderedDict[Peer, Client] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def seen(self, peer: Peer, now: float) -> Client:
        """Return a sender's record, renewed together with the one that its answers go to."""
        client = self.get(peer, now)
        client.seen = now
        if client.redirect is not None:
            self.get(client.redirect, now).seen = now
        return client

    def get(self, peer: Peer, now: float) -> Client:
        """Return the record of a peer, a new one if it has none."""
        client = self._kept.get(peer) or self._passing.get(peer)
        if client is None:
            client = self._passing[peer] = Client(peer, now)
            if len(self._passing) > MAX_PASSING:
                self._passing.popitem(last=False)
        elif peer in self._passing:
            self._passing.move_to_end(peer)
        return client

    def target(self, peer: Peer) -> Peer:
        """Where messages for this peer go."""
        client = self._kept.get(peer)
        return peer if client is None or client.redirect is None else client.redirect

    def subscribe(self, peer: Peer, topics: set[Topic], now: float) -> None:
        """Add topics to what a target hears; raises BridgeError BUSY when too many clients are kept."""
        client = self._keep(peer, now)
        client.seen = now
        client.topics |= topics

    def unsubscribe(self, peer: Peer, topics: set[Topic]) -> None:
        """Take topics from what a target hears."""
        client = self._kept.get(peer)
        if client is not None:
            client.topics -= topics
            self._release(client)

    def redirect(self, peer: Peer, to: Peer, now: float) -> None:
        """Send everything for `peer` elsewhere from now on; its subscriptions move with it.

        Raises:
            BridgeError: BUSY when too many clients are kept; nothing was changed.

        """
        before = self.target(peer)
        if to == before:
            return
        old = self._kept.get(before)
        client = self._keep(peer, now)
        try:
            if old is not None and old.topics:
                self.subscribe(to, old.topics, now)
                old.topics.clear()
            client.redirect = None if to == peer else to
        finally:
            self._release(client)
            if old is not None:
                self._release(old)

    def drop(self, peer: Peer) -> None:
        """Forget a client that has hung up."""
        self._kept.pop(peer, None)
        self._passing.pop(peer, None)

    def expire(self, now: float) -> None:
        """Forget UDP clients not heard of for an hour."""
        for client in [c for c in self._kept.values() if c.peer.transport == "udp" and now - c.seen > EXPIRY]:
            del self._kept[client.peer]

    def subscribers(self, topic: Topic | None = None) -> Iterator[Peer]:
        """Who hears of a topic, or of any."""
        return (c.peer for c in self._kept.values() if (c.topics if topic is None else topic in c.topics))

    def _keep(self, peer: Peer, now: float) -> Client:
        client = self._kept.get(peer)
        if client is None:
            if len(self._kept) >= MAX_KEPT:
                self.expire(now)
            if len(self._kept) >= MAX_KEPT:
                raise BridgeError(
                    ErrorCode.BUSY,
                    f"{MAX_KEPT} clients have subscriptions already; unsubscribe one, or use fewer ports",
                )
            client = self._kept[peer] = self.get(peer, now)
            self._passing.pop(peer, None)
        return client

    def _release(self, client: Client) -> None:
        """A client that wants nothing any more is only a memory."""
        if not client.kept and self._kept.pop(client.peer, None) is not None:
            self._passing[client.peer] = client

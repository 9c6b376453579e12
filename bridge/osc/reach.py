"""Where answers may go: not to ourselves, where they would be questions again, without end."""

import ipaddress
import socket
from dataclasses import dataclass

from bridge.errors import BridgeError, ErrorCode
from bridge.osc.clients import Peer


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be told from the address that the server listens on."""

    host: str
    port: int

    def check(self, peer: Peer) -> None:
        """Refuse an address that answers must not or cannot go to; raises BridgeError BAD_ARGUMENT."""
        if self.is_own(peer):
            raise BridgeError(
                ErrorCode.BAD_ARGUMENT,
                f"{peer.host}:{peer.port} is StemBridge itself; name the port that you listen on",
            )
        if not self._same_family(peer):
            raise BridgeError(
                ErrorCode.BAD_ARGUMENT, f"{peer.host} cannot be reached from {self.host}: IPv4 and IPv6 do not mix"
            )

    def allows(self, peer: Peer) -> bool:
        """Whether `check` has nothing against an address."""
        return not self.is_own(peer) and self._same_family(peer)

    def is_own(self, peer: Peer) -> bool:
        """Whether a UDP peer is this very server, under whichever of the machine's addresses."""
        if peer.transport != "udp" or peer.port != self.port:
            return False
        address = ipaddress.ip_address(peer.host)
        if address.is_loopback or address.is_unspecified or peer.host == self.host:
            return True
        family = socket.AF_INET if isinstance(address, ipaddress.IPv4Address) else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((peer.host, 0))  # Only an address of this machine can be bound.
            except OSError:
                return False
        return True

    def _same_family(self, peer: Peer) -> bool:
        return (":" in peer.host) == (":" in self.host)

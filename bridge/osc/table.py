"""Every OSC address, once: parsing, the README's table, `stembridge send` and the tests all read it here, both halves of it."""

from bridge.osc.incoming import INCOMING
from bridge.osc.outgoing import OUTGOING

__all__ = ["INCOMING", "OUTGOING", "only_sent"]


def only_sent(address: str) -> bool:
    """Whether clients hear this address and never send it: hearing it back is an echo, not a question."""
    return address in OUTGOING and address not in INCOMING

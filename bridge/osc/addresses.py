"""What both halves of the address table share: the beginnings of addresses, and arguments that come and go alike."""

from bridge.osc.rows import Argument, Kind
from bridge.session.parameters import Parameter

API_VERSION = 1
"""Grows when an address changes its meaning; what is only added does not count."""

OWN_PREFIX = "/bridge/"
"""What every address of ours begins with."""
PARAM_PREFIX = OWN_PREFIX + "param/"
PLAY_PREFIX = OWN_PREFIX + "play/"
JOB = OWN_PREFIX + "job/"
SELECTION = OWN_PREFIX + "selection"
TRANSPORT = OWN_PREFIX + "transport"
CLOCK = OWN_PREFIX + "clock"

MAX_PORT = 65535
MAX_ID_LENGTH = 128
"""Characters of a request id."""

REQUEST_ID = Argument("request_id", Kind.TEXT)


def parameter_value(p: Parameter) -> Argument:
    """A live parameter's value."""
    if p.whole and (p.minimum, p.maximum) == (0, 1):
        return Argument("value", Kind.SWITCH)
    return Argument("value", Kind.WHOLE if p.whole else Kind.NUMBER, p.unit, p.minimum, p.maximum)

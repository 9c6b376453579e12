"""What travels between the daemon and the player: commands as (name, arguments, keywords), reports as values."""

from dataclasses import dataclass
from typing import Any

from bridge.session.playback import PlayerEvent

Request = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A `Player` method's name and what it is called with; or CLOSE or REPORT_STATISTICS."""

CLOSE = "close"
REPORT_STATISTICS = "report_statistics"


@dataclass(frozen=True, slots=True)
class PlayerReady:
    """The player takes commands."""

    realtime: bool
    """Whether the system granted real-time priority."""


Report = PlayerEvent | PlayerReady

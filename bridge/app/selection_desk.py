"""The selection in the daemon: what scripts select, who hears of it, and the jobs that buttons start on it."""

from collections.abc import Callable, Sequence

from bridge.music.sound import Stem
from bridge.osc import encode
from bridge.osc.addresses import PLAY_PREFIX
from bridge.osc.codec import OscMessage
from bridge.osc.server import OscServer, Reporter
from bridge.session.request import JobRequest
from bridge.session.selection import Selection

Start = Callable[[JobRequest, Reporter, str], None]
"""(request, who hears of it, the address it came by): accepts a job, or refuses it, at once with BridgeError or later to who hears."""


class SelectionDesk:
    """All calls belong to the event loop's thread."""

    def __init__(self, server: OscServer, start: Start) -> None:
        self._server = server
        self._start = start
        self._selection = Selection()

    def select(self, request: JobRequest, client: Reporter) -> None:
        """Remember a clip. Its file is looked at when it is played: a script tells of every click, and many are never played."""
        self._selection.request = request
        self._server.publish(*encode.selection(request), client)

    def play(self, stems: Sequence[Stem], client: Reporter) -> None:
        """Start a job on what is selected; raises BridgeError NO_SELECTION, or whatever starting a job raises."""
        name = stems[0] if len(stems) == 1 else "all"
        self._start(self._selection.job(stems), client, PLAY_PREFIX + name)

    def snapshot(self) -> list[OscMessage]:
        """Tell a new subscriber what is selected; nothing while nothing is."""
        selected = self._selection.request
        return [] if selected is None else [encode.selection(selected).message]

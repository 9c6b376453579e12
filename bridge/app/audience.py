"""Who hears of a job that was asked for over OSC."""

from dataclasses import dataclass

from bridge.osc import encode
from bridge.osc.server import OscServer, Reporter
from bridge.session.events import JobEvent


@dataclass(frozen=True, slots=True)
class OscAudience:
    """One requester and the subscribers; fulfils `bridge.session.job.Audience`."""

    server: OscServer
    requester: Reporter

    def answer(self, event: JobEvent) -> None:
        self.requester.send(encode.job_event(event).message)

    def tell(self, event: JobEvent) -> None:
        self.server.publish(*encode.job_event(event), self.requester)

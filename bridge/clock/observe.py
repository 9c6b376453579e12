"""Any script as a clock: what comes in at `/bridge/clock/observe`."""

from bridge.clock.observation import Listener, Observation


class ObservedSource(Listener):
    """Fed with whole observations."""

    name = "osc"
    label = "the script that sends /bridge/clock/observe"

    def receive(self, seen: Observation) -> None:
        """Take one in."""
        self._heard, self._playing = seen.host, seen.playing
        self._report(seen)

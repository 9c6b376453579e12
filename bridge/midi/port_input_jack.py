"""The JACK input: what arrives is stamped with the very frame that its sender wrote it to.

A client of its own, not a second port of the one that sends. JACK calls a client when those that it hears are done: a sender that takes
its time, hangs or dies would otherwise hold up our notes.
"""

import jack

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.jack_time import JackTime
from bridge.midi.port_input import Take
from bridge.midi.port_jack import open_client
from bridge.units import HostTime

PORT = "in"
"""The port's short name; its full one is `<client>:in`."""


class JackInput:
    """A JACK client with one MIDI input.

    Raises BridgeError MIDI_UNAVAILABLE where no server answers.
    """

    backend = "jack"

    def __init__(self, name: str, server: str | None, take: Take) -> None:
        self._take = take
        self._client = open_client(name, server)
        self._rate = self._client.samplerate
        self._lost: str | None = None
        try:
            self._in = self._client.midi_inports.register(PORT)
            self.name: str = self._in.name
            self._time = JackTime(self._client)
            self._client.set_process_callback(self._process)
            self._client.set_shutdown_callback(self._on_shutdown)
            self._client.activate()
        except jack.JackError as error:
            self._client.close()
            raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"JACK refused the port {name}:{PORT}: {error}") from error

    def tend(self) -> str | None:
        if self._lost is None:
            self._time.measure()
        return self._lost

    def close(self) -> None:
        self._client.deactivate()
        self._client.close()

    def _process(self, _: int) -> None:
        """One cycle, on JACK's thread. An exception would end the callbacks without a word, so it becomes a loss."""
        try:
            start = None
            for frame, data in self._in.incoming_midi_events():
                if start is None:
                    start = self._time.host(self._client.last_frame_time)
                self._take(HostTime(start + frame / self._rate), bytes(data))
        except Exception as error:
            self._lost = f"the process callback failed: {type(error).__name__}: {error}"
            raise jack.CallbackExit from error

    def _on_shutdown(self, status: jack.Status, reason: str) -> None:
        self._lost = f"the JACK server went away ({reason or status})"

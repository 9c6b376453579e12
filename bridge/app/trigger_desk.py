"""What comes in at the MIDI input and is no clock: configured triggers, and words in StemBridge's own system exclusive."""

import logging
from collections.abc import Callable, Sequence

from bridge.app.triggers import Trigger
from bridge.errors import BridgeError
from bridge.midi.exclusive_words import read_words
from bridge.osc.client import message_from_words
from bridge.osc.codec import OscMessage
from bridge.session.playback import MidiReceived

log = logging.getLogger("bridge.triggers")

PRESSED = 64
"""A controller's value from which on it counts as pressed: MIDI's own border between off and on."""

_CONTROL, _EXCLUSIVE = 0xB0, 0xF0


class TriggerDesk:
    """All calls belong to the event loop's thread.

    Args:
        triggers: what does what; one message may do several things, in this order.
        words: whether words in system exclusives are taken.
        obey: carries out a message of the address table.
        present: a live parameter's value now.

    """

    def __init__(
        self,
        triggers: Sequence[Trigger],
        *,
        words: bool,
        obey: Callable[[OscMessage], None],
        present: Callable[[str], float],
    ) -> None:
        self._triggers = triggers
        self._words = words
        self._obey = obey
        self._present = present
        self._controllers: dict[tuple[int, int], int] = {}
        """The last value of each controller: by status byte and number."""

    def take_midi(self, received: MidiReceived) -> None:
        """Do what each message is there for; what is refused, those who listen to jobs hear."""
        for _, message in received.messages:
            if message[0] <= _EXCLUSIVE:
                self._take(message)

    def _take(self, message: bytes) -> None:
        pressed = self._pressed(message)
        for trigger in self._triggers:
            value = trigger.pattern.value(message)
            if value is None or not (trigger.turns or (pressed and value)):
                continue
            present = 0.0 if trigger.parameter is None else self._present(trigger.parameter.name)
            done = trigger.carried_out(value, present)
            log.debug("%s: %s %s", message.hex(" "), done.address, done.arguments)
            self._obey(done)
        if self._words and message[0] == _EXCLUSIVE:
            self._take_words(message)

    def _pressed(self, message: bytes) -> bool:
        """Whether a message is a press, as far as its controller's value goes.

        A controller is pressed where it comes from below the border, or says the same again: buttons repeat themselves, and a fader
        on its way up, which never does, presses once.
        """
        if message[0] & 0xF0 != _CONTROL:
            return True
        source, value = (message[0], message[1]), message[2]
        before = self._controllers.get(source, 0)
        self._controllers[source] = value
        return value >= PRESSED and (before < PRESSED or before == value)

    def _take_words(self, message: bytes) -> None:
        try:
            words = read_words(message)
        except BridgeError as error:
            # Without an address there is nothing to refuse over OSC.
            log.warning("at the MIDI input: %s", error.message)
            return
        if words is not None:
            self._obey(message_from_words(words[0], words[1:]))

"""What a message at the MIDI input does, in words such as `play vocals` and `param threshold`; each is a message of the address table."""

from dataclasses import dataclass

from bridge.errors import BridgeError, ErrorCode
from bridge.midi.trigger import MidiPattern, read_pattern
from bridge.osc.addresses import PARAM_PREFIX, PLAY_PREFIX
from bridge.osc.client import message_from_words
from bridge.osc.codec import OscMessage
from bridge.osc.parse import parse
from bridge.osc.words import nearest
from bridge.session.parameters import PARAMETERS, Parameter

_PLAIN = {
    "cancel": "/bridge/job/cancel",
    "unload": "/bridge/job/unload",
    "panic": "/bridge/panic",
    "transport play": "/bridge/transport/play",
    "transport stop": "/bridge/transport/stop",
}


@dataclass(frozen=True, slots=True)
class Trigger:
    """One message at the input and what it does."""

    pattern: MidiPattern
    message: OscMessage
    """What is carried out; of a parameter that is turned or switched, the address alone."""
    parameter: Parameter | None = None
    """What the message's value turns, or, where it has none, what is switched between off and on."""

    @property
    def turns(self) -> bool:
        """Whether every value counts, not only a press."""
        return self.parameter is not None and self.pattern.has_value

    def carried_out(self, value: int, present: float) -> OscMessage:
        """Return what a value of 0 to 127 does, where `present` is the parameter's value now."""
        if self.parameter is None:
            return self.message
        if not self.turns:
            return OscMessage(self.message.address, (int(not present),))
        low, high = self.parameter.minimum, self.parameter.maximum
        turned = low + (high - low) * value / 127
        return OscMessage(self.message.address, (round(turned) if self.parameter.whole else turned,))


def read_trigger(on: str, do: str) -> Trigger:
    """Read both halves; raises BridgeError BAD_ARGUMENT, which names what is wrong and what was expected."""
    pattern = read_pattern(on)
    words = do.split()
    plain = _PLAIN.get(" ".join(words))
    if plain is not None:
        return Trigger(pattern, OscMessage(plain))
    match words:
        case ["play", stem]:
            message = OscMessage(PLAY_PREFIX + stem)
        case ["param", name]:
            return _parameter(pattern, on, name)
        case ["param", name, value]:
            message = message_from_words(PARAM_PREFIX + name, [value])
        case _:
            expected = ", ".join((*_PLAIN, "play and a stem or all, param and a name, param and a name and a value"))
            raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{do[:80]!r} is nothing to do: expected one of {expected}")
    try:
        parse(message)
    except BridgeError as error:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{do[:80]!r} cannot be done: {error.message}") from None
    return Trigger(pattern, message)


def _parameter(pattern: MidiPattern, on: str, name: str) -> Trigger:
    parameter = PARAMETERS.get(name)
    if parameter is None:
        raise BridgeError(
            ErrorCode.BAD_ARGUMENT,
            f"there is no live parameter {name[:80]!r}; {nearest(name, PARAMETERS)}".rstrip("; "),
        )
    switch = parameter.whole and (parameter.minimum, parameter.maximum) == (0, 1)
    if not pattern.has_value and not switch:
        raise BridgeError(
            ErrorCode.BAD_ARGUMENT,
            f"{on!r} switches, and {name} takes a value from {parameter.minimum:g} to {parameter.maximum:g}: expected"
            f" `param {name} VALUE`, or a controller to turn it with",
        )
    return Trigger(pattern, OscMessage(PARAM_PREFIX + name), parameter)

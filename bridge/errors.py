"""What can go wrong, as codes that never change their meaning: they travel over OSC to scripts that compare them."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable names of refusals and failures; `/bridge/error` and `/bridge/job/failed` carry them."""

    BAD_MESSAGE = "bad_message"
    """Not an OSC packet, or one that breaks the protocol."""
    UNKNOWN_ADDRESS = "unknown_address"
    BAD_ARGUMENT = "bad_argument"
    """Missing, of the wrong type, out of range, or an unknown key."""
    FILE_NOT_FOUND = "file_not_found"
    BAD_AUDIO = "bad_audio"
    """The file cannot be decoded, or the asked-for region holds no audio."""
    BUSY = "busy"
    """The queue is full."""
    ID_IN_USE = "id_in_use"
    NO_SUCH_JOB = "no_such_job"
    NO_SELECTION = "no_selection"
    """What was to be played was never selected."""
    NO_MODEL = "no_model"
    """The model's name is unknown or its weights cannot be had."""
    STEM_UNAVAILABLE = "stem_unavailable"
    """The model at hand does not separate that stem."""
    MIDI_UNAVAILABLE = "midi_unavailable"
    WORKER_CRASHED = "worker_crashed"
    WORKER_STALLED = "worker_stalled"
    OUT_OF_MEMORY = "out_of_memory"
    DISK = "disk"
    """A file could not be written."""
    UNREACHABLE = "unreachable"
    """Nobody answers at a network address, or it cannot be listened on."""
    NOT_SUPPORTED = "not_supported"
    INTERNAL = "internal"
    """A fault of StemBridge's own."""


class BridgeError(Exception):
    """A refusal or failure with a stable code and a message that names the value and what was expected."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["BridgeError"], tuple[ErrorCode, str]]:
        """Both arguments survive pickling: errors cross from the inference process to the daemon."""
        return type(self), (self.code, self.message)

"""The settings of what starts jobs without OSC: the MIDI input and the watched folder."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.app.section import Section
from bridge.app.triggers import read_trigger
from bridge.app.watch_orders import check_stems
from bridge.errors import BridgeError
from bridge.music.sound import Stem


class TriggerEntry(Section):
    """One message at the MIDI input and what it does."""

    on: str
    do: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            read_trigger(self.on, self.do)
        except BridgeError as error:
            raise ValueError(error.message) from None
        return self


class TriggerSettings(Section):
    """What is done at the MIDI input's word."""

    midi: list[TriggerEntry] = Field(default_factory=list)
    sysex: bool = True


class WatchSettings(Section):
    """The folder whose bounces become jobs."""

    folder: str = ""
    stem: Annotated[str, AfterValidator(check_stems)] = Stem.VOCALS.value
    settle_s: Annotated[float, Field(ge=0.1, le=600)] = 2.0
    poll_s: Annotated[float, Field(ge=0.1, le=600)] = 1.0

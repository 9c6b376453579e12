"""What every section of the settings is: no key but its own, each of its own type, fixed once it is read."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

"""The units that every room speaks, as types: a number's unit stands in its signature.

`Seconds` are durations or positions on a named timeline, `HostTime` is `time.perf_counter()`, which on Linux, macOS and
Windows is one clock for all processes of the machine. A beat is always a quarter note.
"""

from typing import NewType

Seconds = NewType("Seconds", float)
"""Seconds on a timeline that the name says: the clip's, or the project's."""

HostTime = NewType("HostTime", float)
"""Seconds of `time.perf_counter()`."""

Beats = NewType("Beats", float)
"""Quarter notes on the project timeline."""

Bpm = NewType("Bpm", float)
"""Quarter notes a minute."""

Hertz = NewType("Hertz", float)
"""Cycles, or samples, a second."""

Pitch = NewType("Pitch", int)
"""A MIDI note number, 0 to 127; 69 is A4 at 440 Hz."""

Velocity = NewType("Velocity", int)
"""A MIDI velocity, 1 to 127."""

Channel = NewType("Channel", int)
"""A MIDI channel as musicians count them, 1 to 16."""

JobId = NewType("JobId", str)
"""A request id, chosen by whoever asked for the job."""

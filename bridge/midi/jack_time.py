"""JACK's clock beside ours: frame times as `perf_counter` times.

JACK counts in its own microseconds, whose origin and rate need not be those of `perf_counter`, so the distance between the two is
measured, and measured again as long as the port is open. JACK-Client does not bind the functions that this needs.
"""

import ctypes
from ctypes.util import find_library
from math import inf
from time import perf_counter

import jack

from bridge.units import HostTime, Seconds

MEASURE_EVERY = Seconds(0.25)
_TRIES = 8
_TRUSTED = 50e-6
"""Seconds between the two readings around JACK's, beyond which one is no measurement."""


class JackTime:
    """Converts between frame times of a client's server and host time."""

    def __init__(self, client: jack.Client) -> None:
        # PyDLL keeps the interpreter lock: these calls take less time than handing it over and waiting to have it back.
        library = ctypes.PyDLL(find_library("jack") or "libjack.so.0")
        self._now = library.jack_get_time
        self._now.restype = ctypes.c_uint64
        self._now.argtypes = []
        self._frames_to_time = library.jack_frames_to_time
        self._frames_to_time.restype = ctypes.c_uint64
        self._frames_to_time.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        self._client = ctypes.c_void_p(int(jack._ffi.cast("uintptr_t", client._ptr)))  # noqa: SLF001
        self._offset, width = self._read()
        self._measured = perf_counter() if width <= _TRUSTED else 0.0

    def measure(self) -> None:
        """Measure the distance between the clocks, unless that was done a moment ago or the machine is too busy now."""
        if self._measured > perf_counter() - MEASURE_EVERY:
            return
        offset, width = self._read()
        if width <= _TRUSTED:
            self._offset, self._measured = offset, perf_counter()

    def _read(self) -> tuple[float, float]:
        """The distance, JACK's time minus ours, and how closely our readings enclosed JACK's; the closest of a few tries."""
        best = (0.0, inf)
        for _ in range(_TRIES):
            before = perf_counter()
            theirs = self._now()
            after = perf_counter()
            if after - before < best[1]:
                best = (theirs * 1e-6 - (before + after) / 2, after - before)
        return best

    def host(self, frame: int) -> HostTime:
        """The host time of a frame time (unsigned, 32 bits)."""
        return HostTime(self._frames_to_time(self._client, frame & 0xFFFFFFFF) * 1e-6 - self._offset)

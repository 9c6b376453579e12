"""A JACK server of our own, without sound hardware, under a private name: for the demo on a machine that has no MIDI system."""

import os
import shutil
import subprocess
import time
from types import TracebackType
from typing import Self

import jack

from bridge.errors import BridgeError, ErrorCode

NAMES = ("stembridge-demo", "stembridge-demo-2", "stembridge-demo-3")
START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0


def installed() -> bool:
    """Whether there is a `jackd` to start."""
    return shutil.which("jackd") is not None


class PrivateJack:
    """A running `jackd` with the dummy driver, stopped on leaving; nobody's own JACK setup is touched."""

    def __init__(self) -> None:
        self.name = ""
        """Known once it runs."""

    def __enter__(self) -> Self:
        # JACK has room for eight names on a machine, and the one of a server that was killed is only taken back by that very name:
        # few fixed names leave nothing behind.
        for self.name in NAMES:
            if not self._answers() and self._comes_up():
                return self
        command = " ".join(_command(self.name))
        raise BridgeError(ErrorCode.MIDI_UNAVAILABLE, f"`{command}` did not start; try it by hand")

    def _comes_up(self) -> bool:
        environment = {**os.environ, "JACK_NO_AUDIO_RESERVATION": "1"}
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(_command(self.name), env=environment, stdin=quiet, stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                return False
        # Another demo may have been quicker with this name: it is its server that answers then.
        return self._process.poll() is None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        jack.set_error_function(lambda _: None)
        try:
            jack.Client("stembridge-probe", no_start_server=True, servername=self.name).close()
        except jack.JackError:
            time.sleep(0.05)
            return False
        return True


def _command(name: str) -> list[str]:
    return ["jackd", "-n", name, "-r", "-d", "dummy", "-r", "48000", "-p", "256"]

"""The daemon as its own process, and a client that hears everything it says."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from bridge.osc.client import OscClient
from bridge.osc.codec import OscMessage, Value

ROOT = Path(__file__).parents[1]
START_TIMEOUT = 60.0


class Heard(NamedTuple):
    """A message and when it came, as `time.perf_counter()`."""

    host: float
    message: OscMessage

    @property
    def name(self) -> str:
        """`job/done` for `/bridge/job/done`."""
        return self.message.address.removeprefix("/bridge/")

    @property
    def arguments(self) -> tuple[Value, ...]:
        return self.message.arguments


class Ear:
    """An OSC client on a port of its own that keeps all it hears."""

    def __init__(self, port: int) -> None:
        self.heard: list[Heard] = []
        self._client = OscClient("127.0.0.1", port)
        self.port = self._client.port
        self._news = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._thread.join()
        self._client.close()

    def send(self, address: str, *arguments: Value) -> None:
        self._client.send(address, *arguments)

    def id(self, job: str) -> str:
        """The request id that goes by this name here; other ears' are different."""
        return f"{job} of {self.port}"

    def start_job(self, job: str, path: Path, **pairs: Value) -> None:
        self.send("/bridge/job/start", self.id(job), str(path), *(word for pair in pairs.items() for word in pair))

    def of(self, name: str, job: str | None = None) -> list[Heard]:
        """All messages at an address, of a job where one is named."""
        return [h for h in list(self.heard) if h.name == name and (job is None or h.arguments[:1] == (self.id(job),))]

    def wait(self, name: str, job: str | None = None, *, count: int = 1, timeout: float = 30.0) -> Heard:
        """Wait for the count-th message at an address and return it."""
        self.wait_until(lambda: len(self.of(name, job)) >= count, timeout, f"{count} x {name} {job or ''}")
        return self.of(name, job)[count - 1]

    def wait_until(self, predicate: Callable[[], object], timeout: float = 30.0, what: str = "it") -> None:
        deadline = time.monotonic() + timeout
        with self._news:
            while not predicate():
                if time.monotonic() > deadline:
                    last = "\n".join(f"{h.name} {h.arguments}" for h in self.heard[-15:])
                    raise AssertionError(f"{what} did not come within {timeout} s; last heard:\n{last}")
                self._news.wait(0.02)  # The predicate may look at more than what is heard.

    def ask(self, address: str, *arguments: Value, answer: str, timeout: float = 10.0) -> tuple[Value, ...]:
        """Send, and return the arguments of the next answer at `answer`."""
        before = len(self.of(answer))
        self.send(address, *arguments)
        return self.wait(answer, count=before + 1, timeout=timeout).arguments

    def endings(self, job: str) -> list[str]:
        """What was said about the ends of a job, in order."""
        names = ("job/done", "job/failed", "job/cancelled", "job/unloaded")
        return [
            h.name.removeprefix("job/") for h in list(self.heard) if h.name in names and h.arguments[0] == self.id(job)
        ]

    def _listen(self) -> None:
        while not self._closing:
            message = self._client.receive(0.1)
            if message is not None:
                with self._news:
                    self.heard.append(Heard(time.perf_counter(), message))
                    self._news.notify_all()


class RunningDaemon:
    """`stembridge run` with a settings file of the test's own; it keeps no analyses unless the settings say so."""

    def __init__(
        self, folder: Path, settings: Mapping[str, Mapping[str, object]], environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.output = folder / "out"
        self.log = folder / "daemon.log"
        sections = {"osc": {"port": 0}, "output": {"folder": str(self.output)}, "cache": {"limit_gb": 0}, **settings}
        config = folder / "config.toml"
        config.write_text(
            "".join(
                f"[{name}]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in s.items()) for name, s in sections.items()
            )
        )
        self._log_file = self.log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run", "--config", str(config)],
            stderr=self._log_file,
            cwd=folder,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), **(environment or {})},
        )
        self.port = self._wait_for_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ear(self, *topics: str) -> Ear:
        """A new client, subscribed to some topics."""
        ear = Ear(self.port)
        for topic in topics:
            ear.send("/bridge/subscribe", topic)
        return ear

    def status(self) -> dict[str, Value]:
        with self.ear() as ear:
            said = ear.ask("/bridge/status", answer="status")
        return dict(zip(said[::2], said[1::2], strict=True))

    def child(self, name: str) -> psutil.Process:
        """The process of the player or of the inference."""
        return psutil.Process(int(self.status()[f"{name}_pid"]))

    def stop(self) -> int:
        """End it as Ctrl-C would; return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._log_file.close()

    def _wait_for_port(self) -> int:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            found = re.search(r"OSC on [\d.]+:(\d+)", self.log.read_text())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the daemon did not start:\n{self.log.read_text()}")


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k} = {_toml(v)}' for k, v in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else f"'{value}'" if isinstance(value, str) else str(value)

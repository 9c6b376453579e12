"""REAPER as far as its scripts see it: a real Lua with a stub of REAPER's API, and an ear where StemBridge would listen."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bridge.osc.codec import OscMessage, Value, decode, encode
from bridge.osc.parse import Parsed, parse
from tests.daemon_peer import ROOT

SCRIPTS = ROOT / "daw_scripts" / "reaper"
BACKGROUND = "Follow transport (background)"
PLAY_VOCALS = "Play stem as MIDI (vocals)"
TICK = 1 / 30


def lua() -> str | None:
    """A Lua that knows what REAPER's does, or None."""
    return next((found for name in ("lua5.4", "lua5.3") if (found := shutil.which(name))), None)


def missing_lua() -> str | None:
    """Why Lua cannot be run here, or None."""
    return None if lua() else "Lua is not installed (Debian: apt-get install lua5.4)"


def missing_luacheck() -> str | None:
    """Why Lua cannot be checked here, or None."""
    return None if shutil.which("luacheck") else "luacheck is not installed (Debian: apt-get install lua-check)"


def to_lua(value: Any) -> str:
    """Write a value as Lua would."""
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            return "{" + ", ".join(f"[{to_lua(name)}] = {to_lua(each)}" for name, each in value.items()) + "}"
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False)
        case Sequence():
            return "{" + ", ".join(map(to_lua, value)) + "}"
    return repr(value)


class ScriptedBridge:
    """Stands where StemBridge listens: keeps what comes and what the daemon's own table makes of it, and answers as it is told."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self.heard: list[OscMessage] = []
        self._sender: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def listen(self) -> None:
        """Take in what lies in the socket."""
        while True:
            try:
                packet, self._sender = self._socket.recvfrom(65536)
            except BlockingIOError:
                return
            self.heard += [message for group in decode(packet) for message in group.messages]

    def of(self, name: str) -> list[OscMessage]:
        self.listen()
        return [message for message in self.heard if message.address == f"/bridge/{name}"]

    def parsed(self, name: str) -> list[Parsed]:
        """The same as the daemon understands it; raises BridgeError for what it would refuse."""
        return [parse(message) for message in self.of(name)]

    def answer(self, name: str, *arguments: Value) -> None:
        self._socket.sendto(encode(OscMessage(f"/bridge/{name}", arguments)), self._sender)


class Reaper:
    """A REAPER with a project, that runs actions and its timer when it is told to."""

    def __init__(self, folder: Path, port: int, **project: Any) -> None:
        program = lua()
        assert program is not None
        folder.mkdir(exist_ok=True)
        description = folder / "project.lua"
        description.write_text(f"return {to_lua(project)}\n", encoding="utf-8")
        self.folder = folder
        self.turned = time.perf_counter()
        """When its timer went round last."""
        self._process = subprocess.Popen(
            [program, str(Path(__file__).with_name("stub_main.lua"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._do("load", description, folder)
        self.lua(f'stage.ext["StemBridge/port"] = "{port}"')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process.poll() is None:
                self._do("quit")
        finally:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()

    def run(self, action: str) -> None:
        """Run one of the actions, as from its key."""
        self._do("run", SCRIPTS / f"StemBridge - {action}.lua")

    def turn(self, count: int = 1) -> None:
        """Let REAPER's timer go so many times round, thirty times a second; its clock is the wall's."""
        for _ in range(count):
            time.sleep(TICK)
            now = time.perf_counter()
            self._do("turn", now - self.turned)
            self.turned = now

    def turn_until(self, holds: Callable[[], object], what: str = "it", timeout: float = 20.0) -> None:
        """Let the timer go round until something holds."""
        deadline = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come; boxes {self.boxes}, console {self.console}"
            self.turn()

    def lua(self, code: str) -> Any:
        """Do what a musician would: run one line of Lua with `project` and `stage`, and return its result."""
        return self._do("lua", code)

    def quit(self) -> None:
        self._do("quit")

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = self._do("summary")
        return found

    @property
    def boxes(self) -> list[str]:
        found: list[str] = self.summary["boxes"]
        return found

    @property
    def console(self) -> list[str]:
        found: list[str] = self.summary["console"]
        return found

    def _do(self, *words: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["fine"], answer["result"]
        return answer["result"]


def audio(path: Path, length: float, **more: Any) -> dict[str, Any]:
    """A source that is a file; it is made if it is missing, as the stub asks the disk whether it is there."""
    if not path.exists():
        path.write_bytes(b"RIFF")
    return {"path": path, "length": length, **more}


def section(parent: dict[str, Any], offset: float, length: float, **more: Any) -> dict[str, Any]:
    """A source that plays a part of another one."""
    return {"parent": parent, "offset": offset, "length": length, **more}


def clip(source: dict[str, Any] | None, position: float, length: float, **values: Any) -> dict[str, Any]:
    """An item that plays a source; values by the names that REAPER has for them."""
    of_item = ("B_LOOPSRC", "C_BEATATTACHMODE", "C_AUTOSTRETCH", "D_VOL")
    own = {name: value for name, value in values.items() if name in of_item}
    of_take = {name: value for name, value in values.items() if name[1] == "_" and name not in of_item}
    rest = {name: value for name, value in values.items() if name[1] != "_"}
    take = {"name": "take", "values": of_take, **({"source": source} if source else {}), **rest}
    return {"values": {"D_POSITION": position, "D_LENGTH": length, **own}, "take": take}

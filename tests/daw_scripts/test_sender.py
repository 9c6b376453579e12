"""The sender for scripts without sockets: lines in, datagrams out, answers as lines, with nothing but a system's Python."""

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.osc.codec import OscMessage, Value, encode
from tests.daemon_peer import ROOT
from tests.daw_scripts.reaper_peer import ScriptedBridge

SENDER = ROOT / "daw_scripts" / "sender.py"


class Sender:
    """sender.py as a script runs it: alone, without this project or any package in its path."""

    def __init__(self, folder: Path, port: int) -> None:
        self.answers = folder / "answers.txt"
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SENDER), "--port", str(port), "--answers", str(self.answers)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def lines(self) -> list[str]:
        return self.answers.read_text(encoding="utf-8").splitlines() if self.answers.exists() else []

    def wait_for(self, line: str) -> None:
        deadline = time.monotonic() + 10
        while line not in [said.split("\t")[0] for said in self.lines()] and line not in self.lines():
            assert time.monotonic() < deadline, f"{line} was not among {self.lines()}"
            time.sleep(0.01)

    def end(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        said = self.process.stderr.read().decode()
        self.process.stderr.close()
        return said


@pytest.fixture
def bridge() -> Iterator[ScriptedBridge]:
    with ScriptedBridge() as bridge:
        yield bridge


def heard(bridge: ScriptedBridge, count: int) -> list[OscMessage]:
    deadline = time.monotonic() + 10
    while len(bridge.heard) < count:
        assert time.monotonic() < deadline, bridge.heard
        time.sleep(0.01)
        bridge.listen()
    return bridge.heard


def test_every_type_arrives_as_it_was_meant(bridge: ScriptedBridge, tmp_path: Path) -> None:
    sender = Sender(tmp_path, bridge.port)
    sender.write("/bridge/x\tsa\\tb\\\\n\\nä \U0001f3b5\ti-7\ti5000000000\td0.1\td1e-08\tN\ts")
    sender.write("")
    sender.write("/bridge/ping")
    values = ("a\tb\\n\nä \U0001f3b5", -7, 5_000_000_000, 0.1, 1e-08, None, "")
    assert heard(bridge, 2) == [OscMessage("/bridge/x", values), OscMessage("/bridge/ping")]
    assert sender.end() == ""


def test_what_is_no_message_is_told_and_the_rest_goes_on(bridge: ScriptedBridge, tmp_path: Path) -> None:
    sender = Sender(tmp_path, bridge.port)
    for line in ("no address", "/bridge/x\tx1", "/bridge/x\tdfast", "/bridge/ping"):
        sender.write(line)
    assert heard(bridge, 1) == [OscMessage("/bridge/ping")]
    assert sender.end().count("not sent:") == 3


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (("take 1", "a\tb\\c\nd", 3, -0.5), "/bridge/x\tstake 1\tsa\\tb\\\\c\\nd\ti3\td-0.5"),
        ((2**40,), f"/bridge/x\ti{2**40}"),
        ((), "/bridge/x"),
    ],
)
def test_answers_are_lines_of_the_file(
    bridge: ScriptedBridge, tmp_path: Path, values: tuple[Value, ...], line: str
) -> None:
    sender = Sender(tmp_path, bridge.port)
    sender.write("/bridge/ping")
    heard(bridge, 1)
    bridge.answer("x", *values)
    sender.wait_for(line)
    assert sender.lines()[0].startswith("/sender/ready\ti")
    sender.end()


def test_a_bundle_is_its_messages_and_garbage_is_left_aside(bridge: ScriptedBridge, tmp_path: Path) -> None:
    sender = Sender(tmp_path, bridge.port)
    sender.write("/bridge/ping")
    heard(bridge, 1)
    messages = [encode(OscMessage(f"/bridge/{name}", (name,))) for name in ("a", "b")]
    bundle = b"#bundle\0" + (1).to_bytes(8, "big") + b"".join(len(m).to_bytes(4, "big") + m for m in messages)
    for packet in (b"\xff" * 9, b"#bundle\0" + bytes(8) + b"\0\0\0\x7f", b"/x\0\0,b\0\0", bundle):
        bridge._socket.sendto(packet, bridge._sender)
    sender.wait_for("/bridge/b\tsb")
    assert sender.lines()[1:] == ["/bridge/a\tsa", "/bridge/b\tsb"]
    assert sender.end().count("not understood:") == 3


def test_nobody_there_is_told_now_and_then(tmp_path: Path) -> None:
    with ScriptedBridge() as bridge:
        port = bridge.port
    sender = Sender(tmp_path, port)
    for _ in range(20):
        sender.write("/bridge/ping")
        time.sleep(0.01)
    sender.wait_for("/sender/refused")
    assert sender.lines().count("/sender/refused") == 1
    sender.end()


def test_a_system_with_an_old_python_runs_it() -> None:
    text = SENDER.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names

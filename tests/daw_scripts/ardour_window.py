"""The real Ardour with its window, on a display and a JACK server of its own: started, spoken to, looked at."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from bridge.osc.client import OscClient
from tests.daw_scripts.ardour_setup import ACTIONS, PROGRAM, set_up
from tests.jack_peer import JackServer

OSC_PORT = 3819
_ATTEMPTS = 5
"""Loading on JACK, Ardour 7.3 loses the server in some of all starts."""


def _listens(port: int) -> bool:
    return re.search(rf"(?m)^ *\d+: \w+:{port:04X} ", Path("/proc/net/udp").read_text()) is not None


class Region(NamedTuple):
    """A region, in samples of the session's rate."""

    track: str
    name: str
    kind: str
    position: int
    start: int
    length: int
    files: tuple[Path, ...]


class Display:
    """An X server without a screen."""

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1380x800x24", "-nolisten", "tcp"],
            pass_fds=[writing],
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        with os.fdopen(reading) as said:
            self.name = f":{said.readline().strip()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class ArdourWindow:
    """The running program; `run_action` presses one of StemBridge's menu entries, `lua` runs a script inside."""

    def __init__(self, server: JackServer, display: Display, folder: Path) -> None:
        self.folder = folder
        self.session = folder / "s"
        self.home = folder / "home"
        self.scripts = self.home / ".config/ardour7/scripts"
        self._environment = set_up(folder, server.environment | {"DISPLAY": display.name})
        self._osc = OscClient("127.0.0.1", OSC_PORT)
        self._log = (folder / "ardour.log").open("w")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for attempt in range(_ATTEMPTS):
            try:
                self._start()
            except (RuntimeError, TimeoutError):
                self._stop()
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._log.close()
        self._osc.close()

    def _start(self) -> None:
        # On one core it loses the JACK server less often while it loads.
        self._process = subprocess.Popen(
            ["taskset", "-c", "0", PROGRAM, "-n", "-a", "-d", self.session / "s.ardour"],
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        self.wait(lambda: _listens(OSC_PORT), 15, "Ardour's OSC did not come up")
        # There is no window manager to give it room.
        for window in self._xdotool("search", "--onlyvisible", "--name", "Ardour").split():
            self._xdotool("windowmove", window, "0", "0", "windowsize", window, "1380", "800")
        for _ in range(3):
            if self.lua("return Session:engine():running()", attempts=10) != "true":
                raise RuntimeError("Ardour has lost the JACK server")
            time.sleep(0.5)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def osc(self, address: str, *arguments: object) -> None:
        self._osc.send(address, *arguments)

    def run_action(self, name: str) -> None:
        self.osc("/access_action", f"LuaAction/script-{ACTIONS.index(name) + 1}")

    def lua(self, script: str, *, attempts: int = 1, timeout: float = 15.0) -> str:
        """Run a script inside, return what it returns; it sees what an action sees."""
        (self.folder / "did").unlink(missing_ok=True)
        (self.folder / "do.lua").write_text(script)
        for attempt in range(attempts):
            self.run_action("rig")
            try:
                self.wait((self.folder / "did").exists, 1.0 if attempt < attempts - 1 else timeout, "no Lua ran")
                break
            except TimeoutError:
                if attempt == attempts - 1:
                    raise
        went, said = (self.folder / "did").read_text().split("\n", 1)
        if went != "true":
            raise AssertionError(f"{said}\nin {script}")
        return said

    def place(self, file: Path, *, trim: tuple[int, int], position: int) -> None:
        """Import a file onto a new track, leave of it the samples from and to, and move it on the timeline."""
        self.lua(
            f"""
            local files = C.StringVector() files:push_back("{file}")
            Editor:do_import(files, Editing.ImportDistinctFiles, Editing.ImportAsTrack, ARDOUR.SrcQuality.SrcBest,
              ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
              Temporal.timepos_t(0), ARDOUR.PluginInfo(), ARDOUR.Track(), false)
            for r in Session:get_routes():iter() do
              if r:name() == "{file.stem}" then
                for region in r:to_track():playlist():region_list():iter() do
                  region:trim_front(Temporal.timepos_t({trim[0]}))
                  region:trim_end(Temporal.timepos_t({trim[1]}))
                  region:set_position(Temporal.timepos_t({position}))
                end
              end
            end
            """
        )

    def regions(self) -> list[Region]:
        """Every region of the session as Ardour tells it."""
        told = self.lua(
            """
            local lines = {}
            for r in Session:get_routes():iter() do
              local track = r:to_track()
              if not track:isnil() then
                for region in track:playlist():region_list():iter() do
                  local words = {r:name(), region:name(), region:data_type():to_string(), region:position():samples(),
                    region:start():samples(), region:length():samples()}
                  local audio = region:to_audioregion()
                  for channel = 0, (audio:isnil() and 1 or audio:n_channels()) - 1 do
                    words[#words + 1] = region:source(channel):to_filesource():path()
                  end
                  lines[#lines + 1] = table.concat(words, "\\t")
                end
              end
            end
            return table.concat(lines, "\\n")
            """
        )
        rows = [line.split("\t") for line in told.splitlines()]
        return [Region(*row[:3], *map(int, row[3:6]), tuple(map(Path, row[6:]))) for row in rows]

    def select(self, *tracks: str) -> None:
        """Select all regions of these tracks, as a click would."""
        names = ", ".join(f'["{name}"] = true' for name in tracks)
        self.lua(
            f"""
            local wanted, list = {{{names}}}, ArdourUI.SelectionList()
            for r in Session:get_routes():iter() do
              local track = r:to_track()
              if wanted[r:name()] and not track:isnil() then
                for region in track:playlist():region_list():iter() do
                  list:push_back(Editor:regionview_from_region(region))
                end
              end
            end
            Editor:set_selection(list, ArdourUI.SelectionOp.Set)
            """
        )

    def wait(self, predicate: Callable[[], object], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not predicate():
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError("Ardour has ended")
            if time.monotonic() > deadline:
                raise TimeoutError(what)
            time.sleep(0.05)

    def dialog(self, timeout: float = 10.0) -> int:
        """Wait for a message of StemBridge's; return its window."""
        found: list[int] = []

        def look() -> bool:
            said = self._xdotool("search", "--onlyvisible", "--name", "^StemBridge$")
            found[:] = [int(line) for line in said.split()]
            return bool(found)

        self.wait(look, timeout, "no message appeared")
        time.sleep(0.5)  # it is there before it is painted
        return found[0]

    def close_dialog(self, window: int) -> None:
        self._xdotool("windowfocus", str(window), "key", "Escape")
        self.wait(
            lambda: not self._xdotool("search", "--onlyvisible", "--name", "^StemBridge$").split(), 5, "it stays open"
        )

    def picture(self, path: Path, window: int | None = None) -> None:
        subprocess.run(
            ["import", "-window", "root" if window is None else str(window), path],
            env=self._environment,
            check=True,
            capture_output=True,
            timeout=30,
        )

    def _xdotool(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words], env=self._environment, check=False, capture_output=True, text=True, timeout=10
        )
        return done.stdout

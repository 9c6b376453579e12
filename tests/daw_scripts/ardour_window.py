"""The real Ardour with its window, on a display and a JACK server of its own, with StemBridge's actions in its menu.

Ardour is started as a user would have left it: the scripts lie in its scripts folder, and its file of actions holds them as its
Script Manager writes them. One action more, the rig's own, runs whatever Lua a test wants to run inside.
"""

import base64
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from bridge.osc.client import OscClient
from tests.jack_peer import JackServer

SCRIPTS = Path(__file__).parents[2] / "daw_scripts/ardour"
ACTIONS = ("play_vocals", "play_bass", "play_drums", "play_other", "cancel", "import")
RATE, BPM, LATER_BPM, CHANGES_AT = 48_000, 97.0, 120.0, 10 * 60 / 97.0
"""Ardour lets tempi change on whole beats; this is the tenth."""
OSC_PORT = 3819
_ATTEMPTS = 5
"""Loading on JACK, Ardour 7.3 loses the server in some of all starts."""
_PROGRAM = "/usr/lib/ardour7/ardour-7.3.0~ds0"
_MAKE = """
assert(AudioEngine:set_backend("None (Dummy)", "", ""))
local s = assert(create_session("FOLDER/s", "s", RATE))
local map = Temporal.TempoMap.fetch_writable()
map:set_tempo(Temporal.Tempo(BPM, BPM, 4), Temporal.timepos_t(0))
map:set_tempo(Temporal.Tempo(LATER, LATER, 4), Temporal.timepos_t(CHANGE))
Temporal.TempoMap.update(map) map = nil
s:new_midi_track(ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1), ARDOUR.ChanCount(ARDOUR.DataType("audio"), 2), true,
  ARDOUR.PluginInfo(), nil, nil, 1, "Bridge", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
s:save_state("")
local state = "scripts = {} "
function ardour(header) name = header.name end
for i, path in ipairs({SCRIPTS}) do
  dofile(path)
  local source = io.open(path):read("a")
  for key, value in pairs({n = name, s = source, f = string.dump(factory, true)}) do
    state = state .. string.format("scripts[%d] = scripts[%d] or {a = {}} scripts[%d][%q] = %q ", i, i, i, key, value)
  end
end
io.open("FOLDER/actions", "wb"):write(state):close()
close_session()
"""
_RIG = """
ardour { ["type"] = "EditorAction", name = "Rig" }
function factory() return function()
  local ok, said = pcall(function() return assert(load(io.open("FOLDER/do.lua"):read("a")))() end)
  local file = io.open("FOLDER/did.part", "w")
  file:write(tostring(ok), "\\n", tostring(said))
  file:close()
  os.rename("FOLDER/did.part", "FOLDER/did")
end end
"""
_CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour>
<Config><Option name="try-autostart-engine" value="1"/></Config>
<ControlProtocols><Protocol name="Open Sound Control (OSC)" active="1" feedback="0"/></ControlProtocols>
<Extra><AudioMIDISetup><EngineStates>
<State backend="JACK" driver="" device="" input-device="" output-device="" sample-rate="48000" buffer-size="256" n-periods="0" input-latency="0" output-latency="0"
 lm-input="" lm-output="" active="1" use-buffered-io="0" midi-option="" lru="0"/>
</EngineStates></AudioMIDISetup></Extra>
</Ardour>
"""
_MENU = """<?xml version="1.0" encoding="UTF-8"?>
<UIScripts version="7003"><ActionScript lua="Lua 5.3">{}</ActionScript><ActionHooks/></UIScripts>
"""


def _listens(port: int) -> bool:
    return re.search(rf"(?m)^ *\d+: \w+:{port:04X} ", Path("/proc/net/udp").read_text()) is not None


def beats_of(seconds: float) -> float:
    """The session's tempo map."""
    return min(seconds, CHANGES_AT) * BPM / 60 + max(0.0, seconds - CHANGES_AT) * LATER_BPM / 60


def seconds_of(beats: float) -> float:
    change = beats_of(CHANGES_AT)
    return min(beats, change) * 60 / BPM + max(0.0, beats - change) * 60 / LATER_BPM


def missing_window() -> str | None:
    """Why there can be no window of Ardour's here, or None."""
    packages = {"Xvfb": "xvfb", "xdotool": "xdotool", "import": "imagemagick"}
    absent = [package for program, package in packages.items() if shutil.which(program) is None]
    if absent:
        return f"not installed: {' '.join(absent)} (Debian: apt-get install {' '.join(absent)})"
    return None if Path(_PROGRAM).exists() else f"there is no {_PROGRAM}"


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
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
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
        config = self.home / ".config/ardour7"
        config.mkdir(parents=True)
        # It has been started before, and is not to say what it thinks of the limit on locked memory.
        (config / ".a7").touch()
        (config / "instant.xml").write_text("<instant><no-memory-warning/></instant>")
        (config / "config").write_text(_CONFIG)
        self.scripts = config / "scripts"
        shutil.copytree(SCRIPTS, self.scripts)
        (folder / "rig.lua").write_text(_RIG.replace("FOLDER", str(folder)))
        self._environment = server.environment | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "DISPLAY": display.name,
            "ARDOUR_DATA_PATH": "/usr/share/ardour7",
            "ARDOUR_CONFIG_PATH": "/etc/ardour7",
            "ARDOUR_DLL_PATH": "/usr/lib/ardour7",
            "LD_LIBRARY_PATH": "/usr/lib/ardour7",
            "GTK_PATH": "/etc/ardour7:/usr/lib/ardour7",
        }
        self._make_session()
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
            ["taskset", "-c", "0", _PROGRAM, "-n", "-a", "-d", self.session / "s.ardour"],
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        self.wait(lambda: _listens(OSC_PORT), 20, "Ardour's OSC did not come up")
        if self.lua("return Session:engine():running()", attempts=20) != "true":
            raise RuntimeError("Ardour has lost the JACK server")

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
            self.osc("/access_action", f"LuaAction/script-{len(ACTIONS) + 1}")
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

    def _make_session(self) -> None:
        files = [*(self.scripts / f"stembridge_{name}.lua" for name in ACTIONS), self.folder / "rig.lua"]
        words = {
            "FOLDER": self.folder,
            "RATE": RATE,
            "BPM": BPM,
            "LATER": LATER_BPM,
            "CHANGE": round(CHANGES_AT * RATE),
            "SCRIPTS": ", ".join(f'"{path}"' for path in files),
        }
        script = self.folder / "make.lua"
        script.write_text(re.sub("|".join(words), lambda m: str(words[m[0]]), _MAKE))
        made = subprocess.run(
            ["ardour7-lua", script], env=self._environment, check=False, capture_output=True, text=True, timeout=60
        )
        if made.returncode or not (self.folder / "actions").exists():
            raise RuntimeError(f"Ardour did not make its session: {made.stdout}{made.stderr}")
        menu = base64.b64encode((self.folder / "actions").read_bytes()).decode()
        (self.home / ".config/ardour7/ui_scripts").write_text(_MENU.format(menu))
        session = self.session / "s.ardour"
        text = session.read_text()
        text = text.replace(*(f'name="Open Sound Control (OSC)" active="{active}"' for active in (0, 1)))
        # It was made without JACK, which Ardour would ask about.
        text = re.sub("<EngineHints[^>]*/>", "", text)

        session.write_text(text)

"""Ardour as a user would have left it: a session, StemBridge's scripts in their folder and in the menu, JACK and OSC chosen.

The session has one MIDI track, and a tempo change. The menu's file holds the actions as Ardour's Script Manager writes them; one
action more, the rig's own, runs whatever Lua a test wants to run inside.
"""

import base64
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "daw_scripts/ardour"
PROGRAM = "/usr/lib/ardour7/ardour-7.3.0~ds0"
ACTIONS = ("play_vocals", "play_bass", "play_drums", "play_other", "cancel", "import", "rig")
"""In the order of the menu, where the first is number 1."""
RATE, BPM, LATER_BPM, CHANGES_AT = 48_000, 97.0, 120.0, 10 * 60 / 97.0
"""Ardour lets tempi change on whole beats; this is the tenth."""
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
<State backend="JACK" driver="" device="" input-device="" output-device=""
 sample-rate="48000" buffer-size="256" n-periods="0" input-latency="0" output-latency="0"
 lm-input="" lm-output="" active="1" use-buffered-io="0" midi-option="" lru="0"/>
</EngineStates></AudioMIDISetup></Extra>
</Ardour>
"""
_MENU = """<?xml version="1.0" encoding="UTF-8"?>
<UIScripts version="7003"><ActionScript lua="Lua 5.3">{}</ActionScript><ActionHooks/></UIScripts>
"""


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
    return None if Path(PROGRAM).exists() else f"there is no {PROGRAM}"


def set_up(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Make `home` and `s`, the session, in a folder; return what Ardour is to be started with. Raises RuntimeError."""
    config = folder / "home/.config/ardour7"
    config.mkdir(parents=True)
    # It has been started before, and is not to say what it thinks of the limit on locked memory.
    (config / ".a7").touch()
    (config / "instant.xml").write_text("<instant><no-memory-warning/></instant>")
    (config / "config").write_text(_CONFIG)
    shutil.copytree(SCRIPTS, config / "scripts")
    (folder / "rig.lua").write_text(_RIG.replace("FOLDER", str(folder)))
    own = dict(environment) | {
        "HOME": str(folder / "home"),
        "XDG_CONFIG_HOME": str(folder / "home/.config"),
        "ARDOUR_DATA_PATH": "/usr/share/ardour7",
        "ARDOUR_CONFIG_PATH": "/etc/ardour7",
        "ARDOUR_DLL_PATH": "/usr/lib/ardour7",
        "LD_LIBRARY_PATH": "/usr/lib/ardour7",
        "GTK_PATH": "/etc/ardour7:/usr/lib/ardour7",
    }
    _make_session(folder, own)
    menu = base64.b64encode((folder / "actions").read_bytes()).decode()
    (config / "ui_scripts").write_text(_MENU.format(menu))
    return own


def _make_session(folder: Path, environment: Mapping[str, str]) -> None:
    installed = [folder / f"home/.config/ardour7/scripts/stembridge_{name}.lua" for name in ACTIONS[:-1]]
    words = {
        "FOLDER": folder,
        "RATE": RATE,
        "BPM": BPM,
        "LATER": LATER_BPM,
        "CHANGE": round(CHANGES_AT * RATE),
        "SCRIPTS": ", ".join(f'"{path}"' for path in (*installed, folder / "rig.lua")),
    }
    script = folder / "make.lua"
    script.write_text(re.sub("|".join(words), lambda m: str(words[m[0]]), _MAKE))
    made = subprocess.run(
        ["ardour7-lua", script], env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    if made.returncode or not (folder / "actions").exists():
        raise RuntimeError(f"Ardour did not make its session: {made.stdout}{made.stderr}")
    session = folder / "s/s.ardour"
    text = session.read_text().replace(*(f'name="Open Sound Control (OSC)" active="{active}"' for active in (0, 1)))
    # It was made without JACK, which Ardour would ask about.
    session.write_text(re.sub("<EngineHints[^>]*/>", "", text))

"""All Lua of the project is clean by luacheck, and every action is a file that REAPER can load."""

import subprocess

from tests.alone import require
from tests.daemon_peer import ROOT
from tests.daw_scripts.reaper_peer import SCRIPTS, lua, missing_lua, missing_luacheck


def test_luacheck_finds_nothing() -> None:
    require(missing_luacheck())
    command = ["luacheck", "--config", "daw_scripts/.luacheckrc", "--no-cache", "daw_scripts", "tests/daw_scripts"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_every_script_compiles() -> None:
    require(missing_lua())
    program = lua()
    assert program is not None
    scripts = sorted(SCRIPTS.rglob("*.lua"))
    assert len(scripts) > 15
    for script in scripts:
        subprocess.run([program, "-e", "assert(loadfile(...))", "-", str(script)], input=b"", check=True)


def test_the_actions_are_those_of_the_readme() -> None:
    readme = (ROOT / "daw_scripts" / "README.md").read_text(encoding="utf-8")
    for script in SCRIPTS.glob("*.lua"):
        name = script.stem.removeprefix("StemBridge - ").split(" (")[0]
        assert f"*{name}" in readme, name

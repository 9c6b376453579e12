"""Peers that speak to every network interface get a network of their own, where nobody else hears them."""

import shutil
import subprocess

import pytest

from tests.jack_peer import PEERS_REQUIRED

ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""Runs the command behind it in a network namespace with nothing but a loopback interface."""


def missing_namespace() -> str | None:
    """Why there can be no such network here, or None."""
    if shutil.which("unshare") is None:
        return "unshare is not installed (Debian: apt-get install util-linux)"
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        return "no network namespace may be made here"
    return None


def missing_ardour() -> str | None:
    """Why Ardour cannot be driven here, or None."""
    if shutil.which("ardour7-lua") is None:
        return "Ardour 7 is not installed (Debian 12: apt-get install ardour)"
    return missing_namespace()


def require(reason: str | None) -> None:
    """Skip the test where a peer is missing; fail where peers must be there."""
    if reason is None:
        return
    if PEERS_REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)

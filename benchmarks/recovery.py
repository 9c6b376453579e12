"""How fast sounding notes end when something is cancelled or dies: the daemon on JACK, seen from a receiving JACK client.

    python -m benchmarks.recovery [--tries 10]

`kill -9` of the inference process, `kill -9` of the daemon, and a cancel, each while notes sound. Times are milliseconds from the
signal or the sent datagram to the last note-off at the receiver, and to `/bridge/job/failed` at the client; the receiver's period of
256 frames at 48 kHz (5.3 ms) is part of them.
"""

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.daemon_peer import RunningDaemon
from tests.inference.model_zoo import make_repo, mixer
from tests.jack_peer import JackServer, MidiReceiver
from tests.sounds import write_melody


class Bench:
    """A daemon with a model that is held up after two segments, so that a job is always both playing and separating."""

    def __init__(self, folder: Path, server: JackServer) -> None:
        folder.mkdir(parents=True)
        self.clip = folder / "clip.wav"
        write_melody(self.clip, 20.0, every=2.0, length=1.9)
        repo = make_repo(folder / "models", {"held": mixer(0, 0, 0, 1, segment=4.0, gate=str(folder / "gate"), free=3)})
        self._log = folder / "gate.log"
        settings = {
            "midi": {"backend": "jack", "jack_server": server.name, "port": folder.name},
            "inference": {"model": "held", "models_folder": str(repo), "allow_download": False},
        }
        self.daemon = RunningDaemon(folder / "daemon", settings, server.environment)
        self.synth = MidiReceiver(server, f"{folder.name}:out")
        self.synth.wait_connected(30)
        self.ear = self.daemon.ear("job")

    def play(self, job: str) -> None:
        """Start a job and wait until a note sounds."""
        self._log.unlink(missing_ok=True)
        self.ear.start_job(job, self.clip)
        if not self.synth.wait_for(self.synth.sounding, 60):
            raise RuntimeError("no note sounds")

    def silent_after(self, began: float) -> float:
        """Wait until nothing sounds; milliseconds from `began` to the last note-off."""
        if not self.synth.wait_for(lambda: not self.synth.sounding(), 5):
            raise RuntimeError("a note hangs")
        return (self.synth.offs[-1].seen - began) * 1000

    def close(self) -> None:
        self.ear.__exit__()
        self.daemon.stop()
        self.synth.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=10)
    tries = parser.parse_args(arguments).tries
    found: dict[str, list[float]] = {}

    def note(what: str, milliseconds: float) -> None:
        found.setdefault(what, []).append(milliseconds)

    with tempfile.TemporaryDirectory() as name, JackServer() as server:
        bench = Bench(Path(name) / "Steady", server)
        for n in range(tries):
            bench.play(f"cancel {n}")
            began = time.perf_counter()
            bench.ear.send("/bridge/job/cancel", bench.ear.id(f"cancel {n}"))
            note("cancel: last note-off", bench.silent_after(began))
            bench.ear.wait("job/unloaded", f"cancel {n}")
            bench.daemon.child("inference").kill()  # It waits in the held segment.
        for n in range(tries):
            bench.play(f"crash {n}")
            child = bench.daemon.child("inference")
            began = time.perf_counter()
            child.kill()
            note("kill -9 of the inference process: last note-off", bench.silent_after(began))
            failed = bench.ear.wait("job/failed", f"crash {n}").host
            note("kill -9 of the inference process: failed", (failed - began) * 1000)
        bench.close()
        for n in range(tries):
            bench = Bench(Path(name) / f"Killed{n}", server)
            bench.play("killed")
            began = time.perf_counter()
            os.kill(bench.daemon.process.pid, signal.SIGKILL)
            note("kill -9 of the daemon: last note-off", bench.silent_after(began))
            bench.close()
    print(f"{'milliseconds':<50} median      max   tries")
    for what, times in found.items():
        print(f"{what:<50} {statistics.median(times):6.1f}   {max(times):6.1f}   {len(times):5d}")


if __name__ == "__main__":
    main()

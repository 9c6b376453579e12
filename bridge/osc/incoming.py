"""The half of the address table that clients send."""

from dataclasses import replace

from bridge.music.sound import Stem
from bridge.osc.addresses import (
    CLOCK,
    JOB,
    MAX_PORT,
    OWN_PREFIX,
    PARAM_PREFIX,
    PLAY_PREFIX,
    REQUEST_ID,
    SELECTION,
    TRANSPORT,
    parameter_value,
)
from bridge.osc.rows import ALL_TOPICS, Argument, Incoming, Kind, Topic
from bridge.session.commands import ClockName, ClockOut
from bridge.session.parameters import JOB_PARAMETERS, PARAMETERS, Parameter
from bridge.session.request import Follow, Sync, TranscriberName

_FAR = 1e6
"""Beats or seconds; no project is longer."""


def _beats(name: str, *, optional: bool = False) -> Argument:
    return Argument(name, Kind.NUMBER, "beats", -_FAR, _FAR, optional=optional)


def _bpm(*, optional: bool = False) -> Argument:
    return Argument("bpm", Kind.NUMBER, "quarter notes a minute", 20, 999, optional=optional)


_REPLY_TO = Argument("reply_to", Kind.PEER, optional=True, default="the sender")
_SOME_ID = Argument("request_id", Kind.TEXT, optional=True, default="all")
_PRESS = Argument("press", Kind.NUMBER, optional=True, default="1")
_TOPIC = Argument("topic", Kind.CHOICE, choices=(*Topic, ALL_TOPICS))

_JOB_PAIRS = (
    Argument("path2", Kind.PATH, optional=True),
    Argument("stem", Kind.CHOICES, choices=tuple(Stem), optional=True, default="vocals"),
    Argument("start", Kind.NUMBER, "s", 0, _FAR, optional=True, default="0"),
    Argument("end", Kind.NUMBER, "s", 0, _FAR, optional=True, default="the file's end"),
    _beats("at", optional=True),
    Argument("at_s", Kind.NUMBER, "s", -_FAR, _FAR, optional=True),
    Argument("rate", Kind.NUMBER, "clip seconds a project second", 0.05, 20, optional=True, default="1"),
    _bpm(optional=True),
    Argument("follow", Kind.CHOICE, choices=tuple(Follow), optional=True, default=Follow.TIME),
    Argument("sync", Kind.CHOICE, choices=tuple(Sync), optional=True, default=Sync.NOW),
    Argument("channel", Kind.WHOLE, "MIDI channel", 1, 16, optional=True, default="the stem's own"),
    Argument("program", Kind.WHOLE, "MIDI program", 0, 127, optional=True, default="none is sent"),
    Argument("threshold", Kind.NUMBER, "confidence", 0, 1, optional=True, default="the live parameter"),
    Argument("model", Kind.TEXT, optional=True, default="the configured one"),
    Argument("transcriber", Kind.CHOICE, choices=tuple(TranscriberName), optional=True, default="the configured one"),
    Argument("loop", Kind.SWITCH, optional=True, default="0"),
    *(
        replace(parameter_value(PARAMETERS[name]), name=name, optional=True, default="the live parameter")
        for name in JOB_PARAMETERS
    ),
    _REPLY_TO,
)


def _parameter_row(p: Parameter) -> Incoming:
    fixed = (
        replace(parameter_value(p), optional=True, default=f"{p.default:g} at first"),
        Argument("request_id", Kind.TEXT, optional=True, default="every job"),
    )
    address = PARAM_PREFIX + p.name
    return Incoming(address, fixed, (), (address,), f"{p.description}; without a value: asks for it")


_JOB_ANSWERS = tuple(
    JOB + name
    for name in (
        *("accepted", "progress", "ready", "behind", "tempo", "key", "result", "quality"),
        *("done", "failed", "cancelled", "unloaded"),
    )
)


def _play_row(stem: str) -> Incoming:
    what = "every stem" if stem == "all" else f"the {stem}"
    return Incoming(
        PLAY_PREFIX + stem,
        (_PRESS,),
        (_REPLY_TO,),
        _JOB_ANSWERS,
        f"starts a job with {what} of what is selected; its `request_id` is StemBridge's own",
        trigger=True,
    )


INCOMING: dict[str, Incoming] = {
    row.address: row
    for row in (
        Incoming(
            JOB + "start",
            (REQUEST_ID, Argument("path", Kind.PATH)),
            _JOB_PAIRS,
            _JOB_ANSWERS,
            "separates, transcribes and plays a clip; `path2` is the other channel of a clip kept as two mono files",
        ),
        Incoming(
            JOB + "cancel",
            (_SOME_ID,),
            (_REPLY_TO,),
            (JOB + "cancelled", JOB + "unloaded"),
            "ends the analysis of a job and what it plays",
            trigger=True,
        ),
        Incoming(
            JOB + "unload",
            (_SOME_ID,),
            (_REPLY_TO,),
            (JOB + "cancelled", JOB + "unloaded"),
            "ends what a job plays; an analysis that still runs is cancelled with it",
        ),
        Incoming(
            OWN_PREFIX + "select",
            (Argument("path", Kind.PATH),),
            _JOB_PAIRS,
            (SELECTION,),
            "remembers a clip with all that `job/start` takes for it, until the next; a script sends it when the selection changes",
        ),
        *(_play_row(stem) for stem in (*Stem, "all")),
        Incoming(JOB + "list", (_SOME_ID,), (_REPLY_TO,), (JOB + "state",), "one answer a job"),
        Incoming(JOB + "status", (_SOME_ID,), (_REPLY_TO,), (JOB + "state",), "the same as `list`"),
        Incoming(
            TRANSPORT + "/play",
            (_PRESS,),
            (),
            (TRANSPORT,),
            "rolls the project, where it is ours or the DAW lets us",
            trigger=True,
        ),
        Incoming(
            TRANSPORT + "/stop",
            (_PRESS,),
            (),
            (TRANSPORT,),
            "stops it, and every launched part",
            trigger=True,
        ),
        Incoming(TRANSPORT + "/locate", (_beats("beats"),), (), (TRANSPORT,), "moves it"),
        Incoming(
            TRANSPORT + "/tempo", (_bpm(),), (), (TRANSPORT,), "sets its tempo; where the clock tells none, says it"
        ),
        Incoming(
            TRANSPORT + "/loop",
            (_beats("start"), _beats("end"), Argument("on", Kind.SWITCH)),
            (),
            (TRANSPORT,),
            "sets its loop",
        ),
        Incoming(
            CLOCK + "/source",
            (Argument("source", Kind.CHOICE, choices=tuple(ClockName), optional=True, default="asks which it is"),),
            (_REPLY_TO,),
            (CLOCK,),
            "who says where the project is; `auto` takes the best one that is heard",
        ),
        Incoming(
            CLOCK + "/observe",
            (
                Argument("seconds", Kind.NUMBER, "s", -_FAR, _FAR, nil=True),
                Argument("beats", Kind.NUMBER, "beats", -_FAR, _FAR, nil=True),
                Argument("bpm", Kind.NUMBER, "quarter notes a minute", 1, 2000, nil=True),
                Argument("playing", Kind.SWITCH),
                _beats("loop_start", optional=True),
                _beats("loop_end", optional=True),
                Argument("loop_on", Kind.SWITCH, optional=True, default="0"),
            ),
            (),
            (),
            "how the sender's project is at this moment: with it any script is a clock, ten to thirty times a second;"
            " nil is what it does not know",
        ),
        Incoming(
            CLOCK + "/out",
            (Argument("to", Kind.CHOICE, choices=tuple(ClockOut)), Argument("on", Kind.SWITCH)),
            (_REPLY_TO,),
            (CLOCK + "/out",),
            "whether others can follow StemBridge: by MIDI clock on its port, in the network's Link session",
        ),
        Incoming(
            CLOCK + "/map",
            (Argument("path", Kind.PATH, optional=True, default="tempi as they are heard"),),
            (_REPLY_TO,),
            (CLOCK + "/map",),
            "a MIDI file with the project's tempi and time signatures, through which positions are read",
        ),
        *(_parameter_row(p) for p in PARAMETERS.values()),
        Incoming(
            "/bridge/subscribe",
            (_TOPIC,),
            (_REPLY_TO,),
            (),
            "current values at once, then changes; ends an hour after the client's last message, so a `ping` now and"
            " then keeps it, or with its TCP connection",
        ),
        Incoming("/bridge/unsubscribe", (_TOPIC,), (_REPLY_TO,), (), "ends that"),
        Incoming(
            "/bridge/reply_to",
            (Argument("host", Kind.HOST), Argument("port", Kind.WHOLE, minimum=1, maximum=MAX_PORT)),
            (),
            (),
            "where everything for this client goes from now on, over UDP, its subscriptions too",
        ),
        Incoming(
            "/bridge/ping",
            (Argument("token", Kind.ANY, optional=True),),
            (_REPLY_TO,),
            ("/bridge/pong",),
            "is StemBridge there?",
        ),
        Incoming("/bridge/version", (), (_REPLY_TO,), ("/bridge/version",), "which StemBridge is it?"),
        Incoming("/bridge/status", (), (_REPLY_TO,), ("/bridge/status",), "how is it?"),
        Incoming("/bridge/panic", (_PRESS,), (), ("/bridge/panic",), "silences everything, now", trigger=True),
    )
}
"""By address."""

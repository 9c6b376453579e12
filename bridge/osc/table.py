"""Every OSC address, once: parsing, the README's table, `stembridge send` and the tests all read it here."""

from dataclasses import replace

from bridge.music.sound import Stem
from bridge.osc.rows import ALL_TOPICS, Argument, Incoming, Kind, Outgoing, Topic
from bridge.session.commands import ClockName, ClockOut
from bridge.session.parameters import JOB_PARAMETERS, PARAMETERS, Parameter
from bridge.session.request import Follow, Sync, TranscriberName

API_VERSION = 1
"""Grows when an address changes its meaning; what is only added does not count."""

OWN_PREFIX = "/bridge/"
"""What every address of ours begins with."""
PARAM_PREFIX = OWN_PREFIX + "param/"
PLAY_PREFIX = OWN_PREFIX + "play/"
MAX_PORT = 65535
MAX_ID_LENGTH = 128
"""Characters of a request id."""

_FAR = 1e6
"""Beats or seconds; no project is longer."""


def _beats(name: str, *, optional: bool = False) -> Argument:
    return Argument(name, Kind.NUMBER, "beats", -_FAR, _FAR, optional=optional)


def _bpm(*, optional: bool = False) -> Argument:
    return Argument("bpm", Kind.NUMBER, "quarter notes a minute", 20, 999, optional=optional)


def _parameter(p: Parameter) -> Argument:
    if p.whole and (p.minimum, p.maximum) == (0, 1):
        return Argument("value", Kind.SWITCH)
    return Argument("value", Kind.WHOLE if p.whole else Kind.NUMBER, p.unit, p.minimum, p.maximum)


_REPLY_TO = Argument("reply_to", Kind.PEER, optional=True, default="the sender")
_ID = Argument("request_id", Kind.TEXT)
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
        replace(_parameter(PARAMETERS[name]), name=name, optional=True, default="the live parameter")
        for name in JOB_PARAMETERS
    ),
    _REPLY_TO,
)


def _parameter_row(p: Parameter) -> Incoming:
    fixed = (
        replace(_parameter(p), optional=True, default=f"{p.default:g} at first"),
        Argument("request_id", Kind.TEXT, optional=True, default="every job"),
    )
    address = PARAM_PREFIX + p.name
    return Incoming(address, fixed, (), (address,), f"{p.description}; without a value: asks for it")


_JOB = "/bridge/job/"
_SELECTION = OWN_PREFIX + "selection"
_TRANSPORT = "/bridge/transport"
_CLOCK = "/bridge/clock"

_JOB_ANSWERS = tuple(
    _JOB + name
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
            _JOB + "start",
            (_ID, Argument("path", Kind.PATH)),
            _JOB_PAIRS,
            _JOB_ANSWERS,
            "separates, transcribes and plays a clip; `path2` is the other channel of a clip kept as two mono files",
        ),
        Incoming(
            _JOB + "cancel",
            (_SOME_ID,),
            (_REPLY_TO,),
            (_JOB + "cancelled", _JOB + "unloaded"),
            "ends the analysis of a job and what it plays",
            trigger=True,
        ),
        Incoming(
            _JOB + "unload",
            (_SOME_ID,),
            (_REPLY_TO,),
            (_JOB + "cancelled", _JOB + "unloaded"),
            "ends what a job plays; an analysis that still runs is cancelled with it",
        ),
        Incoming(
            OWN_PREFIX + "select",
            (Argument("path", Kind.PATH),),
            _JOB_PAIRS,
            (_SELECTION,),
            "remembers a clip with all that `job/start` takes for it, until the next; a script sends it when the selection changes",
        ),
        *(_play_row(stem) for stem in (*Stem, "all")),
        Incoming(_JOB + "list", (_SOME_ID,), (_REPLY_TO,), (_JOB + "state",), "one answer a job"),
        Incoming(_JOB + "status", (_SOME_ID,), (_REPLY_TO,), (_JOB + "state",), "the same as `list`"),
        Incoming(
            _TRANSPORT + "/play",
            (_PRESS,),
            (),
            (_TRANSPORT,),
            "rolls the project, where it is ours or the DAW lets us",
            trigger=True,
        ),
        Incoming(
            _TRANSPORT + "/stop",
            (_PRESS,),
            (),
            (_TRANSPORT,),
            "stops it, and every launched part",
            trigger=True,
        ),
        Incoming(_TRANSPORT + "/locate", (_beats("beats"),), (), (_TRANSPORT,), "moves it"),
        Incoming(
            _TRANSPORT + "/tempo", (_bpm(),), (), (_TRANSPORT,), "sets its tempo; where the clock tells none, says it"
        ),
        Incoming(
            _TRANSPORT + "/loop",
            (_beats("start"), _beats("end"), Argument("on", Kind.SWITCH)),
            (),
            (_TRANSPORT,),
            "sets its loop",
        ),
        Incoming(
            _CLOCK + "/source",
            (Argument("source", Kind.CHOICE, choices=tuple(ClockName), optional=True, default="asks which it is"),),
            (_REPLY_TO,),
            (_CLOCK,),
            "who says where the project is; `auto` takes the best one that is heard",
        ),
        Incoming(
            _CLOCK + "/observe",
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
            _CLOCK + "/out",
            (Argument("to", Kind.CHOICE, choices=tuple(ClockOut)), Argument("on", Kind.SWITCH)),
            (_REPLY_TO,),
            (_CLOCK + "/out",),
            "whether others can follow StemBridge: by MIDI clock on its port, in the network's Link session",
        ),
        Incoming(
            _CLOCK + "/map",
            (Argument("path", Kind.PATH, optional=True, default="tempi as they are heard"),),
            (_REPLY_TO,),
            (_CLOCK + "/map",),
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


def _text(name: str) -> Argument:
    return Argument(name, Kind.TEXT)


def _number(name: str, unit: str = "") -> Argument:
    return Argument(name, Kind.NUMBER, unit)


def _whole(name: str, unit: str = "") -> Argument:
    return Argument(name, Kind.WHOLE, unit)


UNDEFINED = "undefined"
"""What is sent for a measure without a value."""


def _measure(name: str, unit: str = "") -> Argument:
    return Argument(name, Kind.ANY, unit)


_STEM = Argument("stem", Kind.CHOICE, choices=tuple(Stem))


def _job(name: str, description: str, *arguments: Argument) -> Outgoing:
    return Outgoing(_JOB + name, (_ID, *arguments), description, Topic.JOB)


OUTGOING: dict[str, Outgoing] = {
    row.address: row
    for row in (
        _job("accepted", "the request was sound and has a place in the queue"),
        _job("progress", "how far a stage is", _text("stage"), _number("fraction", "0 to 1")),
        _job(
            "ready",
            "playback that starts now, at the clip's start or where the project stands in it, will not overtake the analysis;"
            " `lead` is how much is known from there on",
            _number("speed", "clip seconds a second"),
            _number("lead", "s"),
        ),
        _job("behind", "playback waits for the analysis", _number("seconds", "s")),
        _job(
            "result",
            "a stem and its MIDI file are written",
            _STEM,
            _whole("notes"),
            _text("midi_path"),
            _text("stem_path"),
            _text("model"),
        ),
        Outgoing(
            _JOB + "quality",
            (_ID, _STEM, _whole("schema"), _number("begin", "s"), _number("end", "s"), _whole("notes")),
            f"how well the notes match the stem; `{UNDEFINED}` where silence leaves nothing to measure",
            Topic.QUALITY,
            pairs=tuple(
                _measure(name, unit)
                for name, unit in (
                    *(("pitchgram", "-1 to 1"), ("pitchgram_null", "-1 to 1")),
                    *(("onset", "-1 to 1"), ("onset_null", "-1 to 1"), ("onset_lag_ms", "ms")),
                    *(("chroma", "0 to 1"), ("chroma_null", "0 to 1")),
                    *(("waveform", "-1 to 1"), ("waveform_null", "-1 to 1"), ("waveform_lag_ms", "ms")),
                    *(("xcorr_max", ""), ("xcorr_max_null", "")),
                )
            ),
        ),
        _job(
            "tempo",
            "the clip's own tempo, as tracked for notes that follow the project's, and how sure its beats are heard",
            _number("bpm", "quarter notes a minute"),
            _number("confidence", "0 to 1"),
        ),
        _job(
            "key",
            "the key that the clip is in, as the live parameter `key` has it, its name, and how probable it is among all",
            _whole("key", "0 to 23"),
            _text("name"),
            _number("confidence", "0 to 1"),
        ),
        _job("done", "every note is known and every file written"),
        _job("failed", "the analysis ended early", _text("code"), _text("message")),
        _job("cancelled", "the analysis was ended by request"),
        _job("unloaded", "nothing of the job will sound any more", _text("reason")),
        Outgoing(
            _JOB + "state",
            (_ID, _text("state"), _text("stage"), _number("fraction", "0 to 1")),
            "the answer to `list` and `status`",
        ),
        Outgoing(
            _SELECTION,
            (_text("path"),),
            "what is selected, as `select` takes it",
            Topic.SELECTION,
            open_pairs="pair that holds for it",
        ),
        Outgoing(
            _TRANSPORT,
            (
                _number("seconds", "s"),
                _number("beats", "beats"),
                _number("bpm", "quarter notes a minute"),
                Argument("playing", Kind.SWITCH),
            ),
            "where the project is and whether it rolls",
            Topic.TRANSPORT,
        ),
        Outgoing(
            _CLOCK,
            (
                Argument("source", Kind.CHOICE, choices=tuple(ClockName)[1:]),
                Argument("locked", Kind.SWITCH),
                Argument("chosen", Kind.CHOICE, choices=tuple(ClockName)),
            ),
            "who says where the project is, and whether it is heard; one that is lost is played on without for 2 s",
            Topic.TRANSPORT,
        ),
        Outgoing(
            _CLOCK + "/out",
            (Argument("to", Kind.CHOICE, choices=tuple(ClockOut)), Argument("on", Kind.SWITCH)),
            "whether others can follow StemBridge",
            Topic.TRANSPORT,
        ),
        Outgoing(
            _CLOCK + "/map",
            (_text("path"), _whole("tempi")),
            "which tempo map is used; an empty path for none",
            Topic.TRANSPORT,
        ),
        *(
            Outgoing(
                PARAM_PREFIX + p.name,
                (_parameter(p), Argument("request_id", Kind.TEXT, optional=True, default="every job")),
                "a live parameter's value",
                Topic.PARAM,
            )
            for p in PARAMETERS.values()
        ),
        Outgoing(
            "/bridge/note",
            (
                Argument("what", Kind.CHOICE, choices=("on", "off")),
                Argument("part", Kind.TEXT, "request_id/stem"),
                _whole("channel"),
                _whole("pitch"),
                _whole("velocity"),
                _number("lateness_ms", "ms"),
            ),
            "a note message left",
            Topic.NOTE,
        ),
        Outgoing(
            "/bridge/midi",
            (_text("backend"), _text("name"), Argument("available", Kind.SWITCH), _text("message")),
            "the MIDI port opened, or was lost",
            Topic.MIDI,
        ),
        Outgoing(
            "/bridge/midi/in",
            (_text("backend"), _text("name"), Argument("available", Kind.SWITCH), _text("message")),
            "the same of the MIDI input",
            Topic.MIDI,
        ),
        Outgoing(
            "/bridge/error",
            (_text("request_id"), _text("address"), _text("code"), _text("message")),
            "what was refused and why, at most 20 a second: only to whoever asked, or, where that was a MIDI trigger or a file in"
            " the watched folder, to the subscribers of `job`",
        ),
        Outgoing("/bridge/pong", (Argument("token", Kind.ANY, optional=True),), "with the token that `ping` came with"),
        Outgoing("/bridge/version", (_text("app"), _whole("api")), "StemBridge's version and this table's"),
        Outgoing("/bridge/status", (), "the daemon's counters", open_pairs="counter"),
        Outgoing("/bridge/hello", (_text("app"), _whole("api")), "StemBridge has started; where the settings say"),
        Outgoing("/bridge/bye", (), "StemBridge leaves; to every subscriber"),
        Outgoing("/bridge/panic", (Argument("done", Kind.SWITCH),), "everything was silenced", Topic.MIDI),
    )
}
"""By address."""


def only_sent(address: str) -> bool:
    """Whether clients hear this address and never send it: hearing it back is an echo, not a question."""
    return address in OUTGOING and address not in INCOMING

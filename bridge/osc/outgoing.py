"""The half of the address table that clients hear."""

from bridge.music.sound import Stem
from bridge.osc.addresses import CLOCK, JOB, PARAM_PREFIX, REQUEST_ID, SELECTION, TRANSPORT, parameter_value
from bridge.osc.rows import Argument, Kind, Outgoing, Topic
from bridge.session.commands import ClockName, ClockOut
from bridge.session.parameters import PARAMETERS


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
    return Outgoing(JOB + name, (REQUEST_ID, *arguments), description, Topic.JOB)


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
            JOB + "quality",
            (REQUEST_ID, _STEM, _whole("schema"), _number("begin", "s"), _number("end", "s"), _whole("notes")),
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
            JOB + "state",
            (REQUEST_ID, _text("state"), _text("stage"), _number("fraction", "0 to 1")),
            "the answer to `list` and `status`",
        ),
        Outgoing(
            SELECTION,
            (_text("path"),),
            "what is selected, as `select` takes it",
            Topic.SELECTION,
            open_pairs="pair that holds for it",
        ),
        Outgoing(
            TRANSPORT,
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
            CLOCK,
            (
                Argument("source", Kind.CHOICE, choices=tuple(ClockName)[1:]),
                Argument("locked", Kind.SWITCH),
                Argument("chosen", Kind.CHOICE, choices=tuple(ClockName)),
            ),
            "who says where the project is, and whether it is heard; one that is lost is played on without for 2 s",
            Topic.TRANSPORT,
        ),
        Outgoing(
            CLOCK + "/out",
            (Argument("to", Kind.CHOICE, choices=tuple(ClockOut)), Argument("on", Kind.SWITCH)),
            "whether others can follow StemBridge",
            Topic.TRANSPORT,
        ),
        Outgoing(
            CLOCK + "/map",
            (_text("path"), _whole("tempi")),
            "which tempo map is used; an empty path for none",
            Topic.TRANSPORT,
        ),
        *(
            Outgoing(
                PARAM_PREFIX + p.name,
                (parameter_value(p), Argument("request_id", Kind.TEXT, optional=True, default="every job")),
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

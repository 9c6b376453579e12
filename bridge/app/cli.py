"""The `stembridge` command: what a musician types, and which part of the program answers."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from bridge.app import logs
from bridge.app.settings import Settings, load_settings
from bridge.errors import BridgeError
from bridge.session.request import TranscriberName

INTERRUPTED = 130
"""The exit status that shells give a program ended by Ctrl-C."""

EPILOG = """
Typical use:
  stembridge doctor                           is everything here that is needed?
  stembridge run                              start the daemon; connect a synth to the MIDI port "StemBridge"
  stembridge send /bridge/job/start a ~/song.wav stem vocals
                                              what a DAW script sends: separate, transcribe and play
  stembridge render song.mp3 --stem vocals --out out
                                              the same without playing: a stem and a MIDI file
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 1 a problem that was explained, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.action(options))
    except BridgeError as error:
        print(f"stembridge: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"stembridge: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stembridge",
        description="Plays the stem you select in a DAW as MIDI, live, while it is still being separated.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stembridge {version('stembridge')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def command(name: str, help_: str, action: object) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_, description=help_[:1].upper() + help_[1:] + ".")
        sub.set_defaults(action=action)
        sub.add_argument(
            "--config", type=Path, metavar="FILE", help="settings file (default: the user's own, if there is one)"
        )
        return sub

    command("run", "start the daemon and answer OSC until Ctrl-C", _run)

    render = command("render", "separate and transcribe a file without playing it", _render)
    render.add_argument("file", type=Path, help="wav, aiff, flac, ogg or mp3")
    render.add_argument(
        "--stem", default="vocals", help="vocals, drums, bass, other, several with commas, or all (default: vocals)"
    )
    render.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the files (default: this one)"
    )
    render.add_argument("--start", type=float, default=0.0, metavar="S", help="begin at this second of the file")
    render.add_argument("--end", type=float, metavar="S", help="stop at this second of the file")
    render.add_argument(
        "--bpm", type=float, help="tempo that the MIDI file states (default: 120); the notes' times in seconds stay"
    )
    render.add_argument("--threshold", type=float, metavar="0..1", help="leave out notes less sure than this")
    render.add_argument("--model", metavar="NAME", help="separation model (see: stembridge models)")
    render.add_argument(
        "--transcriber", metavar="NAME", help=f"{', '.join(TranscriberName)} (default: the configured one)"
    )
    render.add_argument("--picture", action="store_true", help="also draw the notes over each stem's pitchgram (PNG)")

    send = command("send", "send one OSC message to the daemon and print what it answers", _send)
    send.add_argument("address", help="such as /bridge/ping or /bridge/job/start")
    send.add_argument(
        "arguments", nargs="*", help="whole numbers are sent as int, other numbers as float, the rest as text"
    )
    send.add_argument(
        "--wait", type=float, default=1.0, metavar="S", help="listen for answers this long (default: 1; 0: do not)"
    )
    send.add_argument("--host", help="where the daemon is (default: as in the settings)")
    send.add_argument("--port", type=int, help="its OSC port (default: as in the settings)")

    calibrate = command(
        "calibrate",
        "play clicks, listen for the instrument, and say which offset_ms makes up for its delay",
        _calibrate,
    )
    calibrate.add_argument(
        "--listen",
        nargs="+",
        default=(),
        metavar="PORT",
        help="JACK's audio outputs to listen to, or one input device (default: the hardware's inputs)",
    )
    calibrate.add_argument(
        "--instrument", metavar="PORT", help="JACK's MIDI input to connect the port to (default: wait until you have)"
    )
    calibrate.add_argument(
        "--channel", type=_between(1, 16), default=1, metavar="1..16", help="MIDI channel (default: 1)"
    )
    calibrate.add_argument(
        "--pitch", type=_between(0, 127), default=60, metavar="0..127", help="MIDI note to play (default: 60)"
    )
    calibrate.add_argument("--clicks", type=int, default=24, help="how many (default: 24)")
    calibrate.add_argument(
        "--output-latency",
        type=float,
        metavar="MS",
        help="how late the DAW's own sound comes, which is not made up for (default: what JACK says, elsewhere 0)",
    )

    command("ports", "list the MIDI systems and ports of this machine", _ports)
    command("models", "list the separation models and whether their weights are here", _models)
    command("doctor", "check all that StemBridge needs and say what to do about what is missing", _doctor)

    cache = command("cache", "say what is kept of earlier analyses, or forget it", _cache)
    cache.add_argument("--clear", action="store_true", help="remove it; the next job on a clip analyses it anew")

    demo = command("demo", "play a real song's vocals through the whole chain and keep the files", _demo)
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="folder for the files (default: demo-output)",
    )
    return parser


def _between(least: int, most: int) -> Callable[[str], int]:
    """For argparse: a whole number in a range."""

    def read(text: str) -> int:
        if text.isascii() and text.isdecimal() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {least} to {most}")

    return read


# Each action imports its part when it is called: `send` and `--help` should not wait for torch.


def _run(options: argparse.Namespace) -> int:
    from bridge.app.daemon import run_daemon

    return run_daemon(_settings(options))


def _render(options: argparse.Namespace) -> int:
    from bridge.app.render import render

    return render(_settings(options), options)


def _send(options: argparse.Namespace) -> int:
    from bridge.app.send import send

    return send(_settings(options), options)


def _calibrate(options: argparse.Namespace) -> int:
    from bridge.app.calibrate import CalibrationRequest, calibrate
    from bridge.units import Channel, Pitch

    request = CalibrationRequest(
        listen=tuple(options.listen),
        instrument=options.instrument,
        channel=Channel(options.channel),
        pitch=Pitch(options.pitch),
        clicks=options.clicks,
        output_latency_ms=options.output_latency,
    )
    return calibrate(_settings(options), request)


def _ports(options: argparse.Namespace) -> int:
    from bridge.app.doctor import print_ports

    return print_ports(_settings(options))


def _models(options: argparse.Namespace) -> int:
    from bridge.app.doctor import print_models

    return print_models(_settings(options))


def _doctor(options: argparse.Namespace) -> int:
    from bridge.app.doctor import examine

    return examine(_settings(options), options.config)


def _cache(options: argparse.Namespace) -> int:
    from bridge.app.doctor import print_cache

    return print_cache(_settings(options), clear=options.clear)


def _demo(options: argparse.Namespace) -> int:
    from bridge.app.demo import demonstrate

    return demonstrate(_settings(options), options.out)


def _settings(options: argparse.Namespace) -> Settings:
    settings = load_settings(options.config)
    logs.configure(settings.log.level)
    return settings

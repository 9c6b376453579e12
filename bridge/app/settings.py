"""The settings: what `config.toml` may hold, checked as a whole before anything starts.

An unknown or wrong key is an error that names the key, the value, what was expected and the nearest valid one.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path, user_config_path, user_music_path
from pydantic import Field, ValidationError

from bridge.app.intake_settings import TriggerSettings, WatchSettings
from bridge.app.section import Section
from bridge.app.triggers import Trigger, read_trigger
from bridge.clock.ableton import ANSWERS, AbletonSource
from bridge.clock.ardour import ArdourSource
from bridge.clock.bitwig import BitwigSource
from bridge.clock.reaper import ReaperSource
from bridge.errors import BridgeError, ErrorCode
from bridge.inference.drum_map import GENERAL_MIDI, Drum
from bridge.music.sound import Stem
from bridge.session.commands import ClockName
from bridge.session.parameters import DEFAULT_CHANNELS, PARAMETERS
from bridge.session.request import TranscriberName
from bridge.units import Pitch

ChannelNumber = Annotated[int, Field(ge=1, le=16)]
MidiKey = Annotated[int, Field(ge=0, le=127)]


class OscSettings(Section):
    """Where OSC is listened for."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9123
    announce: list[str] = Field(default_factory=list)


class MidiSettings(Section):
    """The virtual port and its timing."""

    backend: Literal["auto", "jack", "alsa", "coremidi", "windows", "recording"] = "auto"
    port: Annotated[str, Field(min_length=1, max_length=60)] = "StemBridge"
    input: Annotated[str, Field(max_length=60)] = "StemBridge in"
    jack_server: str = ""
    lookahead_ms: Annotated[float, Field(ge=5, le=200)] = 20.0
    late_tolerance_ms: Annotated[float, Field(ge=0, le=1000)] = 50.0
    offset_ms: Annotated[float, Field(ge=-1000, le=1000)] = 0.0
    realtime: bool = True
    recording: str = ""


class ChannelSettings(Section):
    """The MIDI channel of each stem."""

    vocals: ChannelNumber = DEFAULT_CHANNELS[Stem.VOCALS]
    drums: ChannelNumber = DEFAULT_CHANNELS[Stem.DRUMS]
    bass: ChannelNumber = DEFAULT_CHANNELS[Stem.BASS]
    other: ChannelNumber = DEFAULT_CHANNELS[Stem.OTHER]


class InferenceSettings(Section):
    """Separation and transcription."""

    model: Annotated[str, Field(min_length=1)] = "htdemucs"
    models_folder: str = ""
    allow_download: bool = True
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    transcriber: Annotated[TranscriberName, Field(strict=False)] = TranscriberName.AUTO
    refine_onsets: bool = False
    warm_start: bool = True
    stall_s: Annotated[float, Field(ge=5, le=3600)] = 300.0


class DrumSettings(Section):
    """The MIDI key of each drum."""

    kick: MidiKey = GENERAL_MIDI[Drum.KICK]
    snare: MidiKey = GENERAL_MIDI[Drum.SNARE]
    side_stick: MidiKey = GENERAL_MIDI[Drum.SIDE_STICK]
    closed_hat: MidiKey = GENERAL_MIDI[Drum.CLOSED_HAT]
    open_hat: MidiKey = GENERAL_MIDI[Drum.OPEN_HAT]
    low_tom: MidiKey = GENERAL_MIDI[Drum.LOW_TOM]
    mid_tom: MidiKey = GENERAL_MIDI[Drum.MID_TOM]
    high_tom: MidiKey = GENERAL_MIDI[Drum.HIGH_TOM]
    crash: MidiKey = GENERAL_MIDI[Drum.CRASH]
    ride: MidiKey = GENERAL_MIDI[Drum.RIDE]


class CacheSettings(Section):
    """What was analysed before."""

    folder: str = ""
    limit_gb: Annotated[float, Field(ge=0, le=100_000)] = 8.0


class OutputSettings(Section):
    """Files that a job leaves."""

    folder: str = ""
    stem_format: Literal["wav16", "wav24", "wav32f", "flac", "mp3"] = "wav24"


class TransportSettings(Section):
    """The internal clock at the start."""

    bpm: Annotated[float, Field(ge=20, le=999)] = 120.0


class ClockSettings(Section):
    """Who says where the project is, where to find him, and who is told by us."""

    source: Annotated[ClockName, Field(strict=False)] = ClockName.AUTO
    tempo_map: str = ""
    ardour: str = f"127.0.0.1:{ArdourSource.port}"
    ableton: str = f"127.0.0.1:{AbletonSource.port}"
    ableton_answers: Annotated[int, Field(ge=1, le=65535)] = ANSWERS
    bitwig: str = f"127.0.0.1:{BitwigSource.port}"
    reaper: str = f"127.0.0.1:{ReaperSource.port}"
    pointer: Literal["sixteenths", "ticks"] = "sixteenths"
    mtc_origin_s: Annotated[float, Field(ge=0, le=86400)] = 0.0
    link_quantum: Annotated[float, Field(ge=1, le=64)] = 4.0
    send_midi: bool = False
    send_link: bool = False


class ParameterSettings(Section):
    """Live parameters at the start; a threshold below 0 leaves it to each transcriber."""

    threshold: Annotated[float, Field(ge=-1, le=PARAMETERS["threshold"].maximum)] = -1.0
    transpose: Annotated[int, Field(ge=-48, le=48)] = 0
    velocity: Annotated[float, Field(ge=0, le=4)] = 1.0
    offset_ms: Annotated[float, Field(ge=-1000, le=1000)] = 0.0
    hold_ms: Annotated[float, Field(ge=20, le=500)] = 80.0
    min_length_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    legato_ms: Annotated[float, Field(ge=0, le=2000)] = 0.0
    mono: Annotated[int, Field(ge=0, le=1)] = 0
    snap: Annotated[int, Field(ge=0, le=1)] = 0
    key: Annotated[int, Field(ge=-1, le=23)] = -1
    quantise: Annotated[float, Field(ge=0, le=1)] = 0.0
    grid: Annotated[int, Field(ge=1, le=8)] = 4
    swing: Annotated[float, Field(ge=0.5, le=0.75)] = 0.5
    bend: Annotated[int, Field(ge=0, le=2)] = 0
    bend_range: Annotated[int, Field(ge=1, le=48)] = 2
    chase: Annotated[int, Field(ge=0, le=1)] = 0


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section):
    """All of `config.toml`."""

    osc: OscSettings = OscSettings()
    midi: MidiSettings = MidiSettings()
    channels: ChannelSettings = ChannelSettings()
    inference: InferenceSettings = InferenceSettings()
    drums: DrumSettings = DrumSettings()
    cache: CacheSettings = CacheSettings()
    output: OutputSettings = OutputSettings()
    transport: TransportSettings = TransportSettings()
    clock: ClockSettings = ClockSettings()
    triggers: TriggerSettings = TriggerSettings()
    watch: WatchSettings = WatchSettings()
    parameters: ParameterSettings = ParameterSettings()
    log: LogSettings = LogSettings()

    @property
    def output_folder(self) -> Path:
        """Where each job gets a folder of its own."""
        return Path(self.output.folder).expanduser() if self.output.folder else user_music_path() / "StemBridge"

    @property
    def stem_channels(self) -> dict[Stem, int]:
        """The MIDI channel of each stem, 1 to 16."""
        return {stem: getattr(self.channels, stem) for stem in Stem}

    @property
    def drum_keys(self) -> dict[Drum, Pitch]:
        """The MIDI key of each drum."""
        return {drum: Pitch(getattr(self.drums, drum)) for drum in Drum}

    @property
    def recording_path(self) -> Path:
        """Where the recording backend writes."""
        return Path(self.midi.recording).expanduser() if self.midi.recording else self.output_folder / "recording.jsonl"

    @property
    def midi_triggers(self) -> list[Trigger]:
        """What does what at the MIDI input."""
        return [read_trigger(entry.on, entry.do) for entry in self.triggers.midi]

    @property
    def threshold(self) -> float | None:
        """The live threshold at the start; None leaves it to each transcriber."""
        return self.parameters.threshold if self.parameters.threshold >= 0 else None

    @property
    def cache_folder(self) -> Path:
        """Where stems and notes are kept for another time."""
        return Path(self.cache.folder).expanduser() if self.cache.folder else user_cache_path("stembridge") / "analyses"

    @property
    def cache_limit(self) -> int:
        """How many bytes of them."""
        return round(self.cache.limit_gb * 1e9)

    @property
    def measurements_path(self) -> Path:
        """What was found out about this machine."""
        return user_cache_path("stembridge") / "measurements.json"

    @property
    def work_folder(self) -> Path:
        """For files that live as long as a job."""
        return user_cache_path("stembridge") / "work"


def default_config_path() -> Path:
    """Where the settings are looked for when no file is named."""
    return user_config_path("stembridge") / "config.toml"


def load_settings(path: Path | None) -> Settings:
    """Read a settings file, or the user's own where it exists, or take the defaults.

    Raises:
        BridgeError: FILE_NOT_FOUND for a named file that is not there, BAD_ARGUMENT for whatever is wrong in it.

    """
    if path is None:
        path = default_config_path()
        if not path.exists():
            return Settings()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"there is no settings file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"the settings file {path} cannot be read: {error}") from error
    return parse_settings(text, str(path))


def parse_settings(text: str, name: str) -> Settings:
    """Check the text of a settings file; `name` is what errors call it."""
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{name} is not TOML: {error}") from error
    except ValidationError as error:
        lines = [_explain(tuple(map(str, e["loc"])), e["type"], e["input"], e["msg"]) for e in error.errors()]
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{name}: " + "; ".join(lines)) from error


def _explain(location: tuple[str, ...], kind: str, value: object, message: str) -> str:
    """One wrong key in words: key, value, what was expected, the nearest valid key."""
    key = ".".join(location)
    message = message.removeprefix("Value error, ")
    if kind != "extra_forbidden":
        return f"{key} = {value!r}: {message[:1].lower()}{message[1:]}"
    section = Settings.model_fields.get(location[0]) if len(location) > 1 else None
    if section is not None and section.annotation is not None:
        valid = [f"{location[0]}.{name}" for name in section.annotation.model_fields]
    else:
        valid = list(Settings.model_fields)
    everywhere = [f"{s}.{n}" for s, f in Settings.model_fields.items() for n in f.annotation.model_fields]  # type: ignore[union-attr]
    near = difflib.get_close_matches(key, valid, 1, 0.5) or [k for k in everywhere if k.endswith(f".{location[-1]}")]
    hint = f"did you mean {near[0]}?" if near else f"valid here: {', '.join(valid)}"
    return f"{key} = {value!r}: there is no such key; {hint}"

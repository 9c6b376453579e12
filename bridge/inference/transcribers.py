"""The transcribers by name; each loads its network when it is first asked for and stays loaded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.drum_map import GENERAL_MIDI, Drum
from bridge.inference.recent_audio import SAMPLE_RATE
from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS
from bridge.session.ports import Transcriber
from bridge.session.request import TranscriberName
from bridge.units import Pitch

if TYPE_CHECKING:
    from bridge.inference.device import DeviceName


def auto_for(stem: Stem) -> TranscriberName:
    """Return what `auto` takes for a stem: the best by measurement on recordings of such sources."""
    match stem:
        case Stem.VOCALS | Stem.BASS:
            return TranscriberName.MONO
        case Stem.DRUMS:
            return TranscriberName.DRUMS
        case Stem.OTHER:
            return TranscriberName.MADMOM_CNN


class LoadedTranscribers:
    """Fulfils `Transcribers`.

    Args:
        default: what a job has that names none.
        device: where the piano's CNN runs; the other networks are too small to gain from a graphics card.
        drum_keys: the MIDI key of each drum.
        refine_onsets: whether onsets are put where the attack is in the waveform, not on a frame. Voices stay where they are, and
            so do drums, by measurement: a singer's consonants begin before what is heard as the note, and strokes are found as
            closely as that.

    """

    def __init__(
        self,
        default: TranscriberName = TranscriberName.AUTO,
        device: "DeviceName" = "cpu",
        drum_keys: Mapping[Drum, Pitch] = GENERAL_MIDI,
        *,
        refine_onsets: bool = False,
    ) -> None:
        self._default, self._device, self._drum_keys = default, device, drum_keys
        self._refine_onsets = refine_onsets
        self._loaded: dict[TranscriberName, Transcriber] = {}

    def get(self, name: TranscriberName | None, stem: Stem, hold_ms: float) -> Transcriber:
        """Return the named transcriber, or the default one for None; raises BridgeError NO_MODEL without its weights."""
        wanted = self._default if name is None else name
        if wanted is TranscriberName.AUTO:
            wanted = auto_for(stem)
        if wanted is TranscriberName.MONO:
            from bridge.inference.transcribe_mono import MonoTranscriber, options_for  # noqa: PLC0415  # as below

            # What it looks for depends on the stem; its network is loaded once, and needs no warming.
            refine = self._refine_onsets and stem is not Stem.VOCALS
            return MonoTranscriber(replace(options_for(stem), hold_ms=hold_ms), refine_onsets=refine)
        if wanted not in self._loaded:
            self._loaded[wanted] = _warm(self._load(wanted))
        return self._loaded[wanted]

    def warm_up(self) -> None:
        """Load what each stem has by default."""
        for stem in Stem:
            self.get(None, stem, PARAMETERS["hold_ms"].default)

    def _load(self, name: TranscriberName) -> Transcriber:
        # Each imports its libraries when it is asked for, torch and madmom for seconds; the daemon's other processes never do.
        match name:
            case TranscriberName.MADMOM_CNN:
                from bridge.inference.device import choose_device  # noqa: PLC0415
                from bridge.inference.transcribe_cnn import MadmomCnn  # noqa: PLC0415

                return MadmomCnn(choose_device(self._device), refine_onsets=self._refine_onsets)
            case TranscriberName.MADMOM_RNN:
                from bridge.inference.transcribe_rnn import MadmomRnn  # noqa: PLC0415

                return MadmomRnn(refine_onsets=self._refine_onsets)
            case TranscriberName.DRUMS:
                from bridge.inference.transcribe_drums import Drums  # noqa: PLC0415

                return Drums(self._drum_keys)
            case _:
                raise BridgeError(ErrorCode.INTERNAL, f"transcriber {name} has no loader")


def _warm(transcriber: Transcriber) -> Transcriber:
    """Let what libraries make at first use, half a second of it, be made before the first stem waits for it."""
    transcription = transcriber.start(SAMPLE_RATE)
    noise = np.random.default_rng(0).normal(0.0, 0.1, (1, 3 * SAMPLE_RATE))
    transcription.feed(noise.astype(np.float32))
    transcription.finish()
    return transcriber

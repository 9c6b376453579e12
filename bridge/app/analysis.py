"""Puts the pipeline together from the settings: for the inference process, and for an offline render."""

import logging
from pathlib import Path

from bridge.app.settings import Settings
from bridge.audio.clip import DECODING, FileClip, open_clip
from bridge.audio.stem_file import AudioStemFile, StemFormat
from bridge.cache.cache import AnalysisCache
from bridge.inference.beats import MadmomBeats
from bridge.inference.key import MadmomKeys
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.transcribers import LoadedTranscribers
from bridge.midi.file import write_midi
from bridge.music.sound import Stem
from bridge.session.pipeline import Pipeline
from bridge.session.request import JobRequest

log = logging.getLogger("bridge.audio")


def build_pipeline(settings: Settings, threads: int) -> Pipeline:
    """Return a pipeline whose models are loaded when they are first needed; `threads` are for torch."""

    def clip(request: JobRequest, sample_rate: int, channels: int) -> FileClip:
        opened = open_clip(
            request.path,
            request.path2,
            request.start,
            request.end,
            sample_rate=sample_rate,
            channels=channels,
            work_dir=settings.work_folder,
        )
        for warning in opened.warnings:
            log.warning("job %s: %s", request.id, warning)
        return opened

    def stem_file(folder: Path, stem: Stem, sample_rate: int, channels: int) -> AudioStemFile:
        kind = StemFormat(settings.output.stem_format)
        return AudioStemFile(folder / f"{stem}{kind.suffix}", kind, sample_rate, channels)

    return Pipeline(
        separators=ModelLoader(model_options(settings, threads)),
        transcribers=transcribers(settings),
        keys=MadmomKeys(),
        beats=MadmomBeats(),
        cache=analysis_cache(settings),
        open_clip=clip,
        decoding=DECODING,
        create_stem_file=stem_file,
        write_midi=write_midi,
    )


def transcribers(settings: Settings) -> LoadedTranscribers:
    """The ways of turning stems into notes."""
    chosen = settings.inference
    return LoadedTranscribers(chosen.transcriber, chosen.device, settings.drum_keys, refine_onsets=chosen.refine_onsets)


def analysis_cache(settings: Settings) -> AnalysisCache:
    """What was analysed before."""
    return AnalysisCache(settings.cache_folder, settings.cache_limit, settings.work_folder)


def model_options(settings: Settings, threads: int) -> ModelOptions:
    """The part of the settings that says where models come from and where they run."""
    chosen = settings.inference
    return ModelOptions(
        model=chosen.model,
        folder=Path(chosen.models_folder).expanduser() if chosen.models_folder else None,
        device=chosen.device,
        precision=chosen.precision,
        measurements=settings.measurements_path,
        threads=threads,
        allow_download=chosen.allow_download,
    )

"""The inference process: the pipeline with its models, put together where torch and madmom are loaded."""

import logging
import os
from collections.abc import Callable
from multiprocessing.connection import Connection

from bridge.app import logs
from bridge.app.settings import Settings
from bridge.audio.stem_file import sweep_partial_stems
from bridge.errors import BridgeError
from bridge.inference.worker import Analyse, serve, silence_standard_output
from bridge.music.sound import Stem
from bridge.music.tempo import Transport
from bridge.session.events import JobEvent
from bridge.session.work import Work

log = logging.getLogger("bridge.inference")


def main(pipe: Connection, settings: Settings, threads: int) -> None:
    """Serve analyses on a pipe; the target of the process that `InferenceProcess` starts."""
    # Before torch is loaded: its threads are to sleep while they wait for each other. Spinning, they would take the cores from
    # whatever else is playing, and on a busy machine wait longer than they work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logs.configure(settings.log.level)
    silence_standard_output()
    serve(pipe, lambda: _load(settings, threads))


def _load(settings: Settings, threads: int) -> Analyse:
    # Here and not above: the daemon imports this module to name `main`, and must stay without torch and madmom.
    from bridge.app.analysis import build_pipeline  # noqa: PLC0415

    sweep_partial_stems(settings.output_folder)
    try:
        pipeline = build_pipeline(settings, threads)
    except BridgeError as error:
        return _refuse_all(error)
    if settings.inference.warm_start:
        try:
            pipeline.separators.warm_up((Stem.VOCALS,))
            pipeline.transcribers.warm_up()
        except BridgeError as error:  # The jobs will say so again, each to the one who asked.
            log.warning("nothing loaded ahead: %s", error.message)
        except Exception:
            log.exception("nothing loaded ahead")
    return pipeline.run


def _refuse_all(error: BridgeError) -> Analyse:
    """An analysis that fails with what is wrong with the settings, for each who asks for one."""
    log.error("no job can be analysed: %s", error.message)

    def analyse(
        work: Work, emit: Callable[[JobEvent], None], cancelled: Callable[[], bool], transport: Callable[[], Transport]
    ) -> None:
        del work, emit, cancelled, transport
        raise BridgeError(error.code, error.message)

    return analyse

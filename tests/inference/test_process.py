"""The inference process from the daemon's side: real processes that finish, fail, hang and die."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.process import InferenceProcess, Patience
from bridge.inference.worker import Analyse, serve
from bridge.music.sound import Stem
from bridge.music.tempo import Transport
from bridge.session.events import JobEvent, Progress, Stage
from bridge.session.request import JobRequest
from bridge.session.work import JobCancelled, Work
from bridge.units import Bpm, HostTime, JobId, Seconds


def work(name: str) -> Work:
    return Work(
        JobRequest(JobId(name), Path("/x.wav")),
        Path("/out"),
        Bpm(120.0),
        channels={Stem.VOCALS: 3},
        thresholds={Stem.VOCALS: None},
        holds={Stem.VOCALS: 80.0},
        key_first=False,
    )


def analyse(
    work: Work, emit: Callable[[JobEvent], None], cancelled: Callable[[], bool], transport: Callable[[], Transport]
) -> None:
    """Do what the job's name says."""
    emit(Progress(work.request.id, Stage.SEPARATING, 0.0))
    match work.request.id:
        case "finish":
            emit(Progress(work.request.id, Stage.SEPARATING, 1.0))
        case "refuse":
            raise BridgeError(ErrorCode.BAD_AUDIO, "no audio in 'x.wav'")
        case "exhaust memory":
            raise MemoryError
        case "fill the disk":
            raise OSError(28, "No space left on device", "/out/vocals.wav")
        case "go wrong":
            raise ZeroDivisionError("by zero")
        case "until cancelled":
            while not cancelled():
                time.sleep(0.001)
            raise JobCancelled
        case "follow":
            seconds = transport().seconds
            emit(Progress(work.request.id, Stage.MEASURING, seconds))
            while not cancelled():
                if transport().seconds != seconds:
                    seconds = transport().seconds
                    emit(Progress(work.request.id, Stage.MEASURING, seconds))
                time.sleep(0.001)
        case "hang":
            signal.pause()


def worker(pipe: Connection) -> None:
    serve(pipe, load)


def load() -> Analyse:
    return analyse


def crash_on_start(pipe: Connection) -> None:
    os._exit(3)


class Engine(InferenceProcess):
    """With what it said kept."""

    def __init__(self, target: Callable[..., None] = worker, **patience: float) -> None:
        super().__init__(target, patience=Patience(**{k: Seconds(v) for k, v in patience.items()}))
        self.said: list[JobEvent] = []
        self.moved = asyncio.Event()

    async def do(self, name: str) -> None:
        await asyncio.wait_for(self.run(work(name), self._keep), 30)

    def _keep(self, event: JobEvent) -> None:
        self.said.append(event)
        self.moved.set()

    async def begin(self, name: str) -> "asyncio.Task[None]":
        """Start a run and wait until it is in its analysis."""
        self.moved.clear()
        task = asyncio.create_task(self.do(name))
        await asyncio.wait_for(self.moved.wait(), 30)
        return task


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    engine.start()
    yield engine
    await engine.close()


async def test_events_arrive_in_order_and_the_run_ends(engine: Engine) -> None:
    await engine.do("finish")
    assert [e.fraction for e in engine.said if isinstance(e, Progress)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("refuse", ErrorCode.BAD_AUDIO, "no audio in 'x.wav'"),
        ("exhaust memory", ErrorCode.OUT_OF_MEMORY, "memory"),
        ("fill the disk", ErrorCode.DISK, "No space left on device: /out/vocals.wav"),
        ("go wrong", ErrorCode.INTERNAL, "ZeroDivisionError: by zero"),
    ],
)
async def test_a_failure_keeps_its_code_and_words_and_the_process(
    engine: Engine, name: str, code: ErrorCode, words: str
) -> None:
    pid = engine.pid
    with pytest.raises(BridgeError, match=words) as failure:
        await engine.do(name)
    assert failure.value.code is code
    await engine.do("finish")
    assert engine.pid == pid


async def test_cancel_ends_the_run_and_the_next_one_works(engine: Engine) -> None:
    task = await engine.begin("until cancelled")
    engine.cancel(JobId("another"))
    assert not task.done()
    engine.cancel(JobId("until cancelled"))
    with pytest.raises(JobCancelled):
        await task
    await engine.do("finish")


async def test_kill_9_fails_the_job_within_two_seconds_and_the_next_one_works(engine: Engine) -> None:
    task = await engine.begin("until cancelled")
    killed = time.perf_counter()
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(BridgeError, match="SIGKILL") as failure:
        await task
    assert failure.value.code is ErrorCode.WORKER_CRASHED
    assert time.perf_counter() - killed < 2.0
    await engine.do("finish")


async def test_a_hung_process_is_replaced(engine: Engine) -> None:
    await engine.close()
    impatient = Engine(step=0.5)
    impatient.start()
    with pytest.raises(BridgeError, match=r"0\.5 s while separating") as failure:
        await impatient.do("hang")
    assert failure.value.code is ErrorCode.WORKER_STALLED
    await impatient.do("finish")
    await impatient.close()


async def test_a_process_that_heeds_no_cancel_is_replaced(engine: Engine) -> None:
    await engine.close()
    impatient = Engine(cancel=0.5)
    impatient.start()
    task = await impatient.begin("hang")
    impatient.cancel(JobId("hang"))
    with pytest.raises(JobCancelled):
        await task
    await impatient.do("finish")
    await impatient.close()


async def test_a_process_that_cannot_start_fails_each_job_and_is_not_restarted_in_a_circle() -> None:
    broken = Engine(crash_on_start)
    for _ in range(2):
        with pytest.raises(BridgeError, match="status 3"):
            await broken.do("finish")
        assert broken.pid is None
    await broken.close()


async def test_the_process_leaves_when_its_daemon_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "daemon.py"
    script.write_text(
        "import asyncio\n"
        "from tests.inference.test_process import Engine\n"
        "async def main():\n"
        "    engine = Engine()\n"
        "    engine.start()\n"
        "    await engine.do('finish')\n"
        "    print(engine.pid, flush=True)\n"
        "    await engine.do('until cancelled')\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert daemon.stdout is not None
    child = psutil.Process(int(await asyncio.wait_for(daemon.stdout.readline(), 30)))
    daemon.kill()
    await daemon.wait()
    await asyncio.to_thread(psutil.wait_procs, [child], 5)
    assert not child.is_running()


def at(seconds: float) -> Transport:
    return Transport(HostTime(0.0), Seconds(seconds), playing=False)


async def until(engine: Engine, fraction: float) -> None:
    """Wait until the analysis has said so."""
    while not any(isinstance(e, Progress) and e.fraction == fraction for e in engine.said):
        engine.moved.clear()
        await asyncio.wait_for(engine.moved.wait(), 30)


async def test_an_analysis_follows_the_project_from_before_it_began(engine: Engine) -> None:
    engine.set_transport(at(7.0))
    task = await engine.begin("follow")
    await until(engine, 7.0)
    engine.set_transport(at(9.0))
    await until(engine, 9.0)
    engine.cancel(JobId("follow"))
    with pytest.raises(JobCancelled):
        await task


async def test_a_process_that_starts_again_knows_where_the_project_is(engine: Engine) -> None:
    engine.set_transport(at(7.0))
    await engine.do("finish")
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    while engine.pid is None or not psutil.pid_exists(engine.pid):
        await asyncio.sleep(0.001)
    with contextlib.suppress(BridgeError):  # The death may be seen only now.
        await engine.do("finish")
    task = await engine.begin("follow")
    await until(engine, 7.0)
    engine.cancel(JobId("follow"))
    with pytest.raises(JobCancelled):
        await task


async def test_a_process_that_does_not_read_never_holds_up_the_daemon(engine: Engine) -> None:
    await engine.do("finish")
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    for seconds in range(20_000):  # More than any pipe holds.
        engine.set_transport(at(float(seconds)))
    os.kill(engine.pid, signal.SIGCONT)
    task = await engine.begin("follow")
    await until(engine, 19_999.0)
    engine.cancel(JobId("follow"))
    with pytest.raises(JobCancelled):
        await task

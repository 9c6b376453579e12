"""What the files in the watched folder ask for: a bounce alone, or a job file (`take.json`) with the pairs of `/bridge/job/start`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from bridge.app.watch_scan import Mark, is_bounce, is_job
from bridge.errors import BridgeError, ErrorCode
from bridge.osc.clients import Peer
from bridge.osc.codec import OscMessage, Value
from bridge.osc.parse import parse
from bridge.session.commands import StartJob
from bridge.session.request import JobRequest

ADDRESS = "/bridge/job/start"
LARGEST_JOB = 1 << 16
"""Bytes of a job file."""
PATIENCE = 30.0
"""Seconds for which a job file's audio may be missing before that is told; it is taken whenever it comes."""
_PATHS = ("path", "path2")

Marks = Mapping[str, Mark]


@dataclass(frozen=True, slots=True)
class Asked:
    """What files ask for, in the words of OSC."""

    request: JobRequest
    """Its id is not the job's yet."""
    reply_to: Peer | None
    plays: bool
    """Whether it is to sound as well: only where a job file says when, by `sync`."""


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to do."""

    file: str
    """The file that asks for it: the job file or the bounce."""
    name: str
    """What results and errors are named after."""
    marks: tuple[tuple[str, Mark], ...]
    """All files it depends on, as they are now: where one changes, it is another order."""
    asked: Asked | BridgeError
    """The error says why it cannot be done."""
    still: float
    """Seconds since the last of its files changed."""


class OrderReader:
    """Reads one folder's orders; called from one thread at a time.

    Args:
        folder: absolute.
        stems: of a bounce without a job file, as the pair `stem` has it; empty: such a bounce is left alone.

    """

    def __init__(self, folder: Path, stems: str) -> None:
        self._folder = folder
        self._stems = stems
        self._read: dict[str, tuple[Mark, list[str], Asked | BridgeError]] = {}
        """Job files that were read, as they and the bounces beside them were then, and what they ask for."""

    def orders(self, seen: Marks, still: Mapping[str, float], settle: float) -> list[Order]:
        """Return what is asked for by files that have not changed for `settle` seconds, the oldest first; may read files."""
        bounces = [name for name in seen if is_bounce(name)]
        named: dict[str, list[str]] = {}
        for bounce in bounces:
            named.setdefault(PurePath(bounce).stem, []).append(bounce)
        orders = []
        taken: set[str] = set()
        for file in filter(is_job, seen):
            name = PurePath(file).stem
            beside = sorted(named.get(name, ()))
            taken.update(beside)
            if still[file] >= settle:
                asked = self._job(file, seen[file], beside)
                order = self._order(file, name, seen, still, asked)
                taken.update(other for other, _ in order.marks)
                orders.append(order)
        if self._stems:
            for file in bounces:
                if file not in taken:
                    # Of two bounces that differ in their ending alone, each has its own results.
                    name = PurePath(file).stem
                    name = name if len(named[name]) == 1 else file
                    orders.append(self._order(file, name, seen, still, self._bounce(file)))
        self._read = {file: read for file, read in self._read.items() if file in seen}
        ready = [order for order in orders if order.still >= settle]
        return sorted(ready, key=lambda order: max(mark.changed for _, mark in order.marks))

    def _order(
        self, file: str, name: str, seen: Marks, still: Mapping[str, float], asked: Asked | BridgeError
    ) -> Order:
        """An order as things are; one whose audio is not there yet is no error until somebody may have waited in vain."""
        used = [] if isinstance(asked, BridgeError) else [path.name for path in _paths_of(asked.request)]
        there = [each for each in dict.fromkeys((file, *used)) if each in seen]
        missing = [each for each in used if each not in seen]
        if missing:
            asked = BridgeError(
                ErrorCode.FILE_NOT_FOUND, f"{self._folder / missing[0]} is not there; {file} waits for it"
            )
        since = min(still[each] for each in there)
        return Order(
            file, name, tuple((each, seen[each]) for each in there), asked, since - (PATIENCE if missing else 0)
        )

    def _bounce(self, file: str) -> Asked | BridgeError:
        try:
            return self._ask([("path", file), ("stem", self._stems)])
        except BridgeError as error:
            return error

    def _job(self, file: str, mark: Mark, beside: list[str]) -> Asked | BridgeError:
        known = self._read.get(file)
        if known is not None and known[:2] == (mark, beside):
            return known[2]
        try:
            asked: Asked | BridgeError = self._ask(self._completed(_read_pairs(self._folder / file), file, beside))
        except BridgeError as error:
            asked = error
        self._read[file] = mark, beside, asked
        return asked

    def _completed(self, pairs: list[tuple[str, Any]], file: str, beside: list[str]) -> list[tuple[str, Any]]:
        """What a job file leaves out: the bounce of its own name, and the stems that the settings say."""
        keys = {key for key, _ in pairs}
        if len(beside) > 1 and "path" not in keys:
            raise BridgeError(
                ErrorCode.BAD_ARGUMENT, f"{file} lies beside {', '.join(beside)}: expected path to say which it is for"
            )
        added = []
        if "path" not in keys:
            added.append(("path", beside[0] if beside else f"{PurePath(file).stem}.wav"))
        if "stem" not in keys and self._stems:
            added.append(("stem", self._stems))
        return [*added, *pairs]

    def _ask(self, pairs: list[tuple[str, Any]]) -> Asked:
        """Let OSC's own parser say what it means and what is wrong; raises BridgeError."""
        words = [(key, self._in_folder(value) if key in _PATHS else value) for key, value in pairs]
        for key, value in words:
            if isinstance(value, list):
                what = "an object" if isinstance(value, _Pairs) else "a list"
                raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{ADDRESS}: {key} must be text or a number, not {what}")
        # The path has its fixed place, and what comes twice is refused there.
        first = next(i for i, (key, _) in enumerate(words) if key == "path")
        _, path = words.pop(first)
        rest: Iterator[Value] = (word for pair in words for word in pair)
        command, reply_to = parse(OscMessage(ADDRESS, ("watch", path, *rest)))
        assert isinstance(command, StartJob)
        for named in _paths_of(command.request):
            if named.parent != self._folder or not is_bounce(named.name):
                raise BridgeError(
                    ErrorCode.BAD_ARGUMENT,
                    f"{ADDRESS}: {named} is not what a job file may name: expected an audio file in {self._folder}",
                )
        return Asked(command.request, reply_to, plays=any(key == "sync" for key, _ in words))

    def _in_folder(self, value: Any) -> Any:
        """A path as OSC takes it: one that is relative is meant from the watched folder on."""
        return str(self._folder / value) if isinstance(value, str) and value and not value.startswith("~") else value


def check_stems(stems: str) -> str:
    """Return what may stand for the pair `stem`, or nothing at all; raises ValueError with OSC's words."""
    try:
        if stems:
            parse(OscMessage(ADDRESS, ("watch", "/", "stem", stems)))
    except BridgeError as error:
        raise ValueError(error.message.removeprefix(f"{ADDRESS}: ")) from None
    return stems


def _paths_of(request: JobRequest) -> list[Path]:
    return [path for path in (request.path, request.path2) if path is not None]


def _read_pairs(path: Path) -> list[tuple[str, Any]]:
    """Read a job file's keys and values in their order, twice where they are there twice; raises BridgeError."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_JOB + 1)
    except OSError as error:
        raise BridgeError(ErrorCode.FILE_NOT_FOUND, f"{path} cannot be read: {error.strerror}") from error
    if len(text) > LARGEST_JOB:
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{path} is larger than the {LARGEST_JOB} bytes that a job may have")
    try:
        pairs = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:  # ValueError: also what is no UTF-8, and a number of too many digits
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f"{path} is not JSON: {error}") from error
    if not isinstance(pairs, _Pairs):
        raise BridgeError(ErrorCode.BAD_ARGUMENT, f'{path} must hold one object, such as {{"stem": "bass"}}')
    return list(pairs)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, its keys in order and as often as they were there."""

"""What is selected, and the jobs made of it."""

from pathlib import Path

import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session.request import JobRequest, Sync
from bridge.session.selection import OwnIds, Selection


def test_without_a_selection_there_is_no_job() -> None:
    with pytest.raises(BridgeError, match="nothing is selected: expected /bridge/select") as refusal:
        Selection().job((Stem.BASS,))
    assert refusal.value.code is ErrorCode.NO_SELECTION


def test_each_job_is_the_selection_with_its_own_id_and_the_stems_asked_for() -> None:
    selection = Selection()
    selection.request = JobRequest("", Path("/a.wav"), stems=(Stem.OTHER,), start=3.0, sync=Sync.BAR)
    first, second = selection.job((Stem.BASS,)), selection.job(tuple(Stem))
    assert (first.path, first.start, first.sync, first.stems) == (Path("/a.wav"), 3.0, Sync.BAR, (Stem.BASS,))
    assert second.stems == tuple(Stem)
    assert first.id != second.id
    assert first.id.startswith("play ")
    assert selection.request.stems == (Stem.OTHER,)


def test_ids_of_another_day_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later:
        @staticmethod
        def now() -> "Later":
            return Later()

        def astimezone(self) -> "Later":
            return self

        def __format__(self, spec: str) -> str:
            return "20990101-000000"

    today = OwnIds("play")
    monkeypatch.setattr("bridge.session.selection.datetime", Later)
    assert today.next() != OwnIds("play").next() == "play 20990101-000000 1"

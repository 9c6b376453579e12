"""The pipeline: in which order it works, what it does not do twice, and what it leaves."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.session import stem_line
from bridge.session.events import JobEvent, KeyFound, Progress, Quality, Result, Stage, StretchNotes, TempoFound
from bridge.session.request import Follow, Sync
from bridge.session.work import JobCancelled
from bridge.units import Bpm, Seconds
from tests.session.bench import Bench
from tests.session.gate import one_pass
from tests.session.test_stitch import blocks

SONG = blocks(0, 0.6, 0, 0.8, 0.8, 0, 1.0, 0, 0.6, 0)


@pytest.fixture
def bench() -> Bench:
    return Bench(SONG)


def stretches(heard: list[JobEvent], stem: Stem = Stem.VOCALS) -> list[StretchNotes]:
    return [event for event in heard if isinstance(event, StretchNotes) and event.stem is stem]


def final_notes(heard: list[JobEvent], stem: Stem = Stem.VOCALS) -> list[object]:
    notes = {}
    for event in stretches(heard, stem):
        for key in event.withdrawn:
            del notes[key]
        notes.update((note.key, note) for note in event.notes)
    return [notes[key] for key in sorted(notes)]


def test_a_launched_job_goes_through_its_clip_from_the_start(bench: Bench) -> None:
    bench.parked_at(5.0)
    heard = bench.run()
    assert bench.separator.order == list(range(0, 1000, 100))
    assert final_notes(heard) == list(one_pass(SONG))
    assert [event.complete for event in stretches(heard)][-1]
    assert np.array_equal(bench.files[Stem.VOCALS].samples, SONG)


@pytest.mark.parametrize(("where", "first"), [(0.0, 0), (5.5, 500), (9.9, 900), (-3.0, 0), (40.0, 0)])
def test_what_lies_under_the_playhead_comes_first(bench: Bench, where: float, first: int) -> None:
    bench.parked_at(where)
    heard = bench.run(sync=Sync.TRANSPORT)
    assert bench.separator.order[0] == first
    assert stretches(heard)[0].known == () or stretches(heard)[0].known[0].begin == first / 100
    assert final_notes(heard) == list(one_pass(SONG)), "in the end the notes are those of one pass"
    assert np.array_equal(bench.files[Stem.VOCALS].samples, SONG), "and the file is whole and in order"
    assert bench.midi[Stem.VOCALS].notes == one_pass(SONG)


def test_a_clip_placed_later_in_the_project_counts_from_its_own_start(bench: Bench) -> None:
    bench.parked_at(12.0)
    bench.run(sync=Sync.TRANSPORT, at_s=Seconds(8.0), rate=2.0)
    assert bench.separator.order[0] == 800, "4 project seconds in, at twice the speed"


def test_the_same_clip_again_gives_all_its_notes_at_once_and_opens_nothing(bench: Bench) -> None:
    first = bench.run()
    again = bench.run()
    assert bench.clips == 1
    assert bench.separator.asked == [(Stem.VOCALS,)]
    (only,) = stretches(again)
    assert only.complete
    assert list(only.notes) == final_notes(first)
    assert again.index(only) < min(again.index(e) for e in again if isinstance(e, Result | Quality))
    assert np.array_equal(bench.files[Stem.VOCALS].samples, SONG)
    assert [e for e in again if isinstance(e, Quality)][-1] == [e for e in first if isinstance(e, Quality)][-1]


def test_another_threshold_takes_kept_notes(bench: Bench) -> None:
    bench.run()
    heard = bench.run(threshold=0.7)
    assert bench.clips == 1
    assert bench.transcriber.fed == [1000], "the stem was heard once"
    assert {note.confidence >= 0.7 for note in bench.midi[Stem.VOCALS].notes} == {True}
    assert len(final_notes(heard)) > len(bench.midi[Stem.VOCALS].notes), "the live threshold can still be lowered"


def test_another_transcriber_takes_the_kept_stem(bench: Bench) -> None:
    bench.run()
    bench.transcriber.fingerprint = "gate 2"
    heard = bench.run()
    assert bench.clips == 1
    assert bench.transcriber.fed[-1] == 1000
    assert final_notes(heard) == list(one_pass(SONG))


def test_a_kept_stem_is_transcribed_from_the_playhead_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stem_line, "HEARD_AT_ONCE", 1.0)
    bench.run()
    bench.transcriber.fingerprint = "gate 2"
    bench.parked_at(5.0)
    heard = bench.run(sync=Sync.TRANSPORT)
    assert stretches(heard)[0].known[0].begin == 5.0
    assert final_notes(heard) == list(one_pass(SONG))


def test_kept_notes_sound_while_a_stem_that_is_gone_is_separated_again(bench: Bench) -> None:
    bench.run()
    bench.cache.stems.clear()
    heard = bench.run()
    (only,) = stretches(heard)
    separating = [e for e in heard if isinstance(e, Progress) and e.stage is Stage.SEPARATING and e.fraction > 0]
    assert heard.index(only) < heard.index(separating[0])
    assert np.array_equal(bench.files[Stem.VOCALS].samples, SONG)
    assert bench.cache.stems


def test_what_is_new_does_not_wait_for_what_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stem_line, "HEARD_AT_ONCE", 1.0)
    bench.run(Stem.VOCALS)
    bench.transcriber.fingerprint = "gate 2"
    heard = bench.run(Stem.VOCALS, Stem.BASS)
    order = [event.stem for event in heard if isinstance(event, StretchNotes)]
    assert order.index(Stem.BASS) < 3
    assert final_notes(heard, Stem.VOCALS) == list(one_pass(SONG))


def test_many_kept_notes_come_in_pieces_that_say_how_far_they_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench.run()
    monkeypatch.setattr(stem_line, "NOTES_AT_ONCE", 2)
    again = stretches(bench.run())
    assert [event.complete for event in again] == [False] * (len(again) - 1) + [True]
    assert len(again) > 1
    for event, following in pairwise(again):
        assert event.known[0].end == following.notes[0].onset
    assert [note for event in again for note in event.notes] == final_notes(first)


def test_files_that_cannot_be_written_cost_no_second_analysis(bench: Bench) -> None:
    def full(*_: object) -> None:
        raise BridgeError(ErrorCode.DISK, "no room")

    bench.pipeline = replace(bench.pipeline, write_midi=full)
    with pytest.raises(BridgeError, match="no room"):
        bench.run()
    assert bench.cache.stems
    assert bench.cache.notes


def test_a_long_copy_gives_signs_of_life(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run()
    monkeypatch.setattr(stem_line, "COPY_FRAMES", 100)
    heard = bench.run()
    assert len([e for e in heard if isinstance(e, Progress) and e.stage is Stage.WRITING]) >= 10


def test_another_model_takes_nothing_that_was_kept(bench: Bench) -> None:
    bench.run()
    bench.separator.version = 2
    bench.run()
    assert bench.clips == 2


def test_only_stems_that_are_not_kept_are_separated(bench: Bench) -> None:
    bench.run(Stem.VOCALS)
    heard = bench.run(Stem.VOCALS, Stem.BASS)
    assert bench.separator.asked == [(Stem.VOCALS,), (Stem.BASS,)]
    assert stretches(heard, Stem.VOCALS)[0].complete
    assert len(stretches(heard, Stem.BASS)) > 1
    assert {e.stem for e in heard if isinstance(e, Result)} == {Stem.VOCALS, Stem.BASS}


def test_what_was_made_of_a_file_that_changed_meanwhile_is_kept_for_nobody(bench: Bench) -> None:
    bench.separator.on_begin = lambda: setattr(bench.cache, "contents", "another song")
    bench.run()
    assert not bench.cache.stems
    assert not bench.cache.notes


@pytest.mark.parametrize("when", [StretchNotes, Result, Quality])
def test_a_cancelled_job_keeps_and_leaves_nothing_half_done(bench: Bench, when: type[JobEvent]) -> None:
    bench.cancel_at = when
    with pytest.raises(JobCancelled):
        bench.run(Stem.VOCALS, Stem.BASS)
    assert all(take.closed for take in bench.cache.takes)
    states = {stem: file.state for stem, file in bench.files.items()}
    if when is StretchNotes:
        assert states == {Stem.VOCALS: "discarded", Stem.BASS: "discarded"}
        assert not bench.cache.stems
        assert not bench.cache.notes
    elif when is Result:
        assert states == {Stem.VOCALS: "closed", Stem.BASS: "discarded"}
    else:
        assert states == {Stem.VOCALS: "closed", Stem.BASS: "closed"}
        assert len(bench.cache.stems) == 2


def test_everything_that_was_opened_is_closed(bench: Bench) -> None:
    bench.run()
    bench.run()
    assert all(take.closed for take in bench.cache.takes)
    assert bench.files[Stem.VOCALS].state == "closed"


def keys(heard: list[JobEvent]) -> list[int]:
    return [event.estimate.key for event in heard if isinstance(event, KeyFound)]


def test_the_key_is_said_once_after_the_first_notes(bench: Bench) -> None:
    heard = bench.run(Stem.VOCALS, Stem.BASS)
    assert keys(heard) == [10]
    kinds = [type(event) for event in heard]
    assert kinds.index(StretchNotes) < kinds.index(KeyFound)
    assert bench.clips == 1, "the clip that is open is the one it is estimated from"


def test_notes_wait_for_the_key_that_they_are_snapped_to(bench: Bench) -> None:
    kinds = [type(event) for event in bench.run(key_first=True)]
    assert kinds.index(KeyFound) < kinds.index(StretchNotes)


def test_a_key_is_estimated_once_and_kept(bench: Bench) -> None:
    bench.run()
    heard = bench.run(key_first=True)
    assert keys(heard) == [10]
    assert bench.keys.asked == 1
    bench.cache.contents = "another song"
    bench.run()
    assert bench.keys.asked == 2


def test_the_key_comes_from_a_clip_at_the_estimators_own_rate(bench: Bench) -> None:
    bench.keys.sample_rate = 2 * bench.separator.sample_rate
    assert keys(bench.run()) == [10]
    assert bench.clips == 2


def test_silence_has_no_key() -> None:
    bench = Bench(np.zeros_like(SONG))
    assert keys(bench.run()) == []


def test_a_stem_that_is_kept_without_its_key_gets_one(bench: Bench) -> None:
    bench.run()
    bench.cache.keys.clear()
    assert keys(bench.run()) == [10]


def tempi(heard: list[JobEvent]) -> list[float]:
    return [event.track.bpm for event in heard if isinstance(event, TempoFound)]


def test_a_clip_that_follows_the_tempo_has_its_beats_tracked_before_its_notes(bench: Bench) -> None:
    heard = bench.run(follow=Follow.TEMPO)
    assert tempi(heard) == [60.0]
    kinds = [type(event) for event in heard]
    assert kinds.index(TempoFound) < kinds.index(StretchNotes)
    assert bench.tempo.bpm_at(Seconds(3.0)) == pytest.approx(60.0), "the MIDI file has the clip's own tempo"


@pytest.mark.parametrize("request_", [{"follow": Follow.TEMPO, "bpm": Bpm(90.0)}, {"follow": Follow.TIME}])
def test_no_beats_are_tracked_that_nobody_needs(bench: Bench, request_: dict[str, object]) -> None:
    assert tempi(bench.run(**request_)) == []
    assert bench.beats.asked == 0


def test_beats_are_tracked_once_and_kept(bench: Bench) -> None:
    bench.run(follow=Follow.TEMPO)
    assert tempi(bench.run(follow=Follow.TEMPO)) == [60.0]
    assert bench.beats.asked == 1


def test_a_clip_without_a_beat_cannot_follow_the_tempo() -> None:
    bench = Bench(np.zeros_like(SONG))
    with pytest.raises(BridgeError, match="no beat") as error:
        bench.run(follow=Follow.TEMPO)
    assert error.value.code is ErrorCode.BAD_AUDIO

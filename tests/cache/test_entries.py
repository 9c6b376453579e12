import itertools
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.cache.entry import Kind, entry_name
from bridge.music.beat_track import BeatTrack
from bridge.music.key import KeyEstimate
from bridge.music.notes import Note
from bridge.session.ports import KeptNotes
from tests.cache.rig import NOTES, STEM, cache_in, entries_in, files_below, keep_stem, recalled_stem, some_notes, sound

in_one_folder = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

finite = st.floats(allow_nan=False)
note_values = st.builds(
    Note,
    onset=finite,
    duration=st.none() | finite,
    pitch=st.integers(0, 127),
    velocity=st.integers(1, 127),
    confidence=st.floats(0, 1),
    bend=st.lists(st.tuples(finite, finite), max_size=4).map(tuple),
)
words = st.text(st.characters(exclude_categories=[]), max_size=5)  # lone surrogates, too


@in_one_folder
@given(notes=st.lists(note_values, max_size=10), frames=st.integers(0, 2**40), key=st.lists(words).map(tuple))
def test_notes_come_back_exactly(tmp_path, notes, frames, key):
    kept = KeptNotes(tuple(notes), frames, 44100)
    cache_in(tmp_path).keep_notes(key, kept)
    assert cache_in(tmp_path).recall_notes(key) == kept


def test_notes_of_numpy_numbers_come_back_as_equal_plain_ones(tmp_path):
    note = Note(np.float32(0.1), np.float64(0.2), np.int64(60), np.int32(64), np.float32(0.3))
    cache_in(tmp_path).keep_notes(NOTES, KeptNotes((note,), 1, 44100))
    (found,) = cache_in(tmp_path).recall_notes(NOTES).notes
    assert found == note
    assert type(found.onset) is float
    assert type(found.pitch) is int


@pytest.mark.parametrize("estimate", [KeyEstimate(0, 1.0), KeyEstimate(23, 0.1 + 0.2)])
def test_a_key_comes_back_exactly_and_is_no_other_kind_of_entry(tmp_path, estimate):
    cache_in(tmp_path).keep_key(NOTES, estimate)
    assert cache_in(tmp_path).recall_key(NOTES) == estimate
    assert cache_in(tmp_path).recall_notes(NOTES) is None


@pytest.mark.parametrize("track", [BeatTrack((), (), 0.0), BeatTrack((0.1 + 0.2, 1.0, 1.7), (0, 2), 0.123456789)])
def test_beats_come_back_exactly(tmp_path, track):
    cache_in(tmp_path).keep_beats(NOTES, track)
    assert cache_in(tmp_path).recall_beats(NOTES) == track


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_stem_comes_back_bit_for_bit(tmp_path, channels):
    samples = sound(channels=channels)
    samples[0, :5] = [np.nan, np.inf, -np.inf, -0.0, 1e-45]
    keep_stem(cache_in(tmp_path), STEM, samples)
    found = recalled_stem(cache_in(tmp_path), STEM)
    assert found.dtype == np.float32
    assert found.shape == samples.shape
    assert found.tobytes() == samples.tobytes()


@in_one_folder
@given(data=st.data(), frames=st.integers(1, 300))
def test_any_order_of_writing_gives_the_same_stem(tmp_path, data, frames):
    cuts = sorted(data.draw(st.sets(st.integers(0, frames), max_size=8)) | {0, frames})
    ranges = list(itertools.pairwise(cuts))
    order = data.draw(st.permutations(ranges + ranges[:2]))
    samples = sound(frames)
    cache = cache_in(tmp_path)
    take = cache.begin_stem(STEM, frames, 2)
    expected = np.zeros_like(samples)
    for start, stop in order:
        take.write(start, samples[:, start:stop])
        expected[:, start:stop] = samples[:, start:stop]
        np.testing.assert_array_equal(take.read(0, frames), expected)
    cache.keep_stem(take)
    take.close()
    np.testing.assert_array_equal(recalled_stem(cache, STEM), samples)


def test_frames_not_yet_written_are_silent_and_cost_no_disk(tmp_path):
    frames = 10_000_000
    take = cache_in(tmp_path).begin_stem(STEM, frames, 2)
    take.write(frames - 10, sound(10))
    assert not take.read(0, 1000).any()
    np.testing.assert_array_equal(take.read(frames - 10, frames), sound(10))
    (partial,) = files_below(tmp_path)
    assert partial.stat().st_size > frames * 8
    if hasattr(partial.stat(), "st_blocks"):
        assert partial.stat().st_blocks * 512 < 1_000_000
    take.close()


def test_reading_is_cut_to_the_stem(tmp_path):
    samples = sound(100)
    cache = cache_in(tmp_path)
    keep_stem(cache, STEM, samples)
    take = cache.recall_stem(STEM)
    assert take.frames == 100
    np.testing.assert_array_equal(take.read(-5, 3), samples[:, :3])
    np.testing.assert_array_equal(take.read(90, 1000), samples[:, 90:])
    for start, stop in ((50, 50), (60, 40), (100, 200), (500, 600), (-9, -1)):
        assert take.read(start, stop).shape == (2, 0)
    take.close()


def test_what_is_read_is_a_copy_of_ones_own(tmp_path):
    cache = cache_in(tmp_path)
    keep_stem(cache, STEM, sound())
    take = cache.recall_stem(STEM)
    take.read(0, 10)[:] = 7
    np.testing.assert_array_equal(take.read(0, 10), sound()[:, :10])
    take.close()


@pytest.mark.parametrize(("start", "shape"), [(-1, (2, 5)), (96, (2, 5)), (0, (1, 5)), (0, (2, 101))])
def test_samples_that_do_not_fit_are_refused(tmp_path, start, shape):
    take = cache_in(tmp_path).begin_stem(STEM, 100, 2)
    with pytest.raises(ValueError, match="do not fit"):
        take.write(start, np.zeros(shape, np.float32))
    take.close()


def test_a_stem_with_a_hole_cannot_be_kept(tmp_path):
    cache = cache_in(tmp_path)
    take = cache.begin_stem(STEM, 100, 2)
    take.write(0, sound(50))
    take.write(51, sound(49))
    with pytest.raises(ValueError, match="only"):
        cache.keep_stem(take)
    take.write(50, sound(1))
    cache.keep_stem(take)
    take.close()
    assert cache.recall_stem(STEM).frames == 100


def test_what_was_not_kept_is_gone_when_closed(tmp_path):
    take = cache_in(tmp_path).begin_stem(STEM, 100, 2)
    take.write(0, sound(100))
    assert len(files_below(tmp_path)) == 1
    take.close()
    take.close()
    assert files_below(tmp_path) == []
    assert cache_in(tmp_path).recall_stem(STEM) is None


def test_a_kept_stem_is_found_before_it_is_closed_and_can_still_be_read(tmp_path):
    cache = cache_in(tmp_path)
    take = cache.begin_stem(STEM, 100, 2)
    take.write(0, sound(100))
    cache.keep_stem(take)
    np.testing.assert_array_equal(recalled_stem(cache, STEM), sound(100))
    cache.clear()
    np.testing.assert_array_equal(take.read(0, 100), sound(100))
    take.close()


def test_a_kept_stem_changes_no_more(tmp_path):
    cache = cache_in(tmp_path)
    take = cache.begin_stem(STEM, 100, 2)
    take.write(0, sound(100))
    cache.keep_stem(take)
    recalled = cache.recall_stem(STEM)
    for kept in (take, recalled):
        with pytest.raises(ValueError, match="kept"):
            kept.write(0, sound(1, seed=1))
        np.testing.assert_array_equal(kept.read(0, 100), sound(100))
        kept.close()


def test_the_stem_of_an_older_recall_is_read_to_its_end_though_another_took_its_place(tmp_path):
    cache = cache_in(tmp_path)
    keep_stem(cache, STEM, sound(100))
    old = cache.recall_stem(STEM)
    keep_stem(cache, STEM, sound(200, seed=1))
    np.testing.assert_array_equal(old.read(0, 100), sound(100))
    np.testing.assert_array_equal(recalled_stem(cache, STEM), sound(200, seed=1))
    old.close()


def test_reading_beside_writing_sees_only_what_was_written(tmp_path):
    samples, block = sound(100_000), 1000
    take = cache_in(tmp_path).begin_stem(STEM, samples.shape[1], 2)

    def write():
        for start in range(0, samples.shape[1], block):
            take.write(start, samples[:, start : start + block])

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while writer.is_alive() or not reads:
        for start in range(0, samples.shape[1], 7 * block):
            found = take.read(start, start + block)
            assert not found.any() or np.array_equal(found, samples[:, start : start + block])
            reads += 1
    writer.join()
    np.testing.assert_array_equal(take.read(0, samples.shape[1]), samples)
    take.close()


def test_equal_keys_meet_and_others_do_not(tmp_path):
    cache = cache_in(tmp_path)
    keys = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), (), ("",)]
    for i, key in enumerate(keys):
        cache.keep_notes(key, some_notes(count=i))
        keep_stem(cache, key, sound(10 + i))
    for i, key in enumerate(keys):
        assert cache.recall_notes(key) == some_notes(count=i)
        assert cache.recall_stem(key).frames == 10 + i
    assert cache.recall_notes(("other",)) is None
    assert cache.recall_stem(("other",)) is None


def test_an_entry_in_the_place_of_another_is_not_taken_for_it(tmp_path):
    cache = cache_in(tmp_path)
    cache.keep_notes(NOTES, some_notes())
    (path,) = entries_in(tmp_path)
    for kind, key in ((Kind.NOTES, ("other",)), (Kind.STEM, NOTES)):
        path.with_name(entry_name(kind, key)).write_bytes(path.read_bytes())
    assert cache.recall_notes(("other",)) is None
    assert cache.recall_stem(NOTES) is None
    assert entries_in(tmp_path) == [path]


def keep_either(cache, kind):
    if kind is Kind.STEM:
        keep_stem(cache, STEM, sound(500))
    else:
        cache.keep_notes(STEM, some_notes())


def recall_either(cache, kind):
    return cache.recall_stem(STEM) if kind is Kind.STEM else cache.recall_notes(STEM)


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_entry_is_absent_and_removed(tmp_path, kind, data):
    cache = cache_in(tmp_path)
    keep_either(cache, kind)
    (path,) = entries_in(tmp_path)
    whole = path.read_bytes()
    # Half of the damage goes where the header is.
    places = st.integers(0, 200) | st.integers(0, len(whole) - 1)
    damage = data.draw(st.sampled_from(["flip", "overwrite", "cut", "append", "zeros"]))
    at = data.draw(places)
    if damage == "flip":
        damaged = whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :]
    elif damage == "overwrite":
        put = data.draw(st.binary(min_size=1, max_size=50))[: len(whole) - at]
        damaged = whole[:at] + put + whole[at + len(put) :]
    elif damage == "cut":
        damaged = whole[:at]
    elif damage == "append":
        damaged = whole + data.draw(st.binary(min_size=1, max_size=50))
    else:
        damaged = whole[:at] + bytes(len(whole) - at)
    path.write_bytes(damaged)
    if damaged == whole:
        return
    assert recall_either(cache, kind) is None
    assert entries_in(tmp_path) == []
    keep_either(cache, kind)
    assert recall_either(cache, kind) is not None


def test_every_flipped_bit_of_a_header_is_seen(tmp_path):
    cache = cache_in(tmp_path)
    cache.keep_notes(("k",), some_notes(count=0))
    (path,) = entries_in(tmp_path)
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert cache.recall_notes(("k",)) is None
        assert not path.exists()
    path.write_bytes(whole)
    assert cache.recall_notes(("k",)) == some_notes(count=0)


def test_damage_to_one_entry_leaves_the_others(tmp_path):
    cache = cache_in(tmp_path)
    cache.keep_notes(("a",), some_notes(seed=1))
    (path,) = entries_in(tmp_path)
    cache.keep_notes(("b",), some_notes(seed=2))
    path.write_bytes(b"")
    assert cache.recall_notes(("a",)) is None
    assert cache.recall_notes(("b",)) == some_notes(seed=2)


def test_an_entry_holds_no_more_than_its_samples_and_a_short_header(tmp_path):
    keep_stem(cache_in(tmp_path), STEM, sound(1000))
    (path,) = entries_in(tmp_path)
    assert 8000 < path.stat().st_size < 8200
    assert path.name == entry_name(Kind.STEM, STEM)

import dataclasses
import hashlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.cache.sources import LONGEST_INDEX, SourceIndex, _pack, _Stamp
from bridge.errors import BridgeError, ErrorCode
from bridge.session.request import JobRequest
from tests.cache.rig import cache_in, files_below


def later():
    """A clock by which every file was changed long ago."""
    return time.time() + 3600


@pytest.fixture
def hashed(monkeypatch):
    """Counts the files of which the bytes are read."""
    count = []
    digest = hashlib.file_digest

    def counting(file, algorithm):
        count.append(file.name)
        return digest(file, algorithm)

    monkeypatch.setattr("hashlib.file_digest", counting)
    return count


def index_in(folder, now=later):
    return SourceIndex(folder / "index", folder / "partial", now)


def song(folder, content=b"la la la", name="song.wav"):
    path = folder / name
    path.write_bytes(content)
    return path


def asked(path, **values):
    return JobRequest("a", path, **values)


def test_equal_contents_are_one_audio_and_others_are_not(tmp_path):
    cache = cache_in(tmp_path)
    keys = [cache.identify(asked(song(tmp_path, content, f"{i}.wav"))) for i, content in enumerate([b"a", b"a", b"b"])]
    assert keys[0] == keys[1] != keys[2]
    assert all(isinstance(word, str) for word in keys[0])


def test_the_region_and_the_second_file_are_part_of_the_key(tmp_path):
    cache = cache_in(tmp_path)
    a, b = song(tmp_path, b"a", "a.wav"), song(tmp_path, b"b", "b.wav")
    requests = [
        asked(a),
        asked(a, path2=b),
        asked(b, path2=a),
        asked(a, path2=a),
        asked(a, start=1.0),
        asked(a, start=1.0000000000000002),
        asked(a, end=1.0),
        asked(a, start=1.0, end=2.0),
    ]
    keys = {cache.identify(request) for request in requests}
    assert len(keys) == len(requests)


def test_what_is_not_about_the_audio_is_not_part_of_the_key(tmp_path):
    cache = cache_in(tmp_path)
    request = asked(song(tmp_path), start=1)
    other = dataclasses.replace(request, id="b", start=1.0, rate=2.0, loop=True, parameters={"threshold": 0.3})
    assert cache.identify(request) == cache.identify(other)


def test_an_unchanged_file_is_read_once(tmp_path, hashed):
    path, index = song(tmp_path), index_in(tmp_path)
    assert index.digest(path) == index.digest(path)
    assert len(hashed) == 1
    assert index_in(tmp_path).digest(path) == index.digest(path)
    assert len(hashed) == 1


def test_what_another_has_read_meanwhile_is_not_read_again(tmp_path, hashed):
    a, b = song(tmp_path, b"a", "a.wav"), song(tmp_path, b"b", "b.wav")
    first, second = index_in(tmp_path), index_in(tmp_path)
    first.digest(a)
    second.digest(b)
    second.digest(a)
    first.digest(b)
    assert len(hashed) == 2


def test_a_touch_costs_one_reading(tmp_path, hashed):
    path, index = song(tmp_path), index_in(tmp_path)
    before = index.digest(path)
    os.utime(path, (1, 1))
    assert [index.digest(path) for _ in range(3)] == [before] * 3
    assert len(hashed) == 2


def test_changed_content_of_the_same_length_is_another_audio(tmp_path):
    path, index = song(tmp_path, b"la la la"), index_in(tmp_path)
    before = index.digest(path)
    path.write_bytes(b"lo lo lo")
    assert index.digest(path) != before


@pytest.mark.skipif(os.name == "nt", reason="nothing tells there")
def test_changed_content_is_seen_though_length_and_time_were_put_back(tmp_path):
    path, index = song(tmp_path, b"la la la"), index_in(tmp_path)
    state, before = path.stat(), index.digest(path)
    while path.stat().st_ctime_ns == state.st_ctime_ns:  # until the file system's clock has moved on
        path.write_bytes(b"lo lo lo")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_mtime_ns == state.st_mtime_ns
    assert index.digest(path) != before


def test_another_file_under_the_same_name_is_seen(tmp_path):
    path, index = song(tmp_path, b"la la la"), index_in(tmp_path)
    state, before = path.stat(), index.digest(path)
    other = song(tmp_path, b"lo lo lo", "other.wav")
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)
    assert index.digest(path) != before


@pytest.mark.parametrize(("age", "readings"), [(0.0, 3), (1.9, 3), (-100.0, 3), (2.1, 1)])
def test_a_file_changed_less_than_two_seconds_ago_is_read_each_time(tmp_path, hashed, age, readings):
    path = song(tmp_path)
    changed = max(path.stat().st_mtime, path.stat().st_ctime)
    index = index_in(tmp_path, lambda: changed + age)
    for _ in range(3):
        index.digest(path)
    assert len(hashed) == readings


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    path, index = song(tmp_path, b"la la la"), index_in(tmp_path)
    digest = hashlib.file_digest

    def growing(file, algorithm):
        found = digest(file, algorithm)
        with path.open("ab") as more:
            more.write(b"!")
        return found

    with monkeypatch.context() as during:
        during.setattr("hashlib.file_digest", growing)
        index.digest(path)
    path.write_bytes(b"la la la")
    assert index._lines == {}
    assert index.digest(path) == SourceIndex(tmp_path / "none", None).digest(path)


def test_a_relative_path_is_the_absolute_one(tmp_path, hashed, monkeypatch):
    path, index = song(tmp_path), index_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert index.digest(Path("song.wav")) == index.digest(path)
    assert len(hashed) == 1


def test_a_relative_path_in_another_folder_is_another_file(tmp_path, monkeypatch):
    index = index_in(tmp_path)
    digests = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        song(folder, name.encode())
        monkeypatch.chdir(folder)
        digests.add(index.digest(Path("song.wav")))
    assert len(digests) == 2


def test_a_name_that_is_no_text_is_remembered(tmp_path, hashed):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    try:
        path.write_bytes(b"la")
    except (OSError, UnicodeError):
        pytest.skip("the file system takes only text")
    index_in(tmp_path).digest(path)
    index_in(tmp_path).digest(path)
    assert len(hashed) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_index_is_empty_and_never_wrong(tmp_path, data):
    a, b = song(tmp_path, b"a", "a.wav"), song(tmp_path, b"b", "b.wav")
    right = [SourceIndex(tmp_path / "none", None).digest(path) for path in (a, b)]
    index = index_in(tmp_path)
    index.digest(a)
    index.digest(b)
    whole = (tmp_path / "index").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from(
            [whole[:at], whole[:at] + b"x" + whole[at:], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], b""]
        )
    )
    (tmp_path / "index").write_bytes(damaged)
    index = index_in(tmp_path)
    index._load()
    assert index._lines == {}
    assert [index.digest(path) for path in (a, b)] == right
    assert len(index_in(tmp_path)._lines) == 0
    assert (tmp_path / "index").read_bytes() != damaged


def test_the_index_is_bounded_and_forgets_the_oldest(tmp_path, hashed):
    stamp = _Stamp(1, 2, 3, 4)
    lines = {f"/{i}.wav": (stamp, "digest") for i in range(LONGEST_INDEX)}
    (tmp_path / "index").write_bytes(_pack(lines))
    index = index_in(tmp_path)
    path = song(tmp_path)
    index.digest(path)
    again = index_in(tmp_path)
    again._load()
    assert list(again._lines) == [*list(lines)[1:], str(path)]
    again.digest(path)
    assert len(hashed) == 1


def test_an_index_that_cannot_be_written_costs_nothing_but_readings(tmp_path, hashed):
    path = song(tmp_path)
    (tmp_path / "partial").write_text("a file in the folder's place")
    for _ in range(2):
        index = index_in(tmp_path)
        index.digest(path)
        index.digest(path)
    assert len(hashed) == 2


def test_a_cache_of_limit_0_remembers_in_memory_only(tmp_path, hashed):
    cache, path = cache_in(tmp_path, limit=0, now=later), song(tmp_path)
    assert cache.identify(asked(path)) == cache.identify(asked(path))
    assert len(hashed) == 1
    assert files_below(tmp_path) == [path]


@pytest.mark.parametrize("name", ["gone.wav", "no/such/folder/a.wav", "song.wav/below.wav", "zero\0byte.wav"])
def test_a_missing_file_is_named(tmp_path, name):
    song(tmp_path)
    with pytest.raises(BridgeError, match="does not exist") as error:
        cache_in(tmp_path).identify(asked(tmp_path / name))
    assert error.value.code is ErrorCode.FILE_NOT_FOUND
    assert str(tmp_path / name) in error.value.message


def test_a_missing_second_file_is_named(tmp_path):
    with pytest.raises(BridgeError, match=r"second\.wav does not exist"):
        cache_in(tmp_path).identify(asked(song(tmp_path), path2=tmp_path / "second.wav"))


def test_a_folder_or_a_pipe_is_no_audio_file(tmp_path):
    places = [tmp_path]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        places.append(tmp_path / "pipe")
    for place in places:
        with pytest.raises(BridgeError, match="is not a file") as error:
            cache_in(tmp_path).identify(asked(place))
        assert error.value.code is ErrorCode.FILE_NOT_FOUND


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file known that opens and cannot be read")
def test_a_file_that_cannot_be_read_is_bad_audio(tmp_path):
    with pytest.raises(BridgeError, match="/proc/self/mem cannot be read") as error:
        cache_in(tmp_path).identify(asked(Path("/proc/self/mem")))
    assert error.value.code is ErrorCode.BAD_AUDIO

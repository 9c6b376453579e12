"""What files ask for, in the words of OSC."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.app import watch_orders
from bridge.app.watch_orders import Asked, Order, OrderReader
from bridge.app.watch_scan import scan
from bridge.errors import BridgeError, ErrorCode
from bridge.music.sound import Stem
from bridge.osc.clients import Peer
from bridge.osc.codec import OscMessage
from bridge.osc.parse import parse
from bridge.session.request import JobRequest, Sync

Read = Callable[..., list[Order]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write files (a dict is JSON), then say what is asked for, when all have been still for `still` seconds."""
    readers: dict[str, OrderReader] = {}

    def read_folder(files: dict[str, object] | None = None, stems: str = "vocals", still: float = 100.0) -> list[Order]:
        for name, content in (files or {}).items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            (tmp_path / name).write_bytes(data)
        seen = scan(tmp_path)
        reader = readers.setdefault(stems, OrderReader(tmp_path, stems))
        return reader.orders(seen, dict.fromkeys(seen, still), 2.0)

    return read_folder


def asked(orders: list[Order]) -> Asked:
    (order,) = orders
    assert isinstance(order.asked, Asked), order.asked
    return order.asked


def refused(orders: list[Order]) -> BridgeError:
    (order,) = orders
    assert isinstance(order.asked, BridgeError)
    return order.asked


def test_a_bounce_alone_is_a_job_on_the_stems_of_the_settings_that_does_not_sound(read: Read, tmp_path: Path) -> None:
    job = asked(read({"a take.wav": b"x"}, "bass, drums"))
    assert job == Asked(JobRequest("watch", tmp_path / "a take.wav", stems=(Stem.BASS, Stem.DRUMS)), None, plays=False)


def test_without_stems_in_the_settings_job_files_alone_count(read: Read) -> None:
    assert read({"a.wav": b"x"}, "") == []
    assert asked(read({"a.json": {}}, "")).request.stems == (Stem.VOCALS,)


def test_what_changed_a_moment_ago_is_waited_for(read: Read) -> None:
    files = {"a.wav": b"x", "b.wav": b"x", "b.json": {}}
    assert read(files, still=1.9) == []
    assert len(read(files, still=2.0)) == 2


def test_a_job_file_says_what_to_do_with_the_bounce_of_its_name(read: Read, tmp_path: Path) -> None:
    pairs = {"stem": "bass", "start": 1.5, "sync": "transport", "at": 16, "loop": True, "reply_to": "127.0.0.1:9000"}
    job = asked(read({"a.wav": b"x", "a.json": pairs}))
    words = [word for pair in pairs.items() for word in pair]
    same = parse(OscMessage("/bridge/job/start", ("watch", str(tmp_path / "a.wav"), *words)))
    assert job.request == same.command.request
    assert job.request.sync is Sync.TRANSPORT
    assert (job.reply_to, job.plays) == (Peer("udp", "127.0.0.1", 9000), True)


def test_two_mono_files_may_be_named_and_are_then_no_bounces_of_their_own(read: Read, tmp_path: Path) -> None:
    pairs = {"path": "a%L.wav", "path2": str(tmp_path / "a%R.wav")}
    job = asked(read({"a%L.wav": b"x", "a%R.wav": b"x", "a.json": pairs}))
    assert job.request == JobRequest("watch", tmp_path / "a%L.wav", path2=tmp_path / "a%R.wav")


def test_a_job_file_that_is_still_being_written_holds_its_bounce_back(read: Read, tmp_path: Path) -> None:
    read({"a.wav": b"x", "a.json": {}})
    seen = scan(tmp_path)
    reader = OrderReader(tmp_path, "vocals")
    assert reader.orders(seen, {"a.wav": 50.0, "a.json": 1.0}, 2.0) == []
    assert len(reader.orders(seen, {"a.wav": 50.0, "a.json": 3.0}, 2.0)) == 1


def test_a_job_file_waits_for_its_bounce_and_says_so_after_a_while(read: Read) -> None:
    files = {"a.json": {"stem": "drums"}}
    assert read(files, still=watch_orders.PATIENCE) == []
    (waiting,) = read(still=watch_orders.PATIENCE + 2)
    assert waiting.asked.code is ErrorCode.FILE_NOT_FOUND
    assert "a.wav is not there; a.json waits for it" in waiting.asked.message
    (come,) = read({"a.flac": b"x"})
    assert come.asked.request.stems == (Stem.DRUMS,)
    assert come.marks != waiting.marks


def test_an_order_is_another_one_when_any_of_its_files_changes(read: Read) -> None:
    (first,) = read({"a.wav": b"x", "a.json": {}})
    assert read() == [first]
    (second,) = read({"a.json": {"stem": "bass"}})
    (third,) = read({"a.wav": b"xy"})
    assert len({first.marks, second.marks, third.marks}) == 3
    assert third.asked.request.stems == (Stem.BASS,)


def test_bounces_that_differ_in_their_ending_alone_have_results_of_their_own(read: Read) -> None:
    assert [order.name for order in read({"a.wav": b"x"})] == ["a"]
    assert sorted(order.name for order in read({"a.mp3": b"x", "b.wav": b"x"})) == ["a.mp3", "a.wav", "b"]
    error = next(order.asked for order in read({"a.json": {}}) if order.file == "a.json")
    assert "a.json lies beside a.mp3, a.wav: expected path" in error.message


@pytest.mark.parametrize(
    "pairs",
    [
        {"stme": "bass"},
        {"stem": "voice"},
        {"stem": None},
        {"start": "1"},
        {"start": 5, "end": 5},
        {"at": 1, "at_s": 1},
        {"channel": 17},
        {"loop": 2},
        {"start": float("nan")},
        {"start": 10**30},
        {"model": "../evil"},
        {"reply_to": "example.com:1"},
        {"path": ""},
        {"path": 7},
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_osc(read: Read, tmp_path: Path, pairs: dict[str, object]) -> None:
    error = refused(read({"a.wav": b"x", "a.json": pairs}, stems=""))
    words = [word for key, value in pairs.items() if key != "path" for word in (key, value)]
    with pytest.raises(BridgeError) as over_osc:
        parse(OscMessage("/bridge/job/start", ("watch", pairs.get("path", str(tmp_path / "a.wav")), *words)))
    assert (error.code, error.message) == (over_osc.value.code, over_osc.value.message)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is not JSON"),
        (b'{"stem": "bass"', "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b'{"start": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[" * 30000, "is not JSON"),
        (b"[]", "must hold one object"),
        (b'"bass"', "must hold one object"),
        (b'{"stem": "bass", "stem": "drums"}', "stem is given twice"),
        (b'{"stem": ["bass", "drums"]}', "stem must be text or a number, not a list"),
        (b'{"start": {}}', "start must be text or a number, not an object"),
        (b'{"start": 1}' + b" " * watch_orders.LARGEST_JOB, "is larger than"),
        (b'{"path": "../a.wav"}', "expected an audio file in"),
        (b'{"path": "/etc/passwd"}', "expected an audio file in"),
        (b'{"path": "~/a.wav"}', "expected an audio file in"),
        (b'{"path": "a.wav", "path2": "sub/b.wav"}', "expected an audio file in"),
        (b'{"path": "a.json"}', "expected an audio file in"),
    ],
)
def test_what_no_message_could_hold_is_said_too(read: Read, text: bytes, said: str) -> None:
    assert said in refused(read({"a.wav": b"x", "a.json": text})).message


def test_a_byte_order_mark_is_no_error(read: Read) -> None:
    assert asked(read({"a.wav": b"x", "a.json": b'\xef\xbb\xbf{"stem": "bass"}'})).request.stems == (Stem.BASS,)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["path", "path2", "stem", "start", "end", "at", "sync", "loop", "channel", "reply_to", "x"])


@given(st.dictionaries(KEYS, JSON).map(lambda pairs: json.dumps(pairs).encode()) | st.binary(max_size=200))
def test_any_job_file_is_understood_or_refused(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("folder")
    (folder / "a.json").write_bytes(content)
    (folder / "a.wav").write_bytes(b"x")
    seen = scan(folder)
    (order,) = OrderReader(folder, "vocals").orders(seen, dict.fromkeys(seen, 100.0), 2.0)
    if isinstance(order.asked, Asked):
        assert order.asked.request.path.parent == folder
        assert replace(order.asked.request, id="b").id == "b"
    else:
        assert order.asked.message


def test_thousands_of_files_are_looked_through_in_a_second(read: Read, tmp_path: Path) -> None:
    import time

    for n in range(3000):
        (tmp_path / f"{n}.wav").write_bytes(b"x")
        (tmp_path / f"{n}.json").write_text('{"stem": "bass"}')
    assert len(read()) == 3000
    began = time.perf_counter()
    assert len(read()) == 3000
    assert time.perf_counter() - began < 1.0

"""Demucs' weights from a hub and an archive that run here, and from ones that do not answer."""

import hashlib
import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from safetensors.torch import save_file

from bridge.errors import BridgeError, ErrorCode
from bridge.inference import separate_hub
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.separate_hub import DemucsHub, probe
from bridge.music.sound import Stem
from tests.inference.loading import HTDEMUCS, closed_port, load, vocals_of
from tests.inference.model_zoo import make_repo, mixer, song


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class HubServer(ThreadingHTTPServer):
    """Serves files by path with the headers that the Hugging Face client asks for; it is also Demucs' archive."""

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), _HubHandler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _HubHandler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        content = self.server.files.get(self.path)
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        if content is not None:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(self.server.files.get(self.path, b""))

    def log_message(self, *args):
        pass


@contextmanager
def serving(port=0):
    with HubServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server():
    with serving() as server:
        yield server


def test_downloads_that_are_switched_off_ask_no_server(server, tmp_path):
    hub = DemucsHub(allow_download=False, hub_url=server.url, hub_cache=tmp_path, archive={HTDEMUCS: server.url})
    assert load(hub).model == "spleeter-2stems"
    with pytest.raises(BridgeError, match="switched off"):
        load(hub, model="mdx_extra", name="htdemucs")
    assert server.asked == []


def test_a_hub_that_takes_connections_and_says_nothing_is_given_up_within_seconds(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hub = DemucsHub(hub_url=url, hub_cache=tmp_path, archive={HTDEMUCS: f"{url}/{HTDEMUCS}-00000000.th"})
        begin = time.monotonic()
        assert probe([url], 0.2) == set()
        assert load(hub).model == "spleeter-2stems"
        assert (
            time.monotonic() - begin < 20
        )  # both are asked at once, for 3 s; the client's own retries take 23 s and more


def test_a_download_that_failed_is_not_tried_again_at_every_job(server, tmp_path):
    hub = DemucsHub(hub_url=server.url, hub_cache=tmp_path, archive={HTDEMUCS: f"{server.url}/{HTDEMUCS}-00000000.th"})
    loader = ModelLoader(ModelOptions(device="cpu"), hub)
    first = loader.load(None, [Stem.VOCALS])
    why, asked = loader.substitution, len(server.asked)
    assert asked > 0
    assert loader.load(None, [Stem.VOCALS]) is first
    assert (loader.substitution, len(server.asked)) == (why, asked)


def test_who_waited_for_a_network_in_vain_never_waits_for_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(separate_hub, "_RETRY_S", 0.0)
    monkeypatch.setattr(separate_hub, "PROBE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub = DemucsHub(hub_url=f"http://127.0.0.1:{silent.getsockname()[1]}", hub_cache=tmp_path, archive={})
        loader = ModelLoader(ModelOptions(device="cpu"), hub)
        loader.load(None, [Stem.VOCALS])
        # A call that waited would wait for longer than a test may last.
        monkeypatch.setattr(separate_hub, "PROBE_S", 600.0)
        assert loader.load(None, [Stem.VOCALS]).model == "spleeter-2stems"


def test_a_network_that_comes_back_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(separate_hub, "_RETRY_S", 0.0)
    port = closed_port()
    file = next(make_repo(tmp_path / "made", {HTDEMUCS: mixer(1, 1, 1, 1)}).glob("*.th"))
    address = f"http://127.0.0.1:{port}/{file.name}"
    hub = DemucsHub(hub_url=f"http://127.0.0.1:{port}", hub_cache=tmp_path / "hub", archive={HTDEMUCS: address})
    loader = ModelLoader(ModelOptions(device="cpu"), hub)
    assert loader.load(None, [Stem.VOCALS]).model == "spleeter-2stems"
    with serving(port) as back:
        back.files[f"/{file.name}"] = file.read_bytes()
        deadline = time.monotonic() + 30
        while loader.load(None, [Stem.VOCALS]).model != "htdemucs":
            assert time.monotonic() < deadline


def test_weights_of_the_hub_are_fetched_once_then_used_without_it(server, tmp_path):
    path = tmp_path / "made.safetensors"
    recipe = mixer(0, 0, 0, 0.5)
    metadata = {
        "klass": "tests.inference.model_zoo.Mixer",
        "args": "[]",
        "kwargs": json.dumps(dict(recipe.kwargs)),
    }
    save_file(recipe.package()["state"], path, metadata)
    server.files[f"/adefossez/HTDemucs/resolve/main/{HTDEMUCS}.safetensors"] = path.read_bytes()
    hub = DemucsHub(hub_url=server.url, hub_cache=tmp_path / "hub", archive={})
    assert not hub.is_present(hub.define("htdemucs"))
    separator = load(hub)
    assert separator.model == "htdemucs"
    samples = song(1.2)
    mean = samples.mean()
    np.testing.assert_allclose(vocals_of(separator, samples), (samples - mean) / 2 + mean, atol=1e-6)
    assert hub.is_present(hub.define("htdemucs"))
    gone = DemucsHub(hub_url=f"http://127.0.0.1:{closed_port()}", hub_cache=tmp_path / "hub", archive={})
    assert load(gone).model == "htdemucs"


def archived(server, folder, recipe):
    """Put a network into the server's archive; return the archive's index."""
    file = next(make_repo(folder, {HTDEMUCS: recipe}).glob("*.th"))
    server.files[f"/{file.name}"] = file.read_bytes()
    return {HTDEMUCS: f"{server.url}/{file.name}"}


def test_weights_that_the_hub_lacks_come_from_the_archive(server, tmp_path, capfd):
    archive = archived(server, tmp_path / "made", mixer(1, 1, 1, 1))
    hub = DemucsHub(hub_url=server.url, hub_cache=tmp_path / "hub", archive=archive)
    assert load(hub).model == "htdemucs"
    assert load(hub, HTDEMUCS).model == HTDEMUCS  # a network by its signature, cached by now
    assert sum(asked.startswith("GET") and asked.endswith(".th") for asked in server.asked) == 1
    assert capfd.readouterr() == ("", "")  # no bar, no notice across the terminal


def test_an_archive_file_that_is_not_what_its_name_says_is_not_loaded(server, tmp_path, monkeypatch):
    monkeypatch.setattr(separate_hub, "_RETRY_S", 0.0)
    archive = archived(server, tmp_path / "made", mixer(1, 1, 1, 1))
    path = "/" + archive[HTDEMUCS].rsplit("/", 1)[-1]
    good, server.files[path] = server.files[path], b"changed on the way"
    hub = DemucsHub(hub_url=server.url, hub_cache=tmp_path / "hub", archive=archive)
    with pytest.raises(BridgeError, match="hash") as caught:
        load(hub, HTDEMUCS)
    assert caught.value.code is ErrorCode.NO_MODEL
    server.files[path] = good
    load(hub, HTDEMUCS)
    cached = tmp_path / "torch" / "hub" / "checkpoints" / path[1:]
    cached.write_bytes(b"changed on the disk")
    with pytest.raises(BridgeError, match="delete it") as caught:
        load(hub, HTDEMUCS)
    assert caught.value.code is ErrorCode.NO_MODEL


@pytest.mark.parametrize("name", ["hf://someone/model", "../model", "someone/htdemucs", "/etc/passwd", ""])
def test_a_name_reaches_no_other_address_or_file(server, tmp_path, name):
    hub = DemucsHub(hub_url=server.url, hub_cache=tmp_path, archive={})
    loader = ModelLoader(ModelOptions(model="spleeter-2stems", device="cpu"), hub)
    if name:
        with pytest.raises(BridgeError) as caught:
            loader.load(name, [Stem.VOCALS])
        assert caught.value.code is ErrorCode.NO_MODEL
    else:
        assert loader.load(name, [Stem.VOCALS]).model == "spleeter-2stems"
    assert server.asked == []

"""Which model is loaded, and what is said when it cannot be had."""

import gc
import weakref

import numpy as np
import pytest
import torch

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.device import choose_device, memory_guard
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.separate_hub import DemucsHub
from bridge.inference.separate_sources import LocalFolder
from bridge.music.sound import Stem
from tests.inference.loading import HTDEMUCS, closed_port, load, vocals_of
from tests.inference.model_zoo import hdemucs, htdemucs, make_repo, mixer, song


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def offline_hub(tmp_path):
    """Demucs' hub as a machine without network and without cached weights sees it."""
    url = f"http://127.0.0.1:{closed_port()}"
    archive = {HTDEMUCS: f"{url}/{HTDEMUCS}-00000000.th", "5c90dfd2": f"{url}/5c90dfd2-00000000.th"}
    return DemucsHub(hub_url=url, hub_cache=tmp_path / "hub", archive=archive)


def test_the_configured_model_falls_back_to_spleeter_without_network(offline_hub):
    loader = ModelLoader(ModelOptions(device="cpu"), offline_hub)
    separator = loader.load(None, [Stem.VOCALS])
    assert separator.model == "spleeter-2stems"
    assert "htdemucs" in loader.substitution
    assert loader.load("htdemucs", [Stem.OTHER]) is separator  # the configured model by its name; still loaded
    assert loader.load("spleeter-2stems", [Stem.OTHER]) is separator
    assert loader.substitution is None


def test_another_model_is_never_substituted(offline_hub):
    with pytest.raises(BridgeError, match=r"htdemucs_6s.*cannot be fetched.*connect to the internet") as caught:
        load(offline_hub, "htdemucs_6s")
    assert caught.value.code is ErrorCode.NO_MODEL


def test_drums_are_refused_with_the_reason_when_only_spleeter_is_there(offline_hub):
    with pytest.raises(BridgeError, match=r"not drums.*weights of htdemucs") as caught:
        load(offline_hub, stems=[Stem.VOCALS, Stem.DRUMS])
    assert caught.value.code is ErrorCode.STEM_UNAVAILABLE


@pytest.mark.parametrize(
    ("name", "nearest"), [("htdemcus", "htdemucs"), ("mdx-extra", "mdx_extra"), ("spleeter", "spleeter-2stems")]
)
def test_an_unknown_name_is_answered_with_the_nearest(offline_hub, name, nearest):
    with pytest.raises(BridgeError, match=f"'{name}'.*{nearest}.*stembridge models") as caught:
        load(offline_hub, name)
    assert caught.value.code is ErrorCode.NO_MODEL


def test_of_a_one_hot_bag_only_the_networks_that_count_are_loaded(tmp_path, offline_hub):
    bag = {"models": ["a", "b", "c", "d"], "weights": np.eye(4).tolist()}
    networks = {"a": mixer(1, 0, 0, 0), "d": mixer(0, 0, 0, 1)}  # b and c are not even there
    folder = make_repo(tmp_path / "repo", networks, {"bag": bag})
    loader = ModelLoader(ModelOptions(folder=folder, device="cpu"), offline_hub)
    assert loader.load("bag", [Stem.VOCALS]).stems == {Stem.VOCALS}
    assert loader.load("bag", [Stem.DRUMS, Stem.VOCALS]).stems == {Stem.DRUMS, Stem.VOCALS}
    with pytest.raises(BridgeError, match=r"b\.th") as caught:
        loader.load("bag", [Stem.BASS])
    assert caught.value.code is ErrorCode.NO_MODEL


def test_a_bag_with_sources_in_another_order_is_weighed_by_what_its_networks_say(tmp_path, offline_hub):
    sources = ["vocals", "other"]
    networks = {"v": mixer(1, 0, sources=sources), "o": mixer(0, 0.25, sources=sources)}
    bags = {"two": {"models": ["o", "v"], "weights": [[0, 1], [1, 0]]}}
    folder = make_repo(tmp_path / "repo", networks, bags)
    samples = song(1.1)
    separator = load(offline_hub, "two", folder=folder)
    np.testing.assert_allclose(vocals_of(separator, samples), samples, atol=1e-6)
    with pytest.raises(BridgeError, match="vocals, other, not bass") as caught:
        load(offline_hub, "two", [Stem.BASS], folder=folder)
    assert caught.value.code is ErrorCode.STEM_UNAVAILABLE


def test_the_last_model_stays_loaded_until_another_is_asked_for(tmp_path, offline_hub):
    networks = {"a": mixer(1, 1, 1, 1), "b": mixer(1, 1, 1, 1)}
    loader = ModelLoader(ModelOptions(folder=make_repo(tmp_path / "repo", networks), device="cpu"), offline_hub)
    first = loader.load("a", [Stem.VOCALS])
    assert loader.load("a", [Stem.DRUMS, Stem.BASS]) is first
    assert loader.load("b", [Stem.VOCALS]) is not first
    assert loader.load("a", [Stem.VOCALS]) is not first


def test_warming_up_loads_the_configured_model_and_runs_it_once(tmp_path, offline_hub):
    folder = make_repo(tmp_path / "repo", {"a": mixer(1, 1, 1, 1)})
    loader = ModelLoader(ModelOptions(model="a", folder=folder, device="cpu"), offline_hub)
    warm = loader.warm_up([Stem.VOCALS])
    assert warm._members[0].member.network.begun == 1
    assert loader.load(None, [Stem.VOCALS]) is warm
    fallback = ModelLoader(ModelOptions(device="cpu"), offline_hub)
    assert fallback.warm_up([Stem.VOCALS]).model == "spleeter-2stems"


def test_the_folders_models_come_before_demucs_own_of_that_name(tmp_path, offline_hub):
    folder = make_repo(tmp_path / "repo", {"mine": mixer(1, 1, 1, 1)}, {"htdemucs": {"models": ["mine"]}})
    assert load(offline_hub, folder=folder).model == "htdemucs"


def test_a_model_that_is_replaced_is_let_go_before_the_next_one_is_read(tmp_path, offline_hub):
    networks = {"a": htdemucs(0, 1), "b": mixer(1, 1, 1, 1)}
    loader = ModelLoader(ModelOptions(folder=make_repo(tmp_path / "repo", networks), device="cpu"), offline_hub)
    separator = loader.load("a", [Stem.VOCALS])
    vocals_of(separator, song(1.2))
    layers = [weakref.ref(layer) for layer in separator._members[0].member.network.modules()]
    del separator
    gc.collect()
    gc.disable()  # what only the collector would free is not let go
    try:
        loader.load("b", [Stem.VOCALS])
        assert [layer() for layer in layers if layer() is not None] == []
    finally:
        gc.enable()


def test_a_damaged_file_in_the_folder_is_named(tmp_path, offline_hub):
    folder = make_repo(tmp_path / "repo", {"a": mixer(1, 1, 1, 1)})
    (folder / "b.th").write_bytes(b"nothing")
    (folder / "c-00000000.th").write_bytes(b"nothing")
    for name in ("b", "c"):
        with pytest.raises(BridgeError, match=f"{name} of {name}.*delete") as caught:
            load(offline_hub, name, folder=folder)
        assert caught.value.code is ErrorCode.NO_MODEL


def test_demucs_leaving_by_sys_exit_is_an_error_with_its_words(tmp_path, offline_hub, monkeypatch):
    recipe = hdemucs()
    package = recipe.package()
    package["state"]["__quantized"] = True  # asks for diffq, for whose absence Demucs ends the process
    folder = tmp_path / "repo"
    folder.mkdir()
    torch.save(package, folder / "q.th")
    monkeypatch.setitem(__import__("sys").modules, "diffq", None)
    with pytest.raises(BridgeError, match="diffq is not installed") as caught:
        load(offline_hub, "q", folder=folder)
    assert caught.value.code is ErrorCode.NO_MODEL


@pytest.mark.parametrize(
    "text", ["", "models: 5", "models: [a]\nweights: [[1, 1, 1, 1], [1, 1, 1, 1]]", "]", "models: [a]\nsegment: long"]
)
def test_a_bag_file_that_makes_no_sense_is_named(tmp_path, offline_hub, text):
    folder = make_repo(tmp_path / "repo", {"a": mixer(1, 1, 1, 1)})
    (folder / "odd.yaml").write_text(text)
    with pytest.raises(BridgeError, match=r"odd\.yaml") as caught:
        load(offline_hub, "odd", folder=folder)
    assert caught.value.code is ErrorCode.NO_MODEL


def test_a_bag_of_networks_that_differ_is_refused(tmp_path, offline_hub):
    networks = {"a": mixer(1, 1, 1, 1), "b": mixer(1, 1, 1, 1, samplerate=48000)}
    folder = make_repo(tmp_path / "repo", networks, {"bag": {"models": ["a", "b"]}})
    with pytest.raises(BridgeError, match="differ") as caught:
        load(offline_hub, "bag", folder=folder)
    assert caught.value.code is ErrorCode.NO_MODEL


def test_a_model_for_no_stem_is_refused(offline_hub):
    with pytest.raises(BridgeError, match="at least one") as caught:
        load(offline_hub, "spleeter-2stems", [])
    assert caught.value.code is ErrorCode.BAD_ARGUMENT


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BridgeError, match="nowhere") as caught:
        LocalFolder(tmp_path / "nowhere")
    assert caught.value.code is ErrorCode.NO_MODEL


def test_the_list_says_what_is_here(tmp_path, offline_hub):
    folder = make_repo(tmp_path / "repo", {"mine": mixer(1, 1, 1, 1)}, {"my_bag": {"models": ["mine", "lost"]}})
    (folder / "odd.yaml").write_text("]")
    listed = {model.name: model for model in ModelLoader(ModelOptions(folder=folder), offline_hub).list_models()}
    assert listed["mine"].present
    assert not listed["my_bag"].present
    assert not listed["odd"].present
    assert listed["mine"].origin == str(folder)
    assert not listed["htdemucs"].present
    assert listed["htdemucs_ft"].stems == tuple(Stem)
    assert listed["spleeter-2stems"].present
    assert listed["spleeter-2stems"].stems == (Stem.VOCALS, Stem.OTHER)


def test_auto_takes_a_device_that_computes():
    device = choose_device("auto")
    assert float(torch.ones(3, device=device).sum()) == 3


def test_a_device_that_is_not_here_is_refused_with_those_that_are():
    missing = next(
        name
        for name, present in (("mps", torch.backends.mps.is_available()), ("cuda", torch.cuda.is_available()))
        if not present
    )
    with pytest.raises(BridgeError, match=f"{missing}.*cpu") as caught:
        choose_device(missing)
    assert caught.value.code is ErrorCode.NOT_SUPPORTED
    with pytest.raises(BridgeError, match="gpu") as caught:
        choose_device("gpu")
    assert caught.value.code is ErrorCode.BAD_ARGUMENT


def test_only_memory_running_out_is_called_that():
    with pytest.raises(BridgeError, match="while testing") as caught, memory_guard("testing"):
        torch.empty(10**15)
    assert caught.value.code is ErrorCode.OUT_OF_MEMORY
    with pytest.raises(RuntimeError, match="something else"), memory_guard("testing"):
        raise RuntimeError("something else")

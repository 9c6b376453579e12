"""A separator's fingerprint: the same one promises the same stems, and what changes a stem changes it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.separate_spleeter import SpleeterSeparator
from bridge.inference.weights_digest import network_digest
from bridge.music.sound import Stem
from tests.inference.model_zoo import hdemucs, htdemucs, make_repo, time_demucs

NETWORKS = {"ht": htdemucs(3, 1), "again": htdemucs(3, 1), "seed": htdemucs(4, 1), "hd": hdemucs(0, 1.0)}
BAGS = {
    "one_hot": {"models": ["ht", "hd"], "weights": [[1, 1, 1, 0], [0, 0, 0, 1]]},
    "heavier": {"models": ["ht", "hd"], "weights": [[1, 0, 1, 1], [0, 1, 0, 0.5]]},
    "shorter": {"models": ["ht", "hd"], "weights": [[1, 1, 1, 0], [0, 0, 0, 1]], "segment": 0.7},
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    return make_repo(tmp_path_factory.mktemp("repo"), NETWORKS, BAGS)


def load(repo, name, stems=tuple(Stem)):
    return ModelLoader(ModelOptions(folder=repo, device="cpu")).load(name, stems)


def test_it_tells_by_weights_not_by_names(repo):
    vocals = {name: load(repo, name).fingerprint(Stem.VOCALS) for name in NETWORKS}
    assert vocals["ht"] == vocals["again"]
    assert len(set(vocals.values())) == 3


def test_one_changed_weight_changes_it(repo):
    network = load(repo, "ht")._members[0].member.network
    before = network_digest(network)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-6
    assert network_digest(network) != before


def test_a_bags_stem_has_the_same_one_whichever_other_stems_are_asked_for(repo):
    alone, all_of_them = load(repo, "one_hot", [Stem.VOCALS]), load(repo, "one_hot")
    assert alone.fingerprint(Stem.VOCALS) == all_of_them.fingerprint(Stem.VOCALS)
    assert len({all_of_them.fingerprint(stem) for stem in Stem}) == 4


def test_weights_within_a_bag_and_segment_lengths_change_those_stems_that_they_concern(repo):
    usual, heavier, shorter = (load(repo, name) for name in ("one_hot", "heavier", "shorter"))
    changed = {stem for stem in Stem if usual.fingerprint(stem) != heavier.fingerprint(stem)}
    assert changed == {Stem.BASS, Stem.VOCALS}
    assert all(usual.fingerprint(stem) != shorter.fingerprint(stem) for stem in Stem)


def test_a_stem_that_is_not_loaded_has_none(repo):
    with pytest.raises(BridgeError, match="loaded for vocals, not drums") as caught:
        load(repo, "one_hot", [Stem.VOCALS]).fingerprint(Stem.DRUMS)
    assert caught.value.code is ErrorCode.STEM_UNAVAILABLE


def test_another_process_finds_the_same_one(repo):
    code = (
        "import sys; from pathlib import Path; from bridge.music.sound import Stem;"
        "from bridge.inference.models import ModelLoader, ModelOptions;"
        "loader = ModelLoader(ModelOptions(folder=Path(sys.argv[1]), device='cpu'));"
        "print(loader.load('one_hot', tuple(Stem)).fingerprint(Stem.VOCALS),"
        " loader.load('spleeter-2stems', [Stem.OTHER]).fingerprint(Stem.OTHER))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(repo)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.split()
    spleeter = SpleeterSeparator(torch.device("cpu"))
    assert said == [load(repo, "one_hot").fingerprint(Stem.VOCALS), spleeter.fingerprint(Stem.OTHER)]
    assert spleeter.fingerprint(Stem.VOCALS) != spleeter.fingerprint(Stem.OTHER)


@pytest.mark.parametrize("recipe", [htdemucs(3, 1), hdemucs(0, 1.0), time_demucs(2, 1.0)])
def test_layers_count_even_where_they_hold_no_weights(recipe):
    package = recipe.package()
    network = package["klass"](**package["kwargs"])
    before = network_digest(network)
    convolution = next(m for m in network.modules() if isinstance(m, torch.nn.Conv1d | torch.nn.Conv2d))
    convolution.stride = tuple(np.add(convolution.stride, 1).tolist())
    assert network_digest(network) != before

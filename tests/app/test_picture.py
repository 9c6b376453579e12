import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from bridge.app.picture import HEIGHT_PIXELS, WIDTH_PIXELS, pitch_name, save_picture
from bridge.errors import BridgeError, ErrorCode
from bridge.music.notes import Note
from bridge.music.synth import AdditiveSynth, Score

RATE = 22050
NOTES = [
    Note(1.0, 2.0, 60, 100, 0.9),
    Note(4.0, 2.0, 67, 90, 0.3),
    Note(7.0, None, 72, 90, 1.0),
]


def played(notes=NOTES, seconds=10):
    return AdditiveSynth(RATE).render(Score.of(notes), 0, seconds * RATE)[np.newaxis]


def colourful(picture):
    """Where a picture shows the colours of notes: redder than it is blue. Boolean, shape (rows, columns)."""
    return picture[:, :, 0] - picture[:, :, 2] > 0.5


def plot_area(picture):
    """Without the scales at the right."""
    return picture[:, : round(0.88 * WIDTH_PIXELS)]


def test_each_note_is_a_box_at_its_time_and_pitch(tmp_path):
    save_picture(tmp_path / "a.png", played(), RATE, NOTES, "a stem")
    picture = imread(tmp_path / "a.png")
    assert picture.shape[:2] == (HEIGHT_PIXELS, WIDTH_PIXELS)
    coloured = colourful(plot_area(picture))
    columns = np.flatnonzero(coloured.any(axis=0))
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 20) + 1)
    assert len(runs) == 3
    starts = np.array([run[0] for run in runs])
    assert (starts[2] - starts[1]) == pytest.approx(starts[1] - starts[0], abs=4), "onsets 1, 4 and 7 s"
    heights = [np.flatnonzero(coloured[:, run].any(axis=1)).mean() for run in runs]
    assert (heights[0] - heights[1]) / (heights[1] - heights[2]) == pytest.approx(7 / 5, abs=0.1), "7 and 5 semitones"
    assert len(runs[2]) > 1.4 * len(runs[1]), "the open note goes on to the end"


def test_the_sound_shows_where_there_are_no_notes(tmp_path):
    save_picture(tmp_path / "sound.png", played(), RATE, [], "a stem")
    save_picture(tmp_path / "silence.png", np.zeros((1, 10 * RATE), np.float32), RATE, [], "a stem")
    sound, silence = (plot_area(imread(tmp_path / f"{name}.png"))[:, :, :3] for name in ("sound", "silence"))
    assert sound.mean() < silence.mean() - 0.02


class Blocks:
    """A clip that knows how much of it was read at once."""

    def __init__(self, samples):
        self.samples, self.largest = samples, 0
        self.sample_rate, self.channels, self.frames = RATE, *samples.shape

    def read(self, start, stop):
        block = self.samples[:, start:stop]
        self.largest = max(self.largest, block.shape[1])
        return block

    def loudness(self):
        return 0.0, 1.0


def test_a_clip_is_read_in_blocks_and_gives_the_picture_of_the_whole(tmp_path):
    notes = [Note(0.7 * i, 0.6, 50 + i % 20, 90, 0.8) for i in range(80)]
    samples = played(notes, 60)
    clip = Blocks(samples)
    save_picture(tmp_path / "a.png", clip, RATE, notes, "a stem")
    assert clip.largest <= 22 * RATE
    save_picture(tmp_path / "b.png", samples, RATE, notes, "a stem")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("frames", [0, 1, 700])
def test_very_short_sound_makes_a_picture(tmp_path, frames):
    save_picture(tmp_path / "a.png", np.ones((2, frames), np.float32), RATE, NOTES[:1], "a stem")
    assert imread(tmp_path / "a.png").shape[:2] == (HEIGHT_PIXELS, WIDTH_PIXELS)


def test_a_title_is_taken_literally(tmp_path):
    save_picture(tmp_path / "a.png", played(seconds=1), RATE, [], r"100$ of \frac{ $x_")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_a_picture_that_cannot_be_written_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeError, match="picture") as error:
        save_picture(tmp_path / "file" / "picture.png", played(seconds=1), RATE, [], "a stem")
    assert error.value.code is ErrorCode.DISK


def test_pyplot_stays_out_of_the_daemon():
    code = "import sys, bridge.app.picture; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(("pitch", "name"), [(60, "C4"), (69, "A4"), (28, "E1"), (0, "C-1"), (127, "G9")])
def test_pitches_have_their_names(pitch, name):
    assert pitch_name(pitch) == name

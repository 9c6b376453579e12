import gc
import weakref
from dataclasses import astuple, replace

import numpy as np
import pytest
import scipy.signal

from bridge.music import measures
from bridge.music.features import Decimator, decimation, pitchgram
from bridge.music.measures import LONGEST_XCORR, SHUFFLES, QualityMeter, _shuffle
from bridge.music.notes import Note
from bridge.music.quality import Measure
from bridge.music.similarity import ChromaCosine, PitchgramCorrelation, onset_correlation
from bridge.music.synth import AdditiveSynth, Score
from tests.music.sounds import envelope, waveform_match

RATE = 44100
SECONDS = 8.0
MEASURES = ("pitchgram", "onset", "chroma", "waveform", "xcorr_max")


def melody(seed=0, count=40, seconds=SECONDS):
    draw = np.random.default_rng(seed)
    onsets = np.sort(draw.uniform(0.1, seconds - 0.6, count)).round(3)
    return [
        Note(float(t), float(draw.uniform(0.1, 0.5)), int(draw.integers(45, 84)), int(draw.integers(50, 110)), 0.9)
        for t in onsets
    ]


NOTES = melody()


def played(notes, seconds=SECONDS, rate=RATE, gain=1.0):
    """Float32, shape (2, frames)."""
    sound = gain * AdditiveSynth(rate).render(Score.of(notes), 0, round(seconds * rate))
    return np.stack([sound, sound]).astype(np.float32)


def metered(samples, rate=RATE):
    """A meter that reads a stem from memory."""
    return QualityMeter(lambda start, stop: samples[:, start:stop], rate)


@pytest.fixture(scope="module")
def meter():
    return metered(played(NOTES))


@pytest.fixture(scope="module")
def truth(meter):
    return meter.report(NOTES, 0.0, SECONDS)


def moved(seconds=0.0, semitones=0):
    return [replace(n, onset=n.onset + seconds, pitch=n.pitch + semitones) for n in NOTES]


def test_a_resynthesis_matches_itself_in_everything_at_lag_zero(truth):
    for name in ("pitchgram", "onset", "chroma", "waveform"):
        assert getattr(truth, name).value == pytest.approx(1.0, abs=2e-3), name
    assert truth.onset_lag_ms == pytest.approx(0.0, abs=0.05)
    assert truth.waveform_lag_ms == 0.0
    assert truth.notes == len(NOTES)
    assert truth.xcorr_max.value == pytest.approx(np.square(played(NOTES)[0], dtype=np.float64).sum(), rel=1e-4)


def test_true_notes_score_far_above_chance(truth):
    for name in MEASURES:
        measure = getattr(truth, name)
        assert measure.value > 2 * measure.null > 0, name


@pytest.mark.parametrize("ms", [-30, -20, 10, 20, 40])
def test_notes_that_are_late_or_early_show_by_how_much(meter, ms):
    report = meter.report(moved(seconds=ms / 1000), 0.0, SECONDS)
    assert report.onset_lag_ms == pytest.approx(ms, abs=1.0)
    assert report.waveform_lag_ms == pytest.approx(ms, abs=0.1)
    assert report.onset.value > 0.95


@pytest.mark.parametrize("semitones", [1, 5, 12])
def test_transposed_notes_lower_the_pitch_measures(meter, truth, semitones):
    report = meter.report(moved(semitones=semitones), 0.0, SECONDS)
    assert report.pitchgram.value < 0.8 * truth.pitchgram.value
    assert report.waveform.value < 0.5
    if semitones != 12:
        assert report.chroma.value < 0.7 * truth.chroma.value


def test_random_notes_score_near_chance(meter, truth):
    report = meter.report(melody(seed=99), 0.0, SECONDS)
    for name in ("pitchgram", "onset", "chroma", "waveform"):
        measure, true = getattr(report, name), getattr(truth, name)
        assert abs(measure.value - measure.null) < 0.25 * (true.value - true.null), name


@pytest.mark.parametrize("gain", [0.01, 3.0])
def test_gain_scales_the_raw_maximum_and_nothing_else(truth, gain):
    report = metered(played(NOTES, gain=gain)).report(NOTES, 0.0, SECONDS)
    for name in ("pitchgram", "onset", "chroma", "waveform"):
        for got, expected in zip(astuple(getattr(report, name)), astuple(getattr(truth, name)), strict=True):
            assert got == pytest.approx(expected, abs=2e-3), name
    assert report.xcorr_max.value == pytest.approx(gain * truth.xcorr_max.value, rel=1e-4)
    assert report.xcorr_max.null == pytest.approx(gain * truth.xcorr_max.null, rel=1e-4)


def test_the_baselines_are_those_of_shuffles_rendered_at_the_full_rate(truth):
    """The meter renders its shuffles at the analysis rate; this does all of it the long way."""
    factor = decimation(RATE)
    rate = RATE / factor
    stem = played(NOTES)[0]
    thin = Decimator(factor).thin(stem)
    pitches, synth = pitchgram(thin, rate), AdditiveSynth(RATE)
    scores = []
    for seed in range(SHUFFLES):
        full = synth.render(_shuffle(Score.of(NOTES), 0.0, SECONDS, seed), 0, len(stem))
        sound = Decimator(factor).thin(full)
        scores.append(
            (
                PitchgramCorrelation(pitches).value(pitchgram(sound, rate)),
                onset_correlation(envelope(thin, rate), envelope(sound, rate), rate).value,
                ChromaCosine(pitches).value(pitchgram(sound, rate)),
                waveform_match(thin, sound, rate).value,
                scipy.signal.correlate(stem, full, "full", method="fft").max(),
            )
        )
    for name, expected in zip(MEASURES, np.mean(scores, axis=0), strict=True):
        assert getattr(truth, name).null == pytest.approx(expected, rel=0.02, abs=0.002), name


def test_a_report_can_be_ended_between_its_shuffles(meter):
    class Cancelled(Exception):
        pass

    called = []

    def cancel():
        called.append(1)
        if len(called) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        meter.report(NOTES, 0.0, SECONDS, cancel)
    assert len(called) == 2


def test_the_same_call_gives_the_same_report(meter, truth):
    assert meter.report(NOTES, 0.0, SECONDS) == truth


def test_a_stem_on_disk_gives_the_report_of_one_in_memory(truth, tmp_path):
    samples = played(NOTES)
    path = tmp_path / "stem.f32"
    samples.T.tofile(path)

    def read(start, stop):
        frames = np.fromfile(path, np.float32, 2 * (stop - start), offset=8 * start)
        return frames.reshape(-1, 2).T

    assert QualityMeter(read, RATE).report(NOTES, 0.0, SECONDS) == truth


def test_a_stem_is_read_in_blocks_and_none_of_it_is_kept():
    seconds, rate = 120.0, 8000
    held = []
    notes = melody(count=30, seconds=seconds)
    samples = played(notes, seconds, rate)

    def read(start, stop):
        block = samples[:, start:stop].copy()
        held.append(weakref.ref(block))
        assert block.shape[1] < 40 * rate
        return block

    meter = QualityMeter(read, rate)
    assert meter.report(notes, 0.0, seconds).pitchgram.value > 0.99
    gc.collect()
    assert held
    assert all(block() is None for block in held)


def test_a_stretch_is_measured_by_what_sounds_in_it(meter):
    wrong_later = [n if n.onset < 4.4 else replace(n, pitch=n.pitch + 5) for n in NOTES]
    early, late = meter.report(wrong_later, 1.0, 4.0), meter.report(wrong_later, 5.0, 8.0)
    assert early.pitchgram.value > 0.99
    assert early.notes == sum(1.0 <= n.onset < 4.0 for n in NOTES)
    assert late.pitchgram.value < 0.7
    assert (early.begin, early.end) == (1.0, 4.0)


def test_a_note_that_began_before_the_stretch_is_heard_in_it():
    notes = [Note(0.5, 4.0, 50, 100, 1.0)]
    report = metered(played(notes, 6.0)).report(notes, 2.0, 3.0)
    assert report.notes == 0
    assert report.pitchgram.value == pytest.approx(1.0, abs=1e-3)


def test_what_lies_outside_of_a_stretch_changes_nothing_in_its_report():
    """While a stem is separated there is nothing yet; afterwards there is music."""
    whole, grown = played(NOTES), np.zeros_like(played(NOTES))
    grown[:, 2 * RATE : 4 * RATE] = whole[:, 2 * RATE : 4 * RATE]
    early, late = metered(grown).report(NOTES, 2.0, 4.0), metered(whole).report(NOTES, 2.0, 4.0)
    assert early == late
    assert early.pitchgram.value > 0.99


def test_a_stretch_is_cut_to_the_stem():
    report, cut = (metered(played(NOTES)).report(NOTES, 6.0, end) for end in (SECONDS, 600.0))
    assert replace(cut, end=SECONDS, notes=report.notes) == report


def test_an_open_note_counts_as_sounding_to_the_end(meter, truth):
    open_ended = [*NOTES[:-1], replace(NOTES[-1], duration=None)]
    report = meter.report(open_ended, 0.0, SECONDS)
    assert truth.pitchgram.value > report.pitchgram.value > 0.9
    assert report.pitchgram.null is not None


@pytest.mark.parametrize(
    ("samples", "notes"),
    [
        (np.zeros((2, 3 * RATE), np.float32), melody(seconds=3.0, count=5)),
        (played(melody(seconds=3.0, count=5), 3.0), []),
        (played(melody(seconds=3.0, count=5), 3.0), [Note(30.0, 1.0, 60, 100, 1.0)]),
        (1e-5 * np.ones((2, 3 * RATE), np.float32), melody(seconds=3.0, count=5)),
        (np.zeros((2, 0), np.float32), melody(seconds=3.0, count=5)),
    ],
)
def test_silence_or_no_notes_are_undefined_not_nan(samples, notes):
    report = metered(samples).report(notes, 0.0, 3.0)
    assert [getattr(report, name) for name in MEASURES] == [Measure(None, None)] * 5
    assert report.onset_lag_ms is None
    assert report.waveform_lag_ms is None


@pytest.mark.parametrize("seconds", [0.0005, 0.01, 0.2])
def test_a_sliver_gives_numbers_or_none(meter, seconds):
    report = meter.report([Note(2.0, 1.0, 60, 100, 1.0)], 2.1, 2.1 + seconds)
    values = [v for name in MEASURES for v in astuple(getattr(report, name))]
    assert all(v is None or np.isfinite(v) for v in values)


@pytest.mark.parametrize("rate", [8000, 16000, 48000, 96000])
def test_every_sample_rate_is_measured_alike(rate):
    notes = melody(count=20, seconds=4.0)
    meter = metered(played(notes, 4.0, rate), rate)
    right = meter.report(notes, 0.0, 4.0)
    late = meter.report([replace(n, onset=n.onset + 0.02) for n in notes], 0.0, 4.0)
    assert right.pitchgram.value > 0.99
    assert right.waveform.value > 0.99
    assert late.onset_lag_ms == pytest.approx(20.0, abs=1.5)


def test_a_stretch_beyond_the_longest_leaves_only_the_raw_maximum_undefined(meter, monkeypatch):
    assert LONGEST_XCORR == 600.0
    monkeypatch.setattr(measures, "LONGEST_XCORR", 5.0)
    long, short = meter.report(NOTES, 0.0, 5.1), meter.report(NOTES, 0.0, 5.0)
    assert long.xcorr_max == Measure(None, None)
    assert long.waveform.value > 0.99
    assert short.xcorr_max.value > short.xcorr_max.null > 0


def test_samples_that_are_no_numbers_poison_nothing(truth):
    samples = played(NOTES)
    samples[0, 1000], samples[1, 2000], samples[0, 3000] = np.nan, np.inf, 1e30
    report = metered(samples).report(NOTES, 0.0, SECONDS)
    assert all(np.isfinite(v) for name in MEASURES for v in astuple(getattr(report, name)))
    assert metered(samples).report(NOTES, 1.0, SECONDS).pitchgram.value > 0.99


def test_the_first_channel_alone_makes_the_raw_maximum():
    samples = played(NOTES)
    samples[1] = 0.0
    report = metered(samples).report(NOTES, 0.0, SECONDS)
    assert report.xcorr_max.value == pytest.approx(np.square(samples[0], dtype=np.float64).sum(), rel=1e-4)


def test_a_shuffle_keeps_each_notes_length_and_moves_pitch_and_time():
    score = Score.of(NOTES)
    shuffled = _shuffle(score, 0.0, SECONDS, seed=3)
    np.testing.assert_array_equal(shuffled.duration, score.duration)
    np.testing.assert_array_equal(shuffled.amplitude, score.amplitude)
    shift = np.sort(shuffled.pitch) - np.sort(score.pitch)
    assert len(set(shift)) == 1
    assert 1 <= abs(int(shift[0])) <= 6
    assert np.all((shuffled.onset >= 0) & (shuffled.onset + shuffled.duration <= SECONDS + 1e-9))
    assert not np.any(shuffled.onset == score.onset)

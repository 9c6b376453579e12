"""What the estimator makes of positions that come late and jittered: place, tempo, seeks, loops; against the peer's own truth."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.clock.estimator import SEEK, Estimator
from bridge.clock.observation import Observation
from bridge.music.tempo import Loop, TempoMap, TempoPoint, Transport
from bridge.units import Beats, Bpm, HostTime, Seconds
from tests.clock.peer import START, Feed, Peer, error, follow

PLAY = START + 0.5
REAPER = Feed(rate=11, jitter=0.010)
LIVE = Feed(rate=11, jitter=0.010, axis="beats")
TICKS = Feed(rate=48, jitter=0.001, axis="beats", bpm=False)


def p99(errors: list[float]) -> float:
    return sorted(abs(e) for e in errors)[int(len(errors) * 0.99)]


def fresh() -> Estimator:
    return Estimator(Transport(START, Seconds(0.0), playing=False))


@pytest.mark.parametrize("feed", [REAPER, LIVE], ids=["seconds", "beats"])
def test_11_positions_a_second_with_10_ms_of_jitter_give_3_ms_at_p99_after_5_s(feed: Feed) -> None:
    late: list[float] = []
    for seed in range(40):
        peer = Peer(120 + seed)
        peer.play(PLAY)
        _, errors, _ = follow(peer, feed, PLAY + 12, seed)
        late += [e for host, e in errors if host >= PLAY + 5]
    assert p99(late) < 0.003


def test_the_first_moment_after_5_s_is_as_good_as_the_rest() -> None:
    at_5: list[float] = []
    for seed in range(300):
        peer = Peer()
        peer.play(PLAY)
        estimator, _, _ = follow(peer, REAPER, PLAY + 5, seed)
        at_5.append(error(peer, estimator.transport, PLAY + 5, "seconds"))
    assert p99(at_5) < 0.003


def test_a_midi_clocks_jitter_of_a_millisecond_is_halved_and_its_tempo_found() -> None:
    peer = Peer(97)
    peer.play(PLAY)
    estimator, errors, _ = follow(peer, TICKS, PLAY + 10)
    assert p99([e for host, e in errors if host > PLAY + 2]) < 0.0005
    assert estimator.transport.tempo.bpm == 97


def test_one_wild_observation_moves_nothing() -> None:
    peer = Peer()
    peer.play(PLAY)
    estimator, _, _ = follow(peer, REAPER, PLAY + 3)
    before = estimator.transport.position(HostTime(PLAY + 3.01))
    assert (
        estimator.observe(Observation(HostTime(PLAY + 3.01), playing=True, seconds=Seconds(77.0), bpm=Bpm(120))) is None
    )
    assert estimator.transport.position(HostTime(PLAY + 3.01)) == before
    _, errors, _ = follow(peer, REAPER, PLAY + 6, estimator=estimator, begin=PLAY + 3.1)
    assert max(abs(e) for _, e in errors) < SEEK / 5


@pytest.mark.parametrize("feed", [REAPER, LIVE, TICKS], ids=["seconds", "beats", "ticks"])
@pytest.mark.parametrize("beats", [4.0, 64.0])
def test_a_jump_is_a_seek_with_the_second_observation_of_it(feed: Feed, beats: float) -> None:
    peer = Peer()
    peer.play(PLAY)
    peer.locate(PLAY + 8, beats)
    estimator, errors, given = follow(peer, feed, PLAY + 10)
    found = PLAY + 8 + 2 / feed.rate + 2 * feed.jitter
    assert max(abs(e) for host, e in errors if host > found) < SEEK / 2
    jumps = [t for t in given if t.host > PLAY + 8 and abs(error(peer, t, PLAY + 8, feed.axis)) < SEEK]
    assert jumps[0].host <= found
    assert abs(error(peer, estimator.transport, PLAY + 10, feed.axis)) < 0.006


def test_a_position_that_the_source_set_is_believed_at_once() -> None:
    peer = Peer()
    peer.play(PLAY)
    estimator, _, _ = follow(peer, TICKS, PLAY + 2)
    news = estimator.observe(Observation(HostTime(PLAY + 2), playing=True, beats=Beats(32.0), moved=True))
    assert news is not None
    assert news.beats(HostTime(PLAY + 2)) == pytest.approx(32)


def test_a_told_tempo_holds_at_once_and_leaves_the_beat() -> None:
    peer = Peer()
    peer.play(PLAY)
    peer.turn_tempo(PLAY + 6, 90)
    estimator, errors, _ = follow(peer, LIVE, PLAY + 12)
    assert estimator.transport.tempo.bpm == 90
    # Until it is told, a quarter of the time passed is lost; then it is made up for.
    assert max(abs(e) for host, e in errors if PLAY + 6 < host < PLAY + 6.2) < 0.035
    assert max(abs(e) for host, e in errors if host > PLAY + 6.5) < 0.010


@pytest.mark.parametrize("bpm", [60.0, 112.0, 119.0, 121.0, 133.0, 240.0])
def test_a_measured_tempo_change_is_found_within_half_a_second_and_not_overshot(bpm: float) -> None:
    peer = Peer(120)
    peer.play(PLAY)
    peer.turn_tempo(PLAY + 6, bpm)
    estimator, errors, given = follow(peer, TICKS, PLAY + 12)
    assert estimator.transport.tempo.bpm_at(estimator.transport.seconds) == bpm
    assert max(abs(e) for host, e in errors if host > PLAY + 6.5) < 0.003
    tempi = [t.tempo.bpm_at(t.seconds) for t in given if t.host > PLAY + 6.5]
    assert all(abs(tempo / bpm - 1) < 0.01 for tempo in tempi)


def test_small_errors_are_slewed_and_no_seek() -> None:
    estimator = fresh()
    host, published = START, []
    for count in range(200):
        step = 0.02 if count >= 100 else 0.0  # The source's clock is set 20 ms on, once.
        host = HostTime(START + count / 50)
        estimator.observe(Observation(host, playing=True, seconds=Seconds(count / 50 + step)))
        published.append(estimator.transport.position(host) - (host - START))
    moves = [b - a for a, b in pairwise(published)]
    assert max(abs(move) for move in moves) <= 0.2 / 50 + 1e-9
    assert published[-1] == pytest.approx(0.02, abs=0.001)


def test_a_steady_project_is_news_seldom() -> None:
    peer = Peer()
    peer.play(PLAY)
    _, _, given = follow(peer, Feed(rate=50, jitter=0.0001), PLAY + 10)
    assert len(given) <= 3


def test_it_parks_where_the_source_says_and_moves_there_when_it_is_moved() -> None:
    peer = Peer()
    peer.play(PLAY)
    peer.stop(PLAY + 4)
    peer.locate(PLAY + 6, 3)
    estimator, errors, given = follow(peer, REAPER, PLAY + 8)
    assert not estimator.transport.playing
    assert estimator.transport.seconds == pytest.approx(1.5)
    parked = [t for t in given if t.host > PLAY + 4.2]
    assert len(parked) == 1
    assert max(abs(e) for host, e in errors if host > PLAY + 6.2) == 0


def test_a_known_loop_is_no_seek_and_never_left() -> None:
    peer = Peer()
    peer.loop(START, 4, 8)
    peer.play(PLAY)
    for feed in (REAPER, LIVE, TICKS):
        estimator, errors, given = follow(peer, feed, PLAY + 60)
        assert max(abs(e) for host, e in errors if host > PLAY + 5) < 0.006
        for news in given:
            assert news.loop == Loop(Beats(4.0), Beats(8.0))
            assert news.tempo.beats_at(news.seconds) < 8.1
        assert len(given) < 120
        assert 4 <= estimator.transport.beats(HostTime(PLAY + 60)) < 8


def test_a_seek_back_inside_a_loop_stays_in_the_loop() -> None:
    peer = Peer()
    peer.loop(START, 4, 8)
    peer.play(PLAY)
    peer.locate(PLAY + 3.9, 4.5)
    estimator, errors, _ = follow(peer, REAPER, PLAY + 9)
    assert max(abs(e) for host, e in errors if host > PLAY + 4.2) < 0.02
    assert estimator.transport.loop_seconds is not None


def test_a_tempo_heard_where_nobody_was_before_is_a_point_of_the_map() -> None:
    tempo = TempoMap((TempoPoint(Seconds(0.0), Beats(0.0)), TempoPoint(Seconds(4.0), Beats(8.0))), Bpm(90.0))
    peer = Peer()
    peer.act(START, tempo=tempo)
    peer.play(PLAY)
    peer.locate(PLAY + 10, 2)
    estimator, errors, _ = follow(peer, REAPER, PLAY + 12)
    heard = estimator.transport.tempo
    assert heard.bpm_at(Seconds(1.0)) == 120
    assert heard.bpm_at(Seconds(6.0)) == 90
    # The change is heard with the next observation, so its place is as exact as they are frequent.
    assert heard.beats_at(Seconds(9.0)) == pytest.approx(tempo.beats_at(Seconds(9.0)), abs=0.5 / 11 + 0.01)
    assert max(abs(e) for host, e in errors if host > PLAY + 10.3) < 0.02


def test_another_tempo_where_one_had_been_heard_means_that_the_project_has_one() -> None:
    peer = Peer()
    peer.play(PLAY)
    peer.locate(PLAY + 8, 2)
    peer.turn_tempo(PLAY + 9, 90)
    estimator, _, _ = follow(peer, LIVE, PLAY + 11)
    assert estimator.transport.tempo == TempoMap.constant(Bpm(90.0))


def test_jitter_about_a_tempo_change_is_no_second_tempo() -> None:
    for seed in range(30):
        peer = Peer()
        peer.play(PLAY)
        peer.change_tempo(PLAY + 6, 97)
        estimator, _, _ = follow(peer, REAPER, PLAY + 9, seed)
        assert len(estimator.transport.tempo.points) == 2
        assert estimator.transport.tempo.bpm_at(Seconds(2.0)) == 120
        assert abs(error(peer, estimator.transport, PLAY + 9)) < 0.030


def test_beats_beside_seconds_place_the_map() -> None:
    estimator = fresh()
    for count in range(5):
        host = HostTime(START + count / 10)
        estimator.observe(
            Observation(
                host, playing=True, seconds=Seconds(30 + count / 10), beats=Beats(40 + count / 5), bpm=Bpm(120.0)
            )
        )
    assert estimator.transport.beats(HostTime(START + 1)) == pytest.approx(42)
    assert estimator.transport.position(HostTime(START + 1)) == pytest.approx(31)


def test_a_given_map_reads_the_positions_and_is_not_unlearned() -> None:
    tempo = TempoMap((TempoPoint(Seconds(0.0), Beats(0.0)), TempoPoint(Seconds(4.0), Beats(8.0))), Bpm(90.0))
    estimator = fresh()
    estimator.give_map(tempo)
    peer = Peer()
    peer.act(START, tempo=tempo)
    peer.play(PLAY)
    estimator, errors, _ = follow(peer, LIVE, PLAY + 9, estimator=estimator)
    assert estimator.transport.tempo == tempo
    assert estimator.transport.position(HostTime(PLAY + 9)) == pytest.approx(9, abs=0.006)
    assert max(abs(e) for host, e in errors if host > PLAY + 5.5) < 0.006


@settings(max_examples=40, deadline=None)
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["play", "stop", "locate", "tempo"]),
            st.floats(1.0, 4.0),
            st.floats(0, 200),
            st.floats(60, 200),
        ),
        max_size=8,
    ),
    feed=st.sampled_from([REAPER, LIVE, Feed(rate=50, jitter=0.0002)]),
    seed=st.integers(0, 1000),
)
def test_whatever_the_project_does_it_is_caught_up_with(acts, feed, seed) -> None:
    peer, host = Peer(), float(PLAY)
    peer.play(host)
    for act, pause, beats, bpm in acts:
        host += pause
        match act:
            case "play":
                peer.play(host)
            case "stop":
                peer.stop(host)
            case "locate":
                peer.locate(host, beats)
            case "tempo":
                peer.turn_tempo(host, bpm)
    estimator, _, _ = follow(peer, feed, host + 3, seed)
    assert estimator.transport.playing is peer.at(host + 3).playing
    assert abs(error(peer, estimator.transport, host + 3, feed.axis)) < 0.012


def test_the_same_observations_give_the_same_transports() -> None:
    peer = Peer()
    peer.play(PLAY)
    one = follow(peer, REAPER, PLAY + 5, 7)[2]
    other = follow(peer, REAPER, PLAY + 5, 7)[2]
    assert one == other
    assert len(list(REAPER.observations(peer, PLAY, PLAY + 5, Random(7)))) > len(one)


def test_a_beat_that_was_told_wrongly_at_first_is_forgotten_where_the_tempo_never_changed() -> None:
    estimator = Estimator(Transport(START, Seconds(0.0), playing=False))
    for n in range(200):
        host = HostTime(START + n / 50)
        seconds = Seconds(n / 50)
        # A DAW that chases another's position tells its own beat, which is late until it has caught up.
        behind = 0.08 if n < 10 else 0.0
        estimator.observe(Observation(host, True, seconds, Beats(seconds * 2 - behind), Bpm(120.0)))
    assert estimator.transport.tempo.seconds_at(Beats(0.0)) == pytest.approx(0.0, abs=0.001)
    assert len(estimator.transport.tempo.points) == 1


@pytest.mark.parametrize("second", [(5e-324, 0.1), (1e-9, 0.1), (0.5, 1e5)])
def test_garbage_that_could_be_a_tempo_without_end_is_no_piece_of_the_map(second: tuple[float, float]) -> None:
    estimator = Estimator(Transport(START, Seconds(0.0), playing=False))
    for n, (seconds, beats) in enumerate(((-5.0, -10.0), second)):
        seen = Observation(HostTime(START + 0.05 * n), True, Seconds(seconds), Beats(beats), Bpm(120.0 + n))
        estimator.observe(seen)
    for ahead in (0.0, 0.03, 1.0):
        host = HostTime(START + 0.05 + ahead)
        assert abs(estimator.transport.beats(host)) < 1e6
        assert 1 <= estimator.transport.tempo.bpm_at(estimator.transport.position(host)) <= 2000


def test_a_source_that_goes_backwards_while_it_says_that_it_rolls_has_no_tempo_of_its_own() -> None:
    estimator = Estimator(Transport(START, Seconds(0.0), playing=False))
    for n in range(60):
        estimator.observe(Observation(HostTime(START + n / 30), True, beats=Beats(100 - n / 10)))
    assert 1 <= estimator.transport.tempo.bpm_at(estimator.transport.seconds) <= 2000


def test_a_ramp_that_is_told_fifty_times_a_second_leaves_some_ten_points() -> None:
    estimator = Estimator(Transport(START, Seconds(0.0), playing=False))
    beats = 0.0
    for n in range(500):
        bpm = 100 + n / 10
        estimator.observe(Observation(HostTime(START + n / 50), True, Seconds(n / 50), Beats(beats), Bpm(bpm)))
        beats += bpm / 60 / 50
    tempo = estimator.transport.tempo
    assert 60 < len(tempo.points) < 160
    assert tempo.seconds_at(Beats(0.0)) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("late", [0.0, 0.1, 0.3])
def test_a_tempo_that_is_told_late_beside_beats_that_are_not_moves_nothing_that_lies_before_it(late: float) -> None:
    estimator = Estimator(Transport(START, Seconds(0.0), playing=False))
    change, before, after = 6.0, 97.0, 120.0
    for n in range(120):
        seconds = n / 10
        beats = min(seconds, change) * before / 60 + max(0.0, seconds - change) * after / 60
        bpm = before if seconds <= change + late else after
        estimator.observe(Observation(HostTime(START + seconds), True, Seconds(seconds), Beats(beats), Bpm(bpm)))
    tempo = estimator.transport.tempo
    for beat in (0.0, 4.0, 8.0):
        assert tempo.seconds_at(Beats(beat)) == pytest.approx(beat * 60 / before, abs=0.001)
    assert tempo.seconds_at(Beats(15.0)) == pytest.approx(change + (15 - change * before / 60) * 60 / after, abs=0.002)

"""Selecting and pressing a button, in the running daemon."""

import pytest

from tests.app.studio import VOCALS, Studio


def test_a_button_without_a_selection_is_refused_with_what_to_do(studio: Studio) -> None:
    ear = studio.ear
    ear.send("/bridge/play/vocals", 1)
    _, address, code, message = ear.wait("error").arguments
    assert (address, code) == ("/bridge/play/vocals", "no_selection")
    assert "/bridge/select" in str(message)


def test_one_press_plays_what_is_selected_and_the_release_does_nothing(studio: Studio) -> None:
    ear, synth = studio.ear, studio.synth
    song = str(studio.song(6))
    ear.send("/bridge/subscribe", "selection")
    assert ear.ask("/bridge/select", song, "start", 1, answer="selection")[:1] == (song,)
    ear.send("/bridge/play/vocals", 1.0)
    job = ear.wait("job/accepted").arguments[0]
    ear.send("/bridge/play/vocals", 0.0)
    ear.wait_until(lambda: any(h.arguments[0] == job for h in ear.of("job/unloaded")))
    assert len(ear.of("job/accepted")) == 1
    ons = [on for on in list(synth.ons) if on.data[0] & 0x0F == VOCALS - 1]
    assert len(ons) >= 8
    assert ear.of("job/result")[0].arguments[1] == "vocals"


def test_the_next_selection_takes_its_place_and_who_comes_later_hears_it(studio: Studio) -> None:
    ear = studio.ear
    first, second = str(studio.song(5)), str(studio.song(4))
    ear.send("/bridge/select", first)
    ear.send("/bridge/select", second, "stem", "bass", "transpose", 1)
    assert "no key 'transpose'" in str(ear.wait("error").arguments[3])
    with studio.daemon.ear("selection") as late:
        assert late.wait("selection").arguments[0] == first
        ear.send("/bridge/select", second, "stem", "bass")
        arguments = late.wait("selection", count=2).arguments
        assert dict(zip(arguments[1::2], arguments[2::2], strict=True))["stem"] == "bass"
        late.send("/bridge/select", str(studio.folder / "none.wav"))
        late.send("/bridge/play/other", 1)
        assert late.wait("error").arguments[1:3] == ("/bridge/play/other", "file_not_found")
    assert not ear.of("job/accepted")


@pytest.mark.parametrize("press", [(), (1,), (0.2,)])
def test_a_press_is_any_number_but_0(studio: Studio, press: tuple[float, ...]) -> None:
    ear = studio.ear
    ear.send("/bridge/select", str(studio.folder / "none.wav"))
    ear.send("/bridge/play/bass", *press)
    assert ear.wait("error").arguments[1] == "/bridge/play/bass"

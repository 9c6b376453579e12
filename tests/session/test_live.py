"""The live parameters: what holds before and after somebody turns a knob."""

from bridge.music.sound import Stem
from bridge.session.live import LiveParameters
from bridge.session.parameters import PARAMETERS
from tests.session.fakes import RecordingPlayer


def test_what_nobody_has_set_is_at_its_default_and_left_to_the_player() -> None:
    player = RecordingPlayer()
    live = LiveParameters(player, {})
    assert dict(live) == {name: p.default for name, p in PARAMETERS.items()}
    assert live.threshold is None, "each transcriber's own holds"
    assert player.calls == []


def test_a_value_reaches_the_player_and_is_what_holds_from_then_on() -> None:
    player = RecordingPlayer()
    live = LiveParameters(player, {"channel/bass": 7})
    live.set("threshold", 0.3)
    assert player.calls == [("set_parameter", ("channel/bass", 7)), ("set_parameter", ("threshold", 0.3))]
    assert live.threshold == live.get("threshold") == 0.3
    assert live.channels()[Stem.BASS] == 7
    assert live.channels()[Stem.DRUMS] == 10

"""Calibration on a real JACK server, with an instrument whose delay is known."""

import asyncio
import subprocess
import sys
from dataclasses import replace

import jack
import numpy as np
import pytest

from bridge.app.calibrate import Calibration, CalibrationRequest, measure
from bridge.app.capture import Block, joined
from bridge.app.capture_jack import JackCapture
from bridge.errors import BridgeError, ErrorCode
from bridge.midi.options import PlayerOptions
from bridge.music.click_delay import Delay
from tests.app.click_synth import AUDIO, MIDI, ClickSynth
from tests.jack_peer import JackServer

DELAY_MS = 12.3
REQUEST = CalibrationRequest(listen=(AUDIO,), instrument=MIDI, clicks=8)


def on(server: JackServer, **options) -> PlayerOptions:
    return PlayerOptions(backend="jack", jack_server=server.name, **options)


def quiet(_: str) -> None:
    pass


async def test_the_offset_that_is_proposed_is_right_to_a_millisecond(server):
    with ClickSynth(server, DELAY_MS):
        # What is set already must not hide in the result.
        found = await measure(on(server, offset_ms=-40.0), replace(REQUEST, clicks=12), quiet)
    assert found.offset_ms == pytest.approx(-DELAY_MS, abs=1.0)
    assert found.doubt_ms < 1.0
    assert found.latency == 0
    assert found.delay.heard >= 11


async def test_an_instrument_that_somebody_connects_meanwhile_is_waited_for(server):
    said = []
    with ClickSynth(server, 30.0):
        client = jack.Client("patchbay", no_start_server=True, servername=server.name)
        try:
            calibrating = asyncio.create_task(measure(on(server), replace(REQUEST, instrument=None), said.append))
            async with asyncio.timeout(20):
                while not any(text.startswith("Connect your instrument to StemBridge:out") for text in said):
                    await asyncio.sleep(0.01)
            client.connect("StemBridge:out", MIDI)
            found = await calibrating
        finally:
            client.close()
    assert found.offset_ms == pytest.approx(-30.0, abs=1.0)


async def test_silence_is_refused_with_what_to_look_at(server):
    silent = ClickSynth(server, DELAY_MS, level=0.0)
    with silent, pytest.raises(BridgeError, match="nothing was heard: is the instrument connected") as refused:
        await measure(on(server), REQUEST, quiet)
    assert refused.value.code is ErrorCode.BAD_AUDIO


async def test_an_instrument_that_is_never_equally_late_is_refused(server):
    unsteady = ClickSynth(server, 150.0, jitter_ms=120.0)
    with unsteady, pytest.raises(BridgeError, match="clicks were answered at one delay") as refused:
        await measure(on(server), REQUEST, quiet)
    assert refused.value.code is ErrorCode.BAD_AUDIO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument": "piano:in"}, "JACK has no MIDI input 'piano:in'; there are: .*clicker:midi"),
        ({"listen": ("mixer:out",)}, "JACK has no audio output 'mixer:out'; there are: .*clicker:audio"),
    ],
)
async def test_ports_that_do_not_exist_are_refused_with_those_that_do(server, change, message):
    with ClickSynth(server, DELAY_MS), pytest.raises(BridgeError, match=message) as refused:
        await measure(on(server), replace(REQUEST, **change), quiet)
    assert refused.value.code is ErrorCode.BAD_ARGUMENT


async def test_without_a_midi_port_nothing_is_measured(tmp_path):
    with pytest.raises(BridgeError, match="there is no MIDI port to play on") as refused:
        await measure(PlayerOptions(backend="recording", recording=tmp_path / "r.jsonl"), REQUEST, quiet)
    assert refused.value.code is ErrorCode.MIDI_UNAVAILABLE


def test_too_few_clicks_are_refused():
    with pytest.raises(BridgeError, match="3 clicks are too few"):
        CalibrationRequest(clicks=3)


def test_what_the_audio_system_takes_is_not_made_up_for():
    delay = Delay(0.0301, 0.0291, 0.0303, 0.001, 20, 20, 0)
    assert Calibration(delay, 0.0).offset_ms == -30.1
    assert Calibration(delay, 0.0101).offset_ms == -20.0
    assert Calibration(delay, 0.0301).offset_ms == 0.0
    assert Calibration(delay, 0.0).doubt_ms == pytest.approx(1.0)


def test_blocks_are_joined_by_the_line_through_their_times_and_a_missing_one_is_silent():
    chance = np.random.default_rng(1)
    rate, begin, first = 47_999.0, 12.0, (1 << 32) - 1000
    blocks = [
        Block(
            (first + k * 256) % (1 << 32), begin + k * 256 / rate + chance.normal(0, 0.001), np.full(256, k, np.float32)
        )
        for k in range(2000)
        if k != 7
    ]
    recorded = joined(blocks)
    assert recorded.begin == pytest.approx(begin, abs=0.0005)
    assert recorded.rate == pytest.approx(rate, rel=5e-5)
    assert len(recorded.samples) == 2000 * 256
    assert [float(recorded.samples[k * 256]) for k in (0, 6, 7, 8, 1999)] == [0, 6, 0, 8, 1999]


def test_of_hardware_inputs_jack_s_own_way_in_and_out_is_taken_off(server):
    listed = subprocess.run(
        ["jack_lsp", "-l"], env=server.environment, capture_output=True, text=True, check=True
    ).stdout
    lines = [line.strip() for line in listed.splitlines()]

    def stated(port, direction):
        place = lines.index(port)
        line = next(line for line in lines[place:] if line.startswith(f"port {direction} latency"))
        return int(line.split()[-3])

    with JackCapture(server.name) as capture:
        assert capture.name == "system:capture_1, system:capture_2"
        frames = stated("system:capture_1", "capture") + stated("system:playback_1", "playback")
        assert capture.latency * server.rate == pytest.approx(frames)
        assert frames > 0


def test_an_input_that_gives_nothing_is_said():
    with pytest.raises(BridgeError, match="the audio input gave nothing"):
        joined([])


def test_a_device_that_does_not_exist_is_refused_with_those_that_do(server):
    """In a process of its own: PortAudio looks for devices once, when it is loaded."""
    program = "from bridge.app.capture import DeviceCapture\nDeviceCapture('no such microphone')"
    ran = subprocess.run(
        [sys.executable, "-c", program], env=server.environment, capture_output=True, text=True, check=False
    )
    assert "cannot listen to no such microphone" in ran.stderr
    assert "inputs: " in ran.stderr


LISTEN = """
import sys, time, jack
from bridge.app.capture import DeviceCapture
from bridge.music.click_delay import find_onsets
with DeviceCapture("clicker") as capture:
    client = jack.Client("player", no_start_server=True)
    out, sent = client.midi_outports.register("out"), []
    from bridge.midi.jack_time import JackTime
    times, due = JackTime(client), [0]
    @client.set_process_callback
    def process(frames):
        out.clear_buffer()
        start = client.last_frame_time
        if start >= due[0]:
            if due[0]:
                out.write_midi_event(0, bytes((0x90, 60, 80)))
                sent.append(times.host(start))
            due[0] = start + 12000 + 977 * len(sent)
    heard, deadline = [], time.monotonic() + 20
    with client:
        client.connect(out, "clicker:midi")
        while len(heard) < 8 and time.monotonic() < deadline:
            time.sleep(0.05)
            heard = find_onsets(capture.recorded()) if len(sent) > 1 else []
    print(*sent[:8]); print(*heard)
"""


def test_a_device_is_recorded_with_the_times_of_its_frames(server):
    pytest.importorskip("sounddevice", exc_type=(ImportError, OSError))
    with ClickSynth(server, 50.0):
        ran = subprocess.run(
            [sys.executable, "-c", LISTEN], env=server.environment, capture_output=True, text=True, check=True
        )
    sent, heard = ([float(x) for x in line.split()] for line in ran.stdout.splitlines())
    # PortAudio adds what it believes its way through JACK to take.
    assert [b - a for a, b in zip(sent, heard, strict=False)] == pytest.approx([0.05] * 8, abs=0.02)

"""An instrument with a known delay: a JACK client in a process of its own that answers each note-on with a click, so much later.

Run as a program, this file is that process.
"""

import random
import subprocess
import sys
from typing import Self

from tests.jack_peer import JackServer

NAME = "clicker"
MIDI, AUDIO = f"{NAME}:midi", f"{NAME}:audio"


class ClickSynth:
    """There when it is entered; gone when it is left."""

    def __init__(self, server: JackServer, delay_ms: float, jitter_ms: float = 0.0, level: float = 0.5) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.click_synth", server.name, str(delay_ms), str(jitter_ms), str(level)],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def main(server: str, delay_ms: float, jitter_ms: float, level: float) -> None:
    import jack

    sys.setswitchinterval(2e-4)
    client = jack.Client(NAME, no_start_server=True, servername=server)
    midi, audio = client.midi_inports.register("midi"), client.outports.register("audio")
    waiting: list[int] = []
    chance = random.Random(1)

    @client.set_process_callback
    def process(frames: int) -> None:
        start = client.last_frame_time
        for offset, data in midi.incoming_midi_events():
            message = bytes(data)
            if message[0] & 0xF0 == 0x90:
                late = delay_ms + chance.uniform(-jitter_ms, jitter_ms)
                waiting.append(start + offset + round(late / 1000 * client.samplerate))
        samples = audio.get_array()
        samples[:] = 0
        for frame in list(waiting):
            place = frame - start
            if place < frames:
                waiting.remove(frame)
                samples[max(0, place) : place + 48] = level

    with client:
        print("ready", flush=True)
        # Until whoever started us is gone, and the other end of the pipe with it.
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))

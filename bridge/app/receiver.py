"""A second process that stands where the synthesizer would: it connects to the virtual port and tells each message it gets.

Run as `python -m bridge.app.receiver {jack|alsa|coremidi} NAME`; it says `connected`, then one JSON object a line with the host
time and the bytes of each message, and leaves when its standard input ends.
"""

import json
import sys
import time

import rtmidi

APIS = {"jack": rtmidi.API_UNIX_JACK, "alsa": rtmidi.API_LINUX_ALSA, "coremidi": rtmidi.API_MACOSX_CORE}


def main(backend: str, name: str) -> int:
    """Listen to the first port whose name holds `name`; return 1 if there is none."""
    receiver = rtmidi.MidiIn(APIS[backend], name="StemBridge receiver")
    ports = receiver.get_ports()
    index = next((i for i, port in enumerate(ports) if name in port), None)
    if index is None:
        print(f"no MIDI port has {name!r} in its name; there are: {ports}", file=sys.stderr)
        return 1

    def tell(event: tuple[list[int], float], _: object) -> None:
        print(json.dumps({"host": time.perf_counter(), "bytes": list(event[0])}), flush=True)

    receiver.set_callback(tell)
    receiver.open_port(index)
    print("connected", flush=True)
    sys.stdin.read()
    receiver.close_port()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:3]))

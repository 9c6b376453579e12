"""Where notes fall on the timeline of a real Ardour: the daemon plays a clip of many notes, Ardour records them on an armed MIDI track.

For each clock source the error is the distance from a recorded note to its own onset on the timeline, as the job's MIDI file has it.
Ardour 7 runs without a window on a JACK server of its own (dummy driver), in a network namespace; it writes 1,920 ticks a beat, a
quarter of a millisecond at 120. With every cycle that JACK misses (xruns), Ardour's timeline, its clock and its recording part by up to a
period, so the machine should be quiet.

Slaved to JACK's transport, Ardour records in some takes all of it a cycle beside its place. So there a JACK client writes notes at the
very frames of the transport to the same track, and the column "metronome" has their median error.

The track's alignment is Capture Time. With `--automatic`, its default, Ardour takes a MIDI input for somebody who plays to what is heard
and moves the recording earlier by the output's latency (11.3 ms on the dummy driver at period 256).

    python -m benchmarks.ardour_recording [--seconds 60] [--sources jack midi ardour] [--automatic]
"""

import argparse
import json
import subprocess
import sys
import tempfile

import numpy as np

from tests.alone import ALONE, missing_ardour


def take(source: str, seconds: float, alignment: str) -> str:
    """Roll once by this clock; return the row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*ALONE, sys.executable, "-m", "tests.app.ardour_take", folder, source, str(seconds), alignment]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        return f"{source:9} {done.stderr.strip().splitlines()[-1]}"
    found = json.loads(done.stdout)
    errors = np.array(found["errors_ms"] or [np.nan])
    size = np.abs(errors)
    beside = f"{np.median(found['metronome_ms']):+9.2f}" if found["metronome_ms"] else f"{'':9}"
    counts = f"{found['lateness_p99_ms']:12.3f} {found['xruns']:7}"
    return (
        f"{source:9} {found['played']:6} {found['recorded']:9} {len(found['errors_ms']):7} {np.median(errors):+9.2f}"
        f" {np.median(size):8.2f} {np.percentile(size, 99):8.2f} {size.max():8.2f} {beside} {counts}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sources", nargs="+", default=["jack", "midi", "ardour"])
    parser.add_argument("--automatic", action="store_true", help="the track's alignment as Ardour has it by default")
    options = parser.parse_args()
    if (reason := missing_ardour()) is not None:
        sys.exit(reason)
    print("Errors in ms, above 0 late; lateness is what our sender says of itself.")
    print(
        "source     notes  recorded  paired      bias   median      p99      max metronome lateness p99  xruns",
        flush=True,
    )
    for source in options.sources:
        print(take(source, options.seconds, "automatic" if options.automatic else "capture"), flush=True)


if __name__ == "__main__":
    main()

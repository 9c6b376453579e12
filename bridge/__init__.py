"""StemBridge: from audio in a DAW to notes on a virtual MIDI port, while the rest is still being separated.

The rooms, upper ones importing only lower ones, rooms on one line never each other:

    app          settings, daemon (the only place that constructs things), the desks that carry out commands, triggers and
                 the watched folder, command line, calibration, doctor, demo
    osc | inference | midi | clock | audio | cache
                 the edges: the wire, the heavy libraries (own process), the ports (own process), time, files, what was analysed before
    session      what happens to a job: request, events, book, pipeline, Protocols that the edges fulfil
    music        pure values and arithmetic: sound, notes, tempo, quality, synthesis
    errors, units

torch, demucs, madmom, sounddevice, mido, rtmidi, jack, pythonosc and soundfile never appear in `music` or `session`.
"""

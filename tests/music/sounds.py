"""Whole sounds through what the quality measures do block by block."""

from bridge.music.features import Framing, blocks, onset_envelope, onset_power
from bridge.music.similarity import WaveformCorrelation


def each_block(sound, rate):
    return blocks(lambda begin, end: sound[begin:end], len(sound), Framing.pitch(rate).window)


def envelope(sound, rate):
    power = onset_power(rate, len(sound))
    for block in each_block(sound, rate):
        power.take(block)
    return onset_envelope(power.power)


def waveform_match(stem, other, rate):
    correlation = WaveformCorrelation(len(stem), rate)
    for block in each_block(stem, rate):
        correlation.take(block)
    match = correlation.start()
    for block in each_block(other, rate):
        match.take(block)
    return match.best()

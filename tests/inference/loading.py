"""What the tests of loading share."""

import socket

import numpy as np

from bridge.inference.models import ModelLoader, ModelOptions
from bridge.music.sound import Stem
from tests.inference.model_zoo import ArrayClip

HTDEMUCS = "955717e8"  # the signature of htdemucs' one network


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_of_clip():
    """A playhead that stands at the clip's start."""
    return 0.0


def load(hub, name=None, stems=(Stem.VOCALS,), **options):
    return ModelLoader(ModelOptions(device="cpu", **options), hub).load(name, stems)


def vocals_of(separator, samples):
    stretches = separator.separate(ArrayClip(samples), [Stem.VOCALS], start_of_clip)
    return np.concatenate([stretch.stems[Stem.VOCALS] for stretch in stretches], axis=1)

"""`stembridge send`: one OSC message, and what comes back."""

import argparse

from bridge.app.settings import Settings
from bridge.osc.client import OscClient, message_from_words
from bridge.osc.codec import OscMessage


def send(settings: Settings, options: argparse.Namespace) -> int:
    """Send a message and print the answers, one a line; return 1 if an error was among them."""
    host = options.host or local(settings.osc.host)
    message = message_from_words(options.address, options.arguments)
    refused = False
    with OscClient(host, options.port or settings.osc.port) as client:
        client.send(message.address, *message.arguments)
        if options.wait > 0:
            for answer in client.messages(options.wait):
                print(in_words(answer), flush=True)
                refused |= answer.address == "/bridge/error"
    return int(refused)


def local(host: str) -> str:
    """Where a daemon that listens on this address is reached from its own machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def in_words(message: OscMessage) -> str:
    """A message on one line, texts in quotes where they would read as several words."""
    words = [f"{a:.6g}" if isinstance(a, float) else repr(a) if " " in str(a) else str(a) for a in message.arguments]
    return " ".join([message.address, *words])

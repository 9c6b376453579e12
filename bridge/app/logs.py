"""Logging: one line an entry on standard error, with a logger a wire or task (bridge.osc, bridge.jobs, bridge.midi, ...)."""

import logging
import sys


def configure(level: str) -> None:
    """Set up logging in this process; `level` is debug, info, warning or error."""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    for chatty in ("matplotlib", "numba", "urllib3", "httpx", "huggingface_hub", "PIL", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

"""How many threads torch may use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on the calling thread alone.

    Many small operations gain little from a second core, and lose tenfold where another process, a DAW for one, has that core:
    each waits until the other thread gets its turn. And their results no longer depend on a setting.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

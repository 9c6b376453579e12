"""Overlap-add that gives away what is finished: memory holds the window in which segments still overlap, no more."""

import torch


class OverlapAdd:
    """Sums weighted, overlapping segments and divides by the sum of their weights.

    Segments may come in any order. `take` gives the frames that the caller knows to be complete, from the start on.
    """

    def __init__(self, *shape: int) -> None:
        """`shape` is what comes before the frames: (stems, channels)."""
        self._start = 0
        self._sum = torch.zeros(*shape, 0)
        self._weight = torch.zeros(0)

    def add(self, offset: int, values: torch.Tensor, weight: torch.Tensor) -> None:
        """Add `values`, shape (..., frames), already weighted, and their `weight`, shape (frames), at frame `offset`."""
        frames = values.shape[-1]
        begin = offset - self._start
        if begin < 0:
            raise ValueError(f"frame {offset} was given away already; the window starts at {self._start}")
        missing = begin + frames - self._weight.shape[-1]
        if missing > 0:
            self._sum = torch.nn.functional.pad(self._sum, (0, missing))
            self._weight = torch.nn.functional.pad(self._weight, (0, missing))
        self._sum[..., begin : begin + frames] += values
        self._weight[begin : begin + frames] += weight

    def take(self, until: int) -> torch.Tensor:
        """Return the frames before `until` that were not taken yet, shape (..., frames), and forget them."""
        count = until - self._start
        taken = self._sum[..., :count] / self._weight[:count]
        # Copies, so that the memory of what was taken is freed with it.
        self._sum = self._sum[..., count:].clone()
        self._weight = self._weight[count:].clone()
        self._start = until
        return taken

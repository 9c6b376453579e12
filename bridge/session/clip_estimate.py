"""What holds for a whole clip, its key or its beats: kept from another time, or estimated once."""

from collections.abc import Callable
from typing import Generic, TypeVar

from bridge.music.sound import Clip
from bridge.session.ports import CacheKey, ClipEstimator, OpenClip
from bridge.session.request import JobRequest

T = TypeVar("T")


class ClipEstimate(Generic[T]):
    """Found at most once.

    Args:
        estimator: what finds it.
        request: whose clip it is about.
        open_clip: opens that at the estimator's rate, where it is not open at that rate already.
        source: what the cache calls the clip's samples.
        recall: gives what the cache holds.
        keep: puts it there.

    """

    def __init__(
        self,
        estimator: ClipEstimator[T],
        request: JobRequest,
        open_clip: OpenClip,
        source: CacheKey,
        *,
        recall: Callable[[CacheKey], T | None],
        keep: Callable[[CacheKey, T], None],
    ) -> None:
        self._estimator, self._request, self._open_clip = estimator, request, open_clip
        self._key: CacheKey = (*source, estimator.fingerprint)
        self._recall, self._keep = recall, keep
        self._sought = False

    def recall(self) -> T | None:
        """Return what is kept; there is nothing to find then."""
        kept = self._recall(self._key)
        self._sought = self._sought or kept is not None
        return kept

    def find(self, clip: Clip | None, heed: Callable[[], None]) -> T | None:
        """Return what is estimated, None where there is nothing or where it was found before; `heed` may raise on the way.

        The audio comes from `clip` if that is open. Raises BridgeError FILE_NOT_FOUND, BAD_AUDIO where it cannot be opened.
        """
        if self._sought:
            return None
        self._sought = True
        estimator = self._estimator
        if clip is not None and clip.sample_rate == estimator.sample_rate:
            found = estimator.estimate(clip, heed)
        else:
            with self._open_clip(self._request, estimator.sample_rate, 1) as opened:
                found = estimator.estimate(opened, heed)
        if found is not None:
            self._keep(self._key, found)
        return found

"""The key of a job's clip on its way: kept from another time, or estimated once."""

from collections.abc import Callable, Iterator

from bridge.music.sound import Clip
from bridge.session.events import KeyFound
from bridge.session.ports import Cache, CacheKey, KeyEstimator, OpenClip
from bridge.session.work import Work


class KeyLine:
    """Says the key once, where the clip has one.

    Args:
        work: whose clip.
        keys: what estimates it.
        cache: where estimates are kept.
        source: what the cache calls the clip's samples.
        open_clip: opens it at the estimator's rate, where it is not open at that rate already.

    """

    def __init__(self, work: Work, keys: KeyEstimator, cache: Cache, source: CacheKey, open_clip: OpenClip) -> None:
        self._work, self._keys, self._cache, self._open_clip = work, keys, cache, open_clip
        self._key: CacheKey = (*source, keys.fingerprint)
        self._known = False

    def recall(self) -> Iterator[KeyFound]:
        """Give the key, if it is kept."""
        estimate = self._cache.recall_key(self._key)
        if estimate is not None:
            self._known = True
            yield KeyFound(self._work.request.id, estimate)

    def find(self, clip: Clip | None, heed: Callable[[], None]) -> Iterator[KeyFound]:
        """Estimate the key unless it is known, from `clip` if that is open; `heed` is called on the way and may raise.

        Raises BridgeError FILE_NOT_FOUND, BAD_AUDIO where the clip cannot be opened.
        """
        if self._known:
            return
        self._known = True
        if clip is not None and clip.sample_rate == self._keys.sample_rate:
            estimate = self._keys.estimate(clip, heed)
        else:
            with self._open_clip(self._work.request, self._keys.sample_rate, 1) as opened:
                estimate = self._keys.estimate(opened, heed)
        if estimate is not None:
            self._cache.keep_key(self._key, estimate)
            yield KeyFound(self._work.request.id, estimate)

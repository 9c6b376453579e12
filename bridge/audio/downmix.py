"""How the channels of a file become those of a model."""

import numpy as np
import numpy.typing as npt

from bridge.errors import BridgeError, ErrorCode

_CENTRE = 0.5**0.5

# Speakers in the order of WAV and FLAC files, as (left, right) levels after ITU-R BS.775; the low-frequency channel is left out.
_L, _R, _C, _LFE, _LS, _RS = (1, 0), (0, 1), (_CENTRE, _CENTRE), (0, 0), (_CENTRE, 0), (0, _CENTRE)
_SPEAKERS = {
    3: (_L, _R, _C),
    5: (_L, _R, _C, _LS, _RS),
    6: (_L, _R, _C, _LFE, _LS, _RS),
    8: (_L, _R, _C, _LFE, _LS, _RS, _LS, _RS),
}


def mix_matrix(source: int, target: int) -> npt.NDArray[np.float32]:
    """Return the levels, shape (target, source), that turn `source` channels into `target`.

    Mono goes to every channel. To mono: the mean. 3, 5, 6 and 8 channels to stereo: left, right, centre and surround after ITU-R BS.775.
    Any other number to stereo: the odd channels to the left, the even ones to the right, as in a stack of stereo pairs. Each sum is
    scaled so that it cannot exceed full scale. Raises BridgeError NOT_SUPPORTED for other targets.
    """
    if source == target:
        return np.eye(target, dtype=np.float32)
    if source == 1 or target == 1:
        return np.full((target, source), 1.0 / source, dtype=np.float32)
    if target != 2:  # noqa: PLR2004
        raise BridgeError(
            ErrorCode.NOT_SUPPORTED, f"{source} channels cannot be mixed to {target}; 1, 2 or {source} were expected"
        )
    levels = np.array(
        _SPEAKERS.get(source, [(1, 0) if i % 2 == 0 else (0, 1) for i in range(source)]), dtype=np.float64
    ).T
    scaled: npt.NDArray[np.float64] = levels / levels.sum(axis=1, keepdims=True)
    return scaled.astype(np.float32)

"""Images that make a faulty engine fail: a mark and a fault's number in the first row of pixels."""

from typing import Literal

import numpy as np

from shared.images import Images

Fault = Literal["raises", "nan", "wrong-length", "hangs", "dies", "freezes"]
FAULTS: tuple[Fault, ...] = ("raises", "nan", "wrong-length", "hangs", "dies", "freezes")

_MARK = np.frombuffer(b"mnistified-fault", np.uint8)
_CODE_AT = len(_MARK)


def poisoned(image: Images, fault: Fault) -> Images:
    """Return a copy of uint8[28,28] that triggers `fault`."""
    copy = image.copy()
    copy[0, :_CODE_AT] = _MARK
    copy[0, _CODE_AT] = FAULTS.index(fault)
    return copy


def faults_in(images: Images) -> dict[int, Fault]:
    """Return the faults among uint8[N,28,28] by position. Images in colour are never poisoned, nor are zeros."""
    if images.ndim != 3:
        return {}
    marked = np.flatnonzero((images[:, 0, :_CODE_AT] == _MARK).all(axis=1))
    return {int(position): FAULTS[images[position, 0, _CODE_AT]] for position in marked}

"""Candidates of drawn numbers with labels, to train and to fit with: what is cut well is a digit, the rest is none."""

import io
from collections.abc import Iterator
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image

from api.images.fit.grey import grey_of
from api.images.number.lattice import cut_up, images_of
from shared.errors import BadImage
from shared.images import Images
from shared.shapes import CLASSES
from tools.fit_accuracy.number_pictures import NUMBER_KINDS, Hand, NumberPicture, number_picture, random_number

NONE = CLASSES
MIN_OWN, MAX_FOREIGN = 0.93, 0.05  # parts of a digit's ink
MAX_PART, MIN_FOREIGN = 0.8, 0.15  # a wrong cut has less of a digit, or more of another one


def labelled_candidates(hand: Hand, random: Random) -> tuple[Images, npt.NDArray[np.uint8]]:
    """Return the candidates of one number uint8[N,28,28], and labels uint8[N] from 0 to NONE. N may be 0.

    Candidates of which neither is certain are left out.
    """
    kind = random.choice(NUMBER_KINDS[:5])
    picture = number_picture(random_number(random), kind, hand, random)
    labelled = list(_labelled(picture))
    if not labelled:
        return np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)
    return np.stack([image for image, _ in labelled]), np.array([label for _, label in labelled], np.uint8)


def _labelled(picture: NumberPicture) -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
    if picture.owners is None:
        return
    with Image.open(io.BytesIO(picture.file)) as image:
        grey = grey_of(image)
    try:
        line, cuttings, *_ = cut_up(grey)
    except BadImage:
        return
    size = (grey.shape[1], grey.shape[0])
    owners = np.asarray(Image.fromarray(picture.owners).resize(size, Image.Resampling.NEAREST))
    totals = np.bincount(owners.ravel(), minlength=len(picture.text) + 1)
    for cutting, pixels in zip(cuttings, images_of(line, cuttings), strict=True):
        rows, columns = np.nonzero(cutting.mask)
        found = np.bincount(owners[line.top + rows, line.lefts[rows] + columns], minlength=len(totals))
        label = _label(found[1:], totals[1:], picture.text)
        if label is not None:
            yield pixels, label


def _label(found: npt.NDArray[np.int64], totals: npt.NDArray[np.int64], text: str) -> int | None:
    """Return the label of a candidate that has `found` pixels of each digit, out of `totals`."""
    parts = found / np.maximum(totals, 1)
    best = int(parts.argmax())
    foreign = (found.sum() - found[best]) / max(1, totals[best])
    if parts[best] >= MIN_OWN and foreign <= MAX_FOREIGN:
        return int(text[best])
    return NONE if parts[best] < MAX_PART or foreign > MIN_FOREIGN else None

"""The bounds of the quality gate."""

import math
from dataclasses import dataclass, replace

from shared.contract.model_card import ModelCard
from shared.errors import ModelError

FLOOR = 0.995  # minimum accuracy on the test set, unless the card or the command line sets another one
SIGNIFICANCE = 0.05
MIN_GOLDEN_CONFIDENCE = 0.7
MAX_CALIBRATION_ERROR = 0.01  # the temperature corrects what label smoothing does; the rest is chance
ROBUSTNESS_FLOOR = 0.9  # minimum accuracy on each robustness set if there is no champion
MAX_ROBUSTNESS_LOSS = 0.02  # loss of accuracy compared with the champion
MIN_INVERTED_ACCURACY = 0.9  # a champion with at least this accuracy on inverted images supports them
# For labelled folders, whose models and pictures are of any kind.
FOLDER_CALIBRATION_ERROR = 0.05  # and one by the root of the number of pictures, for chance
FOLDER_ROBUSTNESS = 0.5  # minimum accuracy on each robustness set if there is no champion, as a share of the floor
MAX_LOST = 0.01  # share of the test images that the acceptance rule may lose
MAX_NOT_DIGITS = 0.05  # share of images without a digit that the acceptance rule may accept
MAX_WORST_MS = 20.0  # time of an image that visits all stages of a cascade: the default of MAX_BATCH_MS
MIN_THROUGHPUT = 0.8  # as a share of the champion's throughput
MAX_MEMORY_MIB = 512.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds that can differ from version to version. With `throughput=None`, throughput is not judged."""

    floor: float = FLOOR
    throughput: float | None = MIN_THROUGHPUT
    memory_mib: float = MAX_MEMORY_MIB
    calibration_error: float = MAX_CALIBRATION_ERROR
    robustness: float = ROBUSTNESS_FLOOR
    golden_confidence: float = MIN_GOLDEN_CONFIDENCE

    @property
    def recall(self) -> float:
        """The minimum recall of each class: it allows four times the average error rate that the floor allows."""
        return max(0.0, 1 - 4 * (1 - self.floor))


def for_folder(limits: Bounds, images: int) -> Bounds:
    """Return the bounds for a labelled folder with this number of pictures."""
    return replace(
        limits,
        calibration_error=FOLDER_CALIBRATION_ERROR + 1 / math.sqrt(images),
        robustness=FOLDER_ROBUSTNESS * limits.floor,
        golden_confidence=0.0,
    )


def floor_of(card: ModelCard, default: float | None = FLOOR) -> float:
    """Return the card's `floor`, or the default. Raises ModelError if it is not a number from 0 to 1."""
    floor = card.get("floor", default)
    if floor is None and "floor" not in card:
        raise ModelError(
            f"the card of {card.get('name')}@{card.get('version')} has no floor: name the minimum accuracy with --floor"
        )
    if not isinstance(floor, float | int) or isinstance(floor, bool) or not 0 < floor <= 1:
        raise ModelError(f"the card of {card.get('name')}@{card.get('version')} has floor={floor!r}: expected 0 to 1")
    return float(floor)

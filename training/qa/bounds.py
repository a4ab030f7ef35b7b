"""The bounds of the quality gate."""

from dataclasses import dataclass

from shared.contract.model_card import ModelCard
from shared.errors import ModelError

FLOOR = 0.995  # minimum accuracy on the test set, unless the card or the command line sets another one
SIGNIFICANCE = 0.05
MIN_GOLDEN_CONFIDENCE = 0.7
MAX_CALIBRATION_ERROR = 0.01  # the temperature corrects what label smoothing does; the rest is chance
ROBUSTNESS_FLOOR = 0.9  # minimum accuracy on each robustness set if there is no champion
MAX_ROBUSTNESS_LOSS = 0.02  # loss of accuracy compared with the champion
MIN_INVERTED_ACCURACY = 0.9  # a champion with at least this accuracy on inverted images supports them
MIN_THROUGHPUT = 0.8  # as a share of the champion's throughput
MAX_MEMORY_MIB = 512.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds that can differ from version to version. With `throughput=None`, throughput is not judged."""

    floor: float = FLOOR
    throughput: float | None = MIN_THROUGHPUT
    memory_mib: float = MAX_MEMORY_MIB

    @property
    def recall(self) -> float:
        """The minimum recall of each class: it allows four times the average error rate that the floor allows."""
        return max(0.0, 1 - 4 * (1 - self.floor))


def floor_of(card: ModelCard) -> float:
    """Return the card's `floor`, or the default. Raises ModelError if it is not a number from 0 to 1."""
    floor = card.get("floor", FLOOR)
    if not isinstance(floor, float | int) or isinstance(floor, bool) or not 0 < floor <= 1:
        raise ModelError(f"the card of {card.get('name')}@{card.get('version')} has floor={floor!r}: expected 0 to 1")
    return float(floor)

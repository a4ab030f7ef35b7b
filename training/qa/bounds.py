"""What a version has to reach. Speed and memory are the machine's and the model's; the rest is said here once."""

from dataclasses import dataclass
from typing import Any

from shared.errors import ModelError

FLOOR = 0.995  # accuracy on the test set, where neither card nor command line says otherwise
SIGNIFICANCE = 0.05
GOLDEN_CONFIDENCE = 0.7
CALIBRATION_ERROR = 0.08  # label smoothing of 0.05 makes 0.04 by design: sure of 0.955, right 0.995 of the time
ROBUSTNESS_FLOOR = 0.9  # of each set, without a champion
ROBUSTNESS_LOSS = 0.02  # against the champion's
HANDLED = 0.9  # an accuracy from which on the champion is said to handle inverted images
THROUGHPUT = 0.8  # of the champion's
MEMORY_MIB = 512.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What differs from version to version. `throughput` None: told, not judged."""

    floor: float = FLOOR
    throughput: float | None = THROUGHPUT
    memory_mib: float = MEMORY_MIB

    @property
    def recall(self) -> float:
        """No class may have more than four times the mistakes that the floor allows on the average."""
        return max(0.0, 1 - 4 * (1 - self.floor))


def floor_of(card: dict[str, Any]) -> float:
    """The card's own `floor`, or the default. Raises ModelError for one that is no share."""
    floor = card.get("floor", FLOOR)
    if not isinstance(floor, float | int) or isinstance(floor, bool) or not 0 < floor <= 1:
        raise ModelError(f"the card of {card.get('name')}@{card.get('version')} has floor={floor!r}: expected 0 to 1")
    return float(floor)

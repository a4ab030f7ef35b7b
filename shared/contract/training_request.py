"""What a training may be asked for: the API checks it, the trainer carries it out. Nothing here needs TensorFlow."""

from dataclasses import dataclass, fields
from typing import Any, Literal

NETWORK_NAMES = ("cnn", "cnn-small", "cnn-wide", "cnn-wide5", "seed")
QUEUED, RUNNING, CANCELLED = "queued", "running", "cancelled"

Promote = Literal["never", "if_passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`floor` is the gate's least accuracy (share), None: its own; `limit_images` None: all of them.

    `promote` is what becomes of a version that has passed: only `candidate`, or `champion` too.
    """

    network: str = "cnn"
    epochs: int = 60
    batch_size: int = 128
    seed: int = 0
    augment: bool = True
    limit_images: int | None = None
    floor: float | None = None
    promote: Promote = "never"


NAMES = tuple(field.name for field in fields(Parameters))
BOUNDS = {
    "epochs": (1, 500),
    "batch_size": (1, 4096),
    "seed": (0, 2**31 - 1),
    "limit_images": (10, 60_000),  # a tenth is held out
}
CHOICES: dict[str, tuple[str, ...]] = {"network": NETWORK_NAMES, "promote": ("never", "if_passed")}
OPTIONAL = ("limit_images", "floor")


def parse_parameters(model: str, given: Any) -> Parameters:
    """Of a JSON object; what it leaves out keeps its default, and `network` is the model's own where there is one.

    Raises ValueError, naming the parameter and what was expected of it.
    """
    if not isinstance(given, dict):
        raise ValueError("expected a JSON object of parameters")
    unknown = sorted(given.keys() - set(NAMES))
    if unknown:
        raise ValueError(f"there is no parameter {unknown[0]!r}; there are {', '.join(NAMES)}")
    own: dict[str, Any] = {"network": model} if model in NETWORK_NAMES else {}
    for name, value in given.items():
        if not (value is None and name in OPTIONAL):
            _check(name, value)
    return Parameters(**(own | given))


def _check(name: str, value: Any) -> None:
    if name in BOUNDS:
        low, high = BOUNDS[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{name} is {value!r}, expected an integer, {low} to {high}")
    elif name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"{name} is {value!r}, expected one of {', '.join(CHOICES[name])}")
    elif name == "floor":
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
            raise ValueError(f"floor is {value!r}, expected a share, over 0 and 1 at most")
    elif not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, expected true or false")

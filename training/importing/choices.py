"""The options of the `import` command that describe a model."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from shared.contract.model_spec import Layout, Normalization, Output, Resize, Values
from shared.errors import ModelError

NAMED_VALUES = ("0..255", "0..1", "-1..1", "quantized")


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of the command that describe the model. None stands for "derive it"."""

    labels: tuple[str, ...]
    values: Values | None = None
    layout: Layout | None = None
    output: Output | None = None
    resize: Resize = "exact"
    size: tuple[int, int] | None = None  # height and width of a model that takes images of any size


def parse_values(text: str) -> Values:
    """Return the values that `--values` names. Raises ValueError."""
    name = "quantized" if text == "quantised" else text
    if name in NAMED_VALUES:
        values: Values = msgspec.convert(name, Values)
        return values
    fields = dict(part.split("=", 1) for part in text.replace("/", " ").replace(";", " ").split() if "=" in part)
    if set(fields) != {"mean", "std"}:
        raise ValueError(f"expected {', '.join(NAMED_VALUES)}, or mean=…,…/std=…,…, got {text!r}")
    mean, std = (tuple(float(number) for number in fields[field].split(",")) for field in ("mean", "std"))
    return Normalization(mean, std)


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels of a text file with one per line. Raises ModelError, also for a label that is there twice."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the labels {path} cannot be read: {error}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    labels = tuple(line.strip() for line in lines)
    first: dict[str, int] = {}
    for number, label in enumerate(labels, 1):
        if not label:
            raise ModelError(f"{path}:{number} is empty: expected one label per line")
        if label in first:
            raise ModelError(
                f"{path}:{number} repeats {label!r} of line {first[label]}: every label needs its own name"
            )
        first[label] = number
    return labels

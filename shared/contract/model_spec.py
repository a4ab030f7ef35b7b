"""The spec of a version: which images its model takes and what its outputs mean, as its card says.

An image is uint8[height,width] for one channel and uint8[height,width,3] for three. Cards without `input.height` are
those of MNIST models.
"""

import functools
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from shared.contract.model_card import MAX_TEMPERATURE, MIN_TEMPERATURE, ModelCard
from shared.errors import ModelError
from shared.shapes import IMAGE_SIDE, MNIST_SHAPE, Shape, axes_of

MAX_IMAGE_BYTES = 1 << 20  # pixels of one image: two entries of the usual size
MAX_SIDE = 4096
MIN_LABELS, MAX_LABELS = 2, 10_000
MAX_LABEL_CHARS = 200
MAX_DENSE_LABELS = 32  # up to this number, results keep the probabilities of all labels …
DEFAULT_TOP = 5  # … and above it, those of the best five
MAX_TOP = 100  # best labels that a request can have
MAX_STAGES = 8
MODEL_FILE = "model.tflite"
_STAGE_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.(tflite|onnx)")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Resize = Literal["exact", "stretch", "crop", "pad", "digit"]
Layout = Literal["NHWC", "NCHW"]
Output = Literal["probabilities", "logits", "sigmoid"]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Temperature = Annotated[float, msgspec.Meta(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE)]


class Normalization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation of each channel, for pixels from 0 to 1.

    The model takes (pixel / 255 - mean) / std.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


Values = Literal["0..255", "0..1", "-1..1", "quantized"] | Normalization


class InputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The images that the model takes.

    `values` says what the runtime makes of the pixels: `quantized` leaves it to the file's own scale and zero point.
    `resize` is what happens to a picture of another size. A file with the fixed `batch` 1 runs image by image.
    """

    height: Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]
    width: Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]
    channels: Literal[1, 3]
    values: Values = "0..255"
    layout: Layout = "NHWC"
    resize: Resize = "exact"
    batch: Literal[0, 1] = 0


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One network of a cascade. It passes an image on if the largest of its outputs is below `accept_from`."""

    file: Annotated[str, msgspec.Meta(min_length=1)]
    accept_from: Share | None = None
    temperature: Temperature = 1.0


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that accepts an answer if its score reaches `threshold`.

    With `none_label` the network has one output more than there are labels. It means "none of the labels".
    """

    threshold: Share
    none_label: bool = False


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The validated fields of a card that decide about shape and meaning. `stages` is empty without a cascade."""

    input: InputSpec
    output: Output = "probabilities"
    labels: tuple[str, ...]
    stages: tuple[Stage, ...] = ()
    acceptance: Acceptance | None = None
    temperature: Temperature = 1.0

    @property
    def shape(self) -> Shape:
        """Return (height, width, channels)."""
        return self.input.height, self.input.width, self.input.channels

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Return the shape of one image as an array: (height, width), with a third axis only for colour."""
        return axes_of(self.shape)

    @property
    def images(self) -> str:
        """Return which images the model takes, for messages, such as "images of 40×24 in grey"."""
        height, width, channels = self.shape
        return f"images of {width}×{height} {'in colour' if channels > 1 else 'in grey'}"

    @property
    def image_bytes(self) -> int:
        """Return the number of bytes of one image on the queue."""
        return math.prod(self.shape)

    @property
    def is_mnist_shaped(self) -> bool:
        """Return whether the routes under `/mnist` can serve the version: 28×28 grey pixels, all probabilities kept."""
        return self.shape == MNIST_SHAPE and len(self.labels) <= MAX_DENSE_LABELS

    @property
    def networks(self) -> tuple[Stage, ...]:
        """Return the stages, or the only network of a version as its only stage."""
        return self.stages or (Stage(file=MODEL_FILE, temperature=self.temperature),)

    @property
    def has_scores_or_stages(self) -> bool:
        """Return whether answers have more than probabilities, which entries and blocks of format 1 cannot say."""
        return self.acceptance is not None or bool(self.stages)

    @property
    def outputs(self) -> int:
        """Return the number of probabilities that the network gives, with the one for "none of the labels"."""
        return len(self.labels) + (self.acceptance is not None and self.acceptance.none_label)


MNIST_INPUT = InputSpec(height=IMAGE_SIDE, width=IMAGE_SIDE, channels=1)
MNIST_LABELS = tuple("0123456789")
MNIST_SPEC = ModelSpec(input=MNIST_INPUT, labels=MNIST_LABELS)


def spec_of(card: ModelCard) -> ModelSpec:
    """Return the spec of a card. Raises ModelError, which names the field and what it should be."""
    try:
        return _spec_of(msgspec.json.encode({name: card[name] for name in _FIELDS if name in card}))  # type: ignore[literal-required]
    except (msgspec.ValidationError, ValueError) as error:
        raise ModelError(f"the card cannot be used: {error}") from None


_FIELDS = ("input", *ModelSpec.__struct_fields__[1:])


@functools.lru_cache(maxsize=1024)
def _spec_of(fields: bytes) -> ModelSpec:
    """Return the spec of the JSON of a card's fields. Raises ValueError."""
    known: dict[str, Any] = {name: value for name, value in msgspec.json.decode(fields).items() if value is not None}
    given = known.get("input") or {}
    mnist = isinstance(given, Mapping) and "height" not in given
    if mnist:
        if given.get("shape", [28, 28]) != [28, 28]:
            raise ValueError("input has no height, width and channels")
        known["input"] = msgspec.to_builtins(MNIST_INPUT)
        known.setdefault("labels", MNIST_LABELS)
    spec = msgspec.convert(known, ModelSpec)
    _check(spec)
    return spec


def _check(spec: ModelSpec) -> None:
    """Raise ValueError for fields that do not fit together."""
    values = spec.input.values
    if spec.image_bytes > MAX_IMAGE_BYTES:
        raise ValueError(f"input has {spec.image_bytes} bytes per image, and may have {MAX_IMAGE_BYTES}")
    if isinstance(values, Normalization):
        _check_normalization(values, spec.input.channels)
    if spec.input.resize == "digit" and spec.input.channels != 1:
        raise ValueError("input.resize is digit, which makes grey images, but input.channels is 3")
    _check_labels(spec.labels)
    if spec.output == "sigmoid" and len(spec.labels) != 2:
        raise ValueError(f"output is sigmoid, which decides between 2 labels, but there are {len(spec.labels)}")
    if spec.stages:
        _check_stages(spec.stages)


def _check_normalization(values: Normalization, channels: int) -> None:
    for name, numbers in (("mean", values.mean), ("std", values.std)):
        if len(numbers) != channels or not all(map(math.isfinite, numbers)):
            raise ValueError(f"input.values.{name} is {list(numbers)}, expected {channels} finite numbers")
    if min(values.std) <= 0:
        raise ValueError(f"input.values.std is {list(values.std)}, expected numbers above 0")


def _check_labels(labels: tuple[str, ...]) -> None:
    if not MIN_LABELS <= len(labels) <= MAX_LABELS:
        raise ValueError(f"labels has {len(labels)} names, expected {MIN_LABELS} to {MAX_LABELS}")
    for label in labels:
        if not label.strip() or len(label) > MAX_LABEL_CHARS or _CONTROLS.search(label):
            raise ValueError(
                f"labels has {label[:MAX_LABEL_CHARS]!r}, expected 1 to {MAX_LABEL_CHARS} printable characters"
            )
    if len(set(labels)) < len(labels):
        twice = next(label for number, label in enumerate(labels) if label in labels[:number])
        raise ValueError(f"labels has {twice!r} more than once")


def _check_stages(stages: tuple[Stage, ...]) -> None:
    if len(stages) > MAX_STAGES:
        raise ValueError(f"stages has {len(stages)} networks, and may have {MAX_STAGES}")
    for number, stage in enumerate(stages):
        if not _STAGE_FILE.fullmatch(stage.file):
            raise ValueError(f"stages[{number}].file is {stage.file!r}, expected the name of a .tflite or .onnx file")
    *earlier, last = stages
    for number, stage in enumerate(earlier):
        if stage.accept_from is None:
            raise ValueError(f"stages[{number}] has no accept_from, which only the last stage may lack")
    if last.accept_from is not None:
        raise ValueError("the last of the stages has accept_from, but passes no image on")

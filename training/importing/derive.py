"""The spec of an imported version: what the options say, and what follows from the file and its answers."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from shared.contract.model_card import Input
from shared.contract.model_spec import InputSpec, Layout, Normalization, Output, Values, spec_of
from shared.errors import ModelError
from shared.images import Images
from training.importing import model_file
from training.importing.choices import Choices
from training.importing.model_file import ModelFile
from worker.engine.check import draw_patterns
from worker.engine.tensors import LEVELS, pixel_table

CHANNELS = (1, 3)
CHANNELS_LAST = ("keras", "saved model")  # kinds of files whose layout is NHWC if it could be both
BATCH_SIZES = (2, 5)
SAME = 1e-4  # relative to the largest answer: in a batch, numbers are added in another order
SUMS_TO_ONE = 1e-3
MAX_CLIPPED = 0.1  # share of the 256 values of a pixel that may lie outside the range of a quantised input
MIN_LEVELS = 32  # different integers that the 256 values of a pixel should become

Run = Callable[[Images], npt.NDArray[np.float32]]  # uint8[S,H,W(,3)] to the raw answers float32[S,M]


def derive_input(file: ModelFile, choices: Choices) -> tuple[InputSpec, list[str]]:
    """Return the input of the spec, and a sentence for each thing that was assumed. Raises ModelError."""
    height, width, channels, layout = _shape(file, choices)
    values, assumed = _values(file, choices, channels)
    if choices.layout is None and channels == 3:
        assumed.append(f"layout {layout}, because the input is {file.input}")
    fields: Input = {
        "height": height,
        "width": width,
        "channels": channels,
        "values": msgspec.to_builtins(values),
        "layout": layout,
        "resize": choices.resize,
    }
    spec = spec_of({"input": fields, "labels": list(choices.labels)}).input
    assumed += _check_levels(file, spec)
    return spec, assumed


def _shape(file: ModelFile, choices: Choices) -> tuple[int, int, int, Layout]:
    sizes = file.input.shape
    if len(sizes) == 3:
        height, width = _side(file, choices, sizes[1], 0), _side(file, choices, sizes[2], 1)
        return height, width, 1, "NHWC"
    if len(sizes) != 4:
        raise ModelError(
            f"{file.path} takes {file.input}, which is no batch of images: expected [N,H,W,C], [N,C,H,W] or [N,H,W]. "
            "Put a layer in front of the model that reshapes images"
        )
    last, first = sizes[3] in CHANNELS, sizes[1] in CHANNELS
    if not last and not first:
        raise ModelError(f"{file.path} takes {file.input}: expected 1 or 3 channels, for grey or colour pictures")
    layout: Layout = choices.layout or ("NHWC" if last else "NCHW")
    if choices.layout is None and last and first and model_file.kind_of(file.path) not in CHANNELS_LAST:
        raise ModelError(f"{file.path} takes {file.input}, which can be read two ways: name the --layout, NHWC or NCHW")
    axes = (1, 2, 3) if layout == "NHWC" else (2, 3, 1)
    rows, columns, channels = (sizes[axis] for axis in axes)
    if channels not in CHANNELS:
        raise ModelError(f"{file.path} takes {file.input}: with --layout {layout} it would have {channels} channels")
    return _side(file, choices, rows, 0), _side(file, choices, columns, 1), channels, layout


def _side(file: ModelFile, choices: Choices, side: int | None, axis: int) -> int:
    if side is None:
        if choices.size is None:
            raise ModelError(f"{file.path} takes {file.input}, images of any size: choose one with --size HEIGHTxWIDTH")
        return choices.size[axis]
    if choices.size is not None and choices.size[axis] != side:
        raise ModelError(f"{file.path} takes {file.input}, so --size cannot be {'x'.join(map(str, choices.size))}")
    return side


def _values(file: ModelFile, choices: Choices, channels: int) -> tuple[Values, list[str]]:
    kind, quantization = file.input.dtype, file.input.quantization
    unscaled: Values = "0..255" if kind == np.uint8 else "quantized"
    if choices.values is not None:
        if choices.values == "quantized" and kind.kind == "f":
            raise ModelError(
                f"{file.path} takes {kind}, so its input is not quantized: "
                "name the numbers that the model was trained with, such as --values 0..1"
            )
        if quantization is None and kind.kind in "iu" and choices.values != unscaled:
            raise ModelError(f"{file.path} takes {kind} without a scale and zero point: use --values {unscaled}")
        if isinstance(choices.values, Normalization) and len(choices.values.mean) != channels:
            raise ModelError(f"--values has {len(choices.values.mean)} means, but the images have {channels} channels")
        return choices.values, []
    if quantization is not None:
        limits = np.iinfo(kind)
        low, high = ((limit - quantization.zero) * quantization.scale for limit in (limits.min, limits.max))
        return "quantized", [
            f"values quantized: pixels 0 to 255 are {low:.4g} to {high:.4g} in the file's quantisation"
        ]
    if kind.kind in "iu":
        return unscaled, [f"values {unscaled}, because the file takes {kind} without a scale and zero point"]
    raise ModelError(
        f"{file.path} takes {kind}: name the numbers that the model was trained with. "
        "--values is 0..255, 0..1, -1..1, or mean=…,…,…/std=…,…,… of pixels from 0 to 1"
    )


def _check_levels(file: ModelFile, spec: InputSpec) -> list[str]:
    """Raise ModelError if most values of a pixel would be lost in the quantisation. Otherwise return a warning."""
    quantization = file.input.quantization
    if quantization is None or spec.values == "quantized":
        return []
    table = pixel_table(spec, file.input.dtype, quantization)
    assert table is not None, "quantised values always have a table"
    limits = np.iinfo(file.input.dtype)
    levels = len(np.unique(table[0]))
    exact = pixel_table(spec, np.float32)
    wide = (np.arange(LEVELS, dtype=np.float32)[None] if exact is None else exact) / quantization.scale
    clipped = float(((wide + quantization.zero < limits.min - 1) | (wide + quantization.zero > limits.max + 1)).mean())
    low, high = ((limit - quantization.zero) * quantization.scale for limit in (limits.min, limits.max))
    if clipped > MAX_CLIPPED or levels < MIN_LEVELS:
        raise ModelError(
            f"{file.path} is quantised for numbers from {low:.4g} to {high:.4g}, which --values does not give: "
            f"the 256 values of a pixel would become {levels}. Leave --values out to use the file's quantisation"
        )
    return [f"the 256 values of a pixel become {levels} in the file's quantisation"] if levels < LEVELS / 2 else []


def find_batch(path: Path, shape: tuple[int, int, int], run: Run) -> int:
    """Return 0 if the file gives the same answers in batches of any size, and 1 if it only runs single images.

    Raises ModelError for a file that does not even run single images.
    """
    images = draw_patterns(shape)
    try:
        alone = np.concatenate([run(images[row : row + 1]) for row in range(len(images))])
    except Exception as error:  # each runtime has its own exceptions
        reason = str(error).splitlines()[0][:300] if str(error) else repr(error)
        raise ModelError(
            f"{path} does not run a single image, so that it cannot be batched: {reason}. "
            "Export it for any number of images, or for one"
        ) from None
    if len(alone) != len(images) or not np.isfinite(alone).all():
        raise ModelError(f"{path} does not give one row of finite numbers for each image")
    tolerance = SAME * max(1.0, float(np.abs(alone).max()))
    for size in BATCH_SIZES:
        try:
            answers = run(images[:size])
        except Exception:  # a batch of one that is built into the file shows here
            return 1
        if answers.shape != alone[:size].shape or not np.allclose(answers, alone[:size], atol=tolerance):
            return 1
    return 0


def derive_output(file: ModelFile, choices: Choices, answers: npt.NDArray[np.float32]) -> tuple[Output, list[str]]:
    """Return what the file's answers float32[16,M] are, and what was assumed. Raises ModelError.

    Raises ModelError if there is another number of answers than labels, or if they are not what `--output` says.
    """
    outputs, labels = answers.shape[1], len(choices.labels)
    if file.output.dtype.kind != "f" and file.output.quantization is None:
        raise ModelError(
            f"{file.path} gives {file.output.dtype} without a scale and zero point, so its numbers mean nothing: "
            "export it with a float output"
        )
    if outputs != labels and (outputs, labels) != (1, 2):
        raise ModelError(
            f"{file.path} gives {outputs} numbers per image, but there are {labels} labels: "
            f"expected {2 if outputs == 1 else outputs} lines in the order of the outputs"
        )
    step = file.output.quantization.scale if file.output.quantization else 0.0
    tolerance = SUMS_TO_ONE + step * (labels / 2 + 1)
    between = bool((answers >= -tolerance).all() and (answers <= 1 + tolerance).all())
    sums = answers.sum(axis=1)
    seems: Output = "logits"
    if outputs == 1:
        seems = "sigmoid" if between else "logits"
    elif between and np.allclose(sums, 1, atol=tolerance):
        seems = "probabilities"
    _check_output(file, choices.output, seems, outputs, between)
    if choices.output is not None:
        return choices.output, []
    reasons: dict[Output, str] = {
        "probabilities": "they sum to 1",
        "sigmoid": f"the one number lies between 0 and 1; it is the probability of {choices.labels[-1]!r}",
        "logits": "they are not probabilities, so softmax is applied"
        if outputs > 1
        else f"the number leaves 0 to 1, so the sigmoid is applied; it is the probability of {choices.labels[-1]!r}",
    }
    return seems, [f"output {seems}, from its answers to {len(answers)} test patterns: {reasons[seems]}"]


def _check_output(file: ModelFile, said: Output | None, seems: Output, outputs: int, between: bool) -> None:
    if said is None:
        if seems == "logits" and outputs > 1 and between:
            raise ModelError(
                f"{file.path} gives numbers from 0 to 1 that do not sum to 1, like one sigmoid per label. "
                "Several labels per image cannot be served; if the numbers are logits, use --output logits"
            )
    elif said == "sigmoid" and outputs != 1:
        raise ModelError(f"{file.path} gives {outputs} numbers per image, but --output sigmoid means one number")
    elif said == "probabilities" and seems != "probabilities":
        better = "sigmoid" if seems == "sigmoid" else "logits"
        raise ModelError(f"the answers of {file.path} are no probabilities that sum to 1: use --output {better}")
    elif said == "sigmoid" and seems != "sigmoid":
        raise ModelError(f"the answers of {file.path} do not lie between 0 and 1: use --output logits")
    elif said == "logits" and seems == "probabilities":
        raise ModelError(
            f"the answers of {file.path} already are probabilities that sum to 1: use --output probabilities"
        )

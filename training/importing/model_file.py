"""A model file that was made elsewhere: its kind, and the shapes and types of its input and output."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from shared.errors import ModelError
from worker.engine.tensors import Quantization

Served = Literal["model.tflite", "model.onnx"]  # the file of a version that runs the model
Kind = Literal["litert", "onnx", "keras", "saved model"]
SUFFIXES: dict[str, Kind] = {
    ".tflite": "litert",
    ".lite": "litert",
    ".onnx": "onnx",
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
}
EXPECTED = "expected .keras, .h5, .tflite, .onnx, or the folder of a SavedModel"
HINTS = {
    ".pt": "export the network with torch.onnx.export",
    ".pth": "export the network with torch.onnx.export",
    ".pb": "name the folder of the SavedModel, not the file in it",
}
TFLITE_MAGIC = b"TFL3"
ONNX_EXTRA = "ONNX Runtime is missing: install the extra with `pip install 'mnistified[onnx]'`"
TENSORFLOW_EXTRA = "TensorFlow, which converts it, is missing: install the extra with `pip install 'mnistified[train]'`"


@dataclass(frozen=True, slots=True)
class Tensor:
    """The input or output of a model file. None in `shape` stands for any number."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    quantization: Quantization | None = None

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join('?' if each is None else str(each) for each in self.shape)}]"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that an engine can load, with its one input and one output."""

    path: Path
    served: Served
    input: Tensor
    output: Tensor


def has_tensorflow() -> bool:
    """Return whether TensorFlow is installed, without importing it, which takes seconds."""
    return find_spec("tensorflow") is not None


def kind_of(path: Path) -> Kind:
    """Return the kind of a model file by its name. Raises ModelError for a missing file and for another kind."""
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved model"
        raise ModelError(f"{path} is a folder without saved_model.pb: {EXPECTED}")
    if not path.is_file():
        raise ModelError(f"{path} does not exist")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        hint = HINTS.get(suffix)
        raise ModelError(f"{path} has an unknown ending: {hint or EXPECTED}")
    return SUFFIXES[suffix]


def open_litert(path: Path) -> ModelFile:
    """Read a .tflite file. Raises ModelError for a file that is none, and for operators that LiteRT lacks."""
    from ai_edge_litert.interpreter import Interpreter

    from worker.engine.litert import quantization_of

    content = path.read_bytes()
    if content[4:8] != TFLITE_MAGIC:
        raise ModelError(f"{path} is no TFLite file: it does not begin like one")
    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        if None not in _shape(interpreter.get_input_details()[0])[1:]:
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be served: {_litert_reason(str(error))}") from None

    def tensors(details: Sequence[dict[str, Any]]) -> list[Tensor]:
        return [Tensor(each["name"], _shape(each), np.dtype(each["dtype"]), quantization_of(each)) for each in details]

    return _only(
        path, "model.tflite", tensors(interpreter.get_input_details()), tensors(interpreter.get_output_details())
    )


def open_onnx(path: Path) -> ModelFile:
    """Read an .onnx file. Raises ModelError if ONNX Runtime is not installed or cannot load the file."""
    if find_spec("onnxruntime") is None:
        raise ModelError(f"{path} cannot be imported: {ONNX_EXTRA}")
    from worker.engine.onnx import DTYPES, open_session

    try:
        with TemporaryDirectory() as folder:  # without the other files that weights may be in
            session = open_session(Path(shutil.copy(path, folder)), threads=1)
    except Exception as error:  # ONNX Runtime has an exception of its own for every status
        raise ModelError(f"{path} cannot be served: {_onnx_reason(str(error))}") from None

    def tensors(arguments: Sequence[Any]) -> list[Tensor]:
        for each in arguments:
            if each.type not in DTYPES:
                raise ModelError(f"{path} has {each.name!r} of type {each.type}, expected one of {', '.join(DTYPES)}")
        return [
            Tensor(
                each.name,
                tuple(size if isinstance(size, int) and size > 0 else None for size in each.shape),
                np.dtype(DTYPES[each.type]),
            )
            for each in arguments
        ]

    return _only(path, "model.onnx", tensors(session.get_inputs()), tensors(session.get_outputs()))


def _only(path: Path, served: Served, inputs: list[Tensor], outputs: list[Tensor]) -> ModelFile:
    for name, tensors in (("input", inputs), ("output", outputs)):
        if len(tensors) != 1:
            listed = ", ".join(f"{each.name} {each}" for each in tensors)
            raise ModelError(
                f"{path} has {len(tensors)} {name}s ({listed}): a classifier that can be served has one. "
                "Export the model with only the image and the answer"
            )
    return ModelFile(path, served, inputs[0], outputs[0])


def _shape(details: dict[str, Any]) -> tuple[int | None, ...]:
    """Return the shape with None for any number. Files of old converters have no signature."""
    signature = details.get("shape_signature")
    sizes = signature if signature is not None and len(signature) else details["shape"]
    return tuple(None if size < 0 else int(size) for size in sizes)


def _litert_reason(message: str) -> str:
    operators = sorted(
        {*re.findall(r"custom op: (\w+)", message), *re.findall(r"Node number \d+ \((Flex\w+)\)", message)}
    )
    if operators:
        return (
            f"it needs the operators {', '.join(operators)}, which LiteRT does not have. "
            "Convert it with only the built-in operators"
        )
    return f"LiteRT cannot load it: {_first_line(message)}"


def _onnx_reason(message: str) -> str:
    # Each version of ONNX Runtime says it in other words.
    if any(words in message.lower() for words in ("external data", "external initializer", "cannot get file size")):
        return "its weights are in another file. Save it as one file, in PyTorch with external_data=False"
    if found := re.search(r"(\S+)\(\d+\) is not a registered function/op|No Op registered for (\w+)", message):
        return f"it needs the operator {found[1] or found[2]}, which ONNX Runtime does not have"
    return f"ONNX Runtime cannot load it: {_first_line(message)}"


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")[:300]

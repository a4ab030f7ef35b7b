"""Small model files for tests: ONNX files that are made by hand, and the answers that they should give."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

Ending = Literal["probabilities", "logits", "sigmoid", "sigmoids"]


def write_onnx(
    path: Path,
    shape: tuple[int | str, ...],
    outputs: int = 3,
    ending: Ending = "probabilities",
    dtype: str = "FLOAT",
    **more: Any,
) -> Path:
    """Write a model that multiplies the pixels of `shape` (batch first) with fixed weights. Skips without `onnx`.

    `more` has extra `nodes`, `inputs` and `others`, which are outputs.
    """
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, getattr(onnx.TensorProto, dtype)
    sizes = [size if isinstance(size, int) else 8 for size in shape[1:]]
    weights = make_weights(int(np.prod(sizes)), outputs).astype(np.float16 if dtype == "FLOAT16" else np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    last = {"probabilities": "Softmax", "sigmoid": "Sigmoid", "sigmoids": "Sigmoid"}.get(ending)
    if last:
        nodes.append(helper.make_node(last, ["logits"], [ending]))
    batch = shape[0]
    graph = helper.make_graph(
        [*nodes, *more.get("nodes", ())],
        "made",
        [helper.make_tensor_value_info("image", kind, shape), *more.get("inputs", ())],
        [helper.make_tensor_value_info(ending, kind, [batch, outputs]), *more.get("others", ())],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def make_weights(values: int, outputs: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(values).normal(0, 4 / values**0.5, (values, outputs)).astype(np.float32)


def write_labels(path: Path, *labels: str) -> Path:
    path.write_text("".join(f"{label}\n" for label in labels))
    return path


def make_pictures(count: int, *shape: int) -> npt.NDArray[np.uint8]:
    """Return uint8[count, *shape] of noise that differs from one picture to the next."""
    return np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)

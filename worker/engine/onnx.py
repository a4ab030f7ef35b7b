"""ONNX Runtime: on a GPU if it is the package `onnxruntime-gpu` and there is one, else on the CPU.

Importing this file raises ModelError without the extra `onnx`.
"""

from pathlib import Path
from typing import Final

import numpy as np

from shared.contract.layers_blob import LayerOutput
from shared.contract.model_spec import ModelSpec
from shared.errors import ModelError
from shared.images import Images, Probabilities
from worker.engine.tensors import image_shape, pixel_table, read_probabilities, write_pixels

try:
    import onnxruntime
except ImportError:
    raise ModelError("ONNX Runtime, which runs it, is missing: pip install 'mnistified[onnx]'") from None

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
ERRORS_ONLY = 3
# Types of ONNX tensors that a picture can be given in.
DTYPES: dict[str, type[np.number]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}


class OnnxRuntime:
    """A session, which runs any batch size. A file with a fixed batch of one runs image by image."""

    kind: Final = "onnx"

    def __init__(self, model_file: Path, threads: int, spec: ModelSpec) -> None:
        """Raises ModelError for a file whose input is not of one of DTYPES, and the errors of ONNX Runtime."""
        self._spec = spec
        self._model_dir = model_file.parent
        self._session = open_session(model_file, threads)
        model_input, output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        if model_input.type not in DTYPES:
            raise ModelError(f"{model_file} takes {model_input.type}, expected one of {', '.join(DTYPES)}")
        self._names = model_input.name, output.name
        self._dtype = DTYPES[model_input.type]
        self._shape = image_shape(spec.input, len(model_input.shape))
        self._table = pixel_table(spec.input, self._dtype)

    def run(self, images: Images) -> Probabilities:
        """Run uint8[S,H,W] or uint8[S,H,W,3] -> float32[S,K]. The first run of a size plans its memory."""
        if self._spec.input.batch == 1 and len(images) > 1:
            return np.concatenate([self._run(images[row : row + 1]) for row in range(len(images))])
        return self._run(images)

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Raises ModelError: an ONNX file has no outputs for its layers."""
        raise ModelError(f"{self._model_dir} has no layers to show")

    def _run(self, images: Images) -> Probabilities:
        pixels = np.empty((len(images), *self._shape), self._dtype)
        write_pixels(pixels, images, self._table, self._spec.input.layout)
        input_name, output_name = self._names
        (answers,) = self._session.run([output_name], {input_name: pixels})
        return read_probabilities(answers, self._spec.output)


def open_session(model_file: Path, threads: int) -> onnxruntime.InferenceSession:
    """Load a file, on the GPU if this ONNX Runtime has one. Raises the errors of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Threads that spin between two runs would take the CPU from other engines.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = onnxruntime.get_available_providers()
    return onnxruntime.InferenceSession(
        str(model_file),
        options,
        providers=[name for name in PROVIDERS if name in available],
    )

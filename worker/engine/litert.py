"""LiteRT: TensorFlow's own runtime for CPUs, without TensorFlow."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.contract.layers_blob import LayerOutput, layer_output
from shared.contract.model_spec import MNIST_SPEC, ModelSpec
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.registry import CARD, layer_rows, layers_file, parse_card
from worker.engine.tensors import Quantization, Table, image_shape, pixel_table, read_probabilities, write_pixels


class LiteRTLayers:
    """Runs the layers for one image at a time, which keeps the memory small. The model card names the outputs."""

    def __init__(self, model_file: Path, threads: int) -> None:
        """Load the layers of the network in `model_file`.

        Raises ModelError for a network without layers, and the errors of LiteRT for a file that does not load.
        """
        card = model_file.with_name(CARD)
        rows = layer_rows(parse_card(card.read_bytes(), card), model_file.name)
        if not rows:
            raise ModelError(f"{model_file} has no layers to show")
        self._rows = rows
        path = model_file.with_name(layers_file(model_file.name))
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._run = self._interpreter.get_signature_runner()
        (self._input,) = self._run.get_input_details()

    def run(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Run uint8[1,28,28] -> float32[1,K] and return the output of each layer. The last one is the answer."""
        answers = self._run(**{self._input: image[..., None].astype(np.float32)})
        in_order = [answers[f"output_{number}"] for number in range(len(self._rows))]
        outputs = [
            layer_output(row["name"], row["class"], values.reshape(row["shape"]))
            for row, values in zip(self._rows, in_order, strict=True)
        ]
        return in_order[-1], outputs


class _Allocated(NamedTuple):
    """An interpreter for one batch size, and how its tensors are written and read."""

    interpreter: Interpreter
    input_index: int
    output_index: int
    table: Table | None
    quantization: Quantization | None  # meaning of the numbers in the output


class LiteRTRuntime:
    """One interpreter per batch size: resizing a tensor plans its memory again, which costs more than a small batch.

    A file with a fixed batch of one runs image by image.
    """

    kind: Final = "litert"

    def __init__(self, model_file: Path, threads: int, spec: ModelSpec = MNIST_SPEC) -> None:
        self._model = model_file.read_bytes()
        self._model_file = model_file
        self._threads = threads
        self._spec = spec
        self._layout = spec.input.layout
        self._one_by_one = spec.input.batch == 1
        self._layers: LiteRTLayers | None = None
        self._interpreters: dict[int, _Allocated] = {}

    def run(self, images: Images) -> Probabilities:
        """Run uint8[S,H,W] or uint8[S,H,W,3] -> float32[S,K]. The first run of a size allocates its interpreter."""
        if self._one_by_one and len(images) > 1:
            return np.concatenate([self._run(images[row : row + 1]) for row in range(len(images))])
        return self._run(images)

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Do what `Runtime.look_inside` does. The first call loads the file of the layers."""
        if self._layers is None:
            self._layers = LiteRTLayers(self._model_file, self._threads)
        return self._layers.run(image)

    def _run(self, images: Images) -> Probabilities:
        size = len(images)
        if size not in self._interpreters:
            self._interpreters[size] = self._allocate(size)
        interpreter, input_index, output_index, table, quantization = self._interpreters[size]
        # The view must be gone before invoke(): LiteRT refuses to run while its memory is referenced.
        view = interpreter.tensor(input_index)()
        write_pixels(view, images, table, self._layout)
        del view
        interpreter.invoke()
        return read_probabilities(interpreter.get_tensor(output_index), self._spec.output, quantization)

    def _allocate(self, size: int) -> _Allocated:
        interpreter = Interpreter(model_content=self._model, num_threads=self._threads)
        model_input, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        shape = [size, *image_shape(self._spec.input, len(model_input["shape"]))]
        if shape != model_input["shape"].tolist():
            interpreter.resize_tensor_input(model_input["index"], shape)
        interpreter.allocate_tensors()
        table = pixel_table(self._spec.input, model_input["dtype"], quantization_of(model_input))
        return _Allocated(interpreter, model_input["index"], output["index"], table, quantization_of(output))


def quantization_of(tensor: dict[str, Any]) -> Quantization | None:
    """Return the quantisation in an interpreter's details of a tensor, or None if the tensor is not quantised."""
    scale, zero = tensor["quantization"]
    return Quantization(scale, zero) if scale and np.dtype(tensor["dtype"]).kind in "iu" else None

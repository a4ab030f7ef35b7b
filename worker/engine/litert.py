"""LiteRT: TensorFlow's own runtime for CPUs, without TensorFlow."""

from pathlib import Path
from typing import Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.contract.layers_blob import LayerOutput
from shared.images import Images, Probabilities
from worker.engine.litert_layers import LiteRTLayers


class LiteRTRuntime:
    """One interpreter per batch size: resizing a tensor plans its memory again, which costs more than a small batch."""

    kind: Final = "litert"

    def __init__(self, model_file: Path, threads: int) -> None:
        self._model = model_file.read_bytes()
        self._model_dir = model_file.parent
        self._threads = threads
        self._layers: LiteRTLayers | None = None
        self._interpreters: dict[int, tuple[Interpreter, int, int]] = {}

    def run(self, images: Images) -> Probabilities:
        """Run uint8[S,28,28] -> float32[S,10]. The first run of a size allocates its interpreter."""
        size = len(images)
        if size not in self._interpreters:
            self._interpreters[size] = self._allocate(size)
        interpreter, input_index, output_index = self._interpreters[size]
        # The view must be gone before invoke(): LiteRT refuses to run while its memory is referenced.
        view = interpreter.tensor(input_index)()
        np.copyto(view, images.reshape(view.shape), casting="unsafe")
        del view
        interpreter.invoke()
        answer: Probabilities = interpreter.get_tensor(output_index)
        return answer

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Do what `Runtime.look_inside` does. The first call loads layers.tflite."""
        if self._layers is None:
            self._layers = LiteRTLayers(self._model_dir, self._threads)
        return self._layers.run(image)

    def _allocate(self, size: int) -> tuple[Interpreter, int, int]:
        interpreter = Interpreter(model_content=self._model, num_threads=self._threads)
        model_input = interpreter.get_input_details()[0]
        interpreter.resize_tensor_input(model_input["index"], [size, *model_input["shape"][1:]])
        interpreter.allocate_tensors()
        return interpreter, model_input["index"], interpreter.get_output_details()[0]["index"]

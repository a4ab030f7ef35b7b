"""The layers of a version in LiteRT: its file layers.tflite. The model card names the outputs."""

from pathlib import Path

import numpy as np
import orjson
from ai_edge_litert.interpreter import Interpreter

from shared.contract.layers_blob import LayerOutput, layer_output
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.registry import CARD


class LiteRTLayers:
    """Runs the layers for one image at a time, which keeps the memory small."""

    def __init__(self, model_dir: Path, threads: int) -> None:
        """Raises ModelError for a version without layers, and the errors of LiteRT for a file that does not load."""
        self._rows = orjson.loads((model_dir / CARD).read_bytes()).get("layer_outputs")
        if not self._rows:
            raise ModelError(f"{model_dir} has no layers to show")
        self._interpreter = Interpreter(model_path=str(model_dir / "layers.tflite"), num_threads=threads)
        self._run = self._interpreter.get_signature_runner()
        (self._input,) = self._run.get_input_details()

    def run(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Run uint8[1,28,28] -> float32[1,10] and return the output of each layer. The last one is the answer."""
        answers = self._run(**{self._input: image[..., None].astype(np.float32)})
        in_order = [answers[f"output_{number}"] for number in range(len(self._rows))]
        outputs = [
            layer_output(row["name"], row["class"], values.reshape(row["shape"]))
            for row, values in zip(self._rows, in_order, strict=True)
        ]
        return in_order[-1], outputs

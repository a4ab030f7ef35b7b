"""The layers of a network in LiteRT: a file with an output for each layer. The model card names the outputs."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.contract.layers_blob import LayerOutput, layer_output
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.registry import CARD, layer_rows, layers_file, parse_card


class LiteRTLayers:
    """Runs the layers for one image at a time, which keeps the memory small."""

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

"""Keras on JAX's backend, in a process of its own: a process has one backend, and the other tests use TensorFlow's."""

import os
import subprocess
import sys

import pytest

from tests.support.processes import ROOT

SCRIPT = """
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from shared.data.sample import draw
from shared.errors import SettingError
from worker.engine import load_engine, replicate
from worker.engine.choose import select_backend

SMALL = Path("models/cnn-small/2")
images = draw("test")[0][:20]
litert = load_engine("litert", SMALL, threads=1, max_batch_images=4)
assert "jax" not in sys.modules and "keras" not in sys.modules
engine = load_engine("jax", SMALL, threads=1, max_batch_images=4)
assert "tensorflow" not in sys.modules
assert engine.kind == "jax"
assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false", "the memory of the GPU is left to others"

expected = litert.predict(images).probabilities
runtime = engine.networks[0].runtime
sizes = runtime.compiled_sizes
for count in (20, 3, 1, 0):
    np.testing.assert_allclose(engine.predict(images[:count]).probabilities, expected[:count], atol=1e-5)
assert runtime.compiled_sizes == sizes, "a new count compiled a new size"

(answers, outputs), (_, others) = engine.look_inside(images[:1]), litert.look_inside(images[:1])
np.testing.assert_allclose(answers.probabilities, expected[:1], atol=1e-5)
for output, other in zip(outputs, others, strict=True):
    assert (output.name, output.class_name) == (other.name, other.class_name)
    np.testing.assert_allclose(output.values, other.values, atol=1e-4, strict=True)

engines = [engine, *replicate(engine, SMALL, 1)]
with ThreadPoolExecutor(2) as threads:
    for each in threads.map(lambda engine: engine.predict(images).probabilities, engines * 5):
        np.testing.assert_allclose(each, expected, atol=1e-5)

try:
    select_backend("tensorflow")
except SettingError as error:
    assert "jax in this process already" in str(error)
else:
    raise AssertionError("a second backend was selected")
"""


@pytest.mark.slow
@pytest.mark.long  # 18 s of CPU time; the same engine on TensorFlow has its tests in `test_engine.py`
def test_on_jax_an_image_gets_the_answer_and_the_layers_that_litert_gives_it() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

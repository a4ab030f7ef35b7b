"""The five minutes of docs/your-own-model.md: from a Keras file to an answer, with every command as it is typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.examples import blocks, run_script, run_sessions, scripts
from tests.support.processes import ROOT
from tests.support.system import RedisServer, System, running

DOCUMENT = "docs/your-own-model.md"


@pytest.fixture
def empty_system(redis_server: RedisServer, tmp_path: Path) -> Iterator[System]:
    """A running system whose registry is the folder `models` where the reader works."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cnn").symlink_to(ROOT / "models/cnn")
    environ = {"MODELS_DIR": str(tmp_path / "models"), "MAX_BATCH_IMAGES": "8"}
    with running(redis_server.new_url(), environ=environ, api_in_thread=True) as system:
        yield system


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_keras_file_answers_after_the_documented_commands(empty_system: System, tmp_path: Path) -> None:
    (script,) = scripts(DOCUMENT)
    run_script(script, empty_system, tmp_path, timeout_s=120)
    run_sessions(DOCUMENT, empty_system, tmp_path, timeout_s=110)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # by PyTorch
def test_a_pytorch_model_is_exported_and_imported_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Skipped without PyTorch, which nothing else here needs, and its exporters' packages."""
    torch = pytest.importorskip("torch")
    for name in ("onnxruntime", "onnx", "onnxscript"):
        pytest.importorskip(name)
    from training.__main__ import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.txt").write_text("bad\ngood\n")
    command = blocks(DOCUMENT, "sh")[1].replace("\\\n", " ").splitlines()[1].split()
    imports = "import torch\n"
    for number, code in enumerate(blocks(DOCUMENT, "py"), 1):
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 2))
        exec(imports + code, {"model": network})  # noqa: S102, our own page
        assert main(command[3:]) == 0
        card = json.loads((tmp_path / "models" / "parts" / str(number) / "model.json").read_bytes())
        assert (card["input"]["batch"], card["input"]["layout"], card["output"]) == (0, "NCHW", "logits")

import subprocess
import sys
from pathlib import Path

import pytest

from training.__main__ import main, make_parser


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "export", "evaluate", "qa", "publish", "import", "data"])
def test_help_imports_nothing_heavy(command: str) -> None:
    program = f"""
import sys
from training.__main__ import make_parser
try:
    make_parser().parse_args([{command!r}, "--help"])
finally:
    assert not {{"tensorflow", "keras", "httpx", "numpy"}} & set(sys.modules)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"usage: python -m training {command}")


def test_the_options_of_the_original_project_still_work() -> None:
    arguments = "train --weights some.hdf5 --num-epochs 3 --batch-size 256"
    options = make_parser().parse_args(arguments.split())
    assert (options.weights, options.epochs, options.batch_size) == (Path("some.hdf5"), 3, 256)


@pytest.mark.parametrize("option", ["--num-epochs", "--batch-size", "--limit-images"])
@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_an_invalid_count_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["train", option, value])
    assert option in capsys.readouterr().err


def test_an_error_is_printed_as_a_sentence_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--model", "cnn@7", "--models-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"evaluate: no model 'cnn' in {tmp_path}; available: none\n"


@pytest.mark.parametrize(
    "arguments", [["export", "--version", "2"], ["qa", "cnn@2"], ["publish", "cnn@2"], ["layers", "cnn@2"]]
)
def test_a_command_that_writes_refuses_a_url(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELS_DIR", "s3://bucket/models")
    with pytest.raises(SystemExit):
        make_parser().parse_args(arguments)
    assert "-dir: expected a folder, not a URL" in capsys.readouterr().err


def test_a_command_that_reads_accepts_folders_and_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_DIR", "s3://bucket/models")
    assert make_parser().parse_args(["evaluate"]).models_dir == "s3://bucket/models"
    assert make_parser().parse_args(["evaluate", "--models-dir", "m"]).models_dir == Path("m")


@pytest.mark.parametrize(
    "option", ["--values=0-1", "--values=mean=0,0,0", "--values=mean=a/std=b", "--size=96", "--size=x9"]
)
def test_values_and_sizes_of_no_known_form_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["import", "net.onnx", "--name", "own", "--labels", "labels.txt", option])
    printed = capsys.readouterr().err
    assert "parse_values" not in printed
    assert option.partition("=")[0] in printed


def test_a_range_of_values_that_begins_with_a_minus_needs_no_equals_sign() -> None:
    from training.__main__ import _join_values

    argv = ["import", "net.onnx", "--values", "-1..1", "--name", "own"]
    assert _join_values(argv) == ["import", "net.onnx", "--values=-1..1", "--name", "own"]

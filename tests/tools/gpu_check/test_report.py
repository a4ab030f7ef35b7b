"""The tables of a check, and its verdict."""

from benchmarks.report.results import Load
from tools.gpu_check import report

GPU = report.Device(name="NVIDIA H100", is_gpu=True, kind="jax", versions="Keras 3, jax 1")
CPU = report.Device(name="cpu", is_gpu=False, kind="jax", versions="Keras 3, jax 1")
MACHINE: dict[str, object] = {"cpu": "EPYC", "cores": 2, "python": "3.12", "date": "today"}
DIFFERENCE = report.Difference(
    network="cnn@1, model.keras", images=1000, of_probabilities=2e-6, of_layers=1e-5, other_predictions=0
)


def load(failed: int) -> Load:
    return Load(connections=64, requests=10, failed=failed, seconds=1.0, p50_ms=1.0, p99_ms=2.0, tool="wrk")


def test_a_check_without_a_gpu_says_so() -> None:
    assert "no GPU: jax runs on the CPU (EPYC)" in report.about(CPU, MACHINE)
    assert "NVIDIA H100" in report.about(GPU, MACHINE)
    assert "no GPU" not in report.about(GPU, MACHINE)


def test_small_differences_are_no_fault() -> None:
    assert report.faults(1e-6, [load(0)], [DIFFERENCE]) == []
    assert "| cnn@1, model.keras | 1,000 | 2.0e-06 | 1.0e-05 | 0 |" in report.differences_table([DIFFERENCE])


def test_wrong_answers_and_failed_requests_are_faults() -> None:
    wrong = report.Difference(
        network="cnn@2, model.keras", images=9, of_probabilities=float("nan"), of_layers=0.0, other_predictions=9
    )
    found = report.faults(0.5, [load(3)], [DIFFERENCE, wrong])
    assert [sentence.split(" ")[0] for sentence in found] == ["the", "with", "cnn@2,"]
    assert "64 connections, 3 requests" in found[1]

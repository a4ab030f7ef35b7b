"""The closed loop of `mnistified bench`, against a server that answers as told, and against the service."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistified import Unreachable
from mnistified.http.load import LOST, closed_loop, percentile
from shared.data.dataset import Split
from tests.client.command import Command
from tests.client.flaky import HANG_UP, flaky


def test_a_percentile_is_one_of_the_values_and_enough_are_not_above_it() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_so_many_values_are_at_most_the_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        percentile([], 0.5)


def test_answers_are_timed_and_whatever_else_is_counted_until_every_connection_is_closed() -> None:
    replies: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b"{}"), (429, {}, b"busy"), (HANG_UP, {}, b"")]
    with flaky(replies) as server:
        load = closed_loop(server.url, "/classify?model=cnn", [b"one", b"two"], 1, 30.0, key="s3cret")
    assert len(load.latencies_s) == 1
    assert load.others == {429: 1, LOST: 1}
    assert load.seconds < 30
    assert server.bodies == [b"one", b"two", b"one"], "the images in turn"
    assert server.headers[0]["authorization"] == "Bearer s3cret"


def test_where_nobody_listens_is_told_so() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        closed_loop("http://127.0.0.1:9", "/", [b"one"], 1, 1.0)


def measured(mnistified: Command, *words: object) -> dict[str, Any]:
    told = mnistified("bench", *words, "--seconds", 0.5, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    document: dict[str, Any] = json.loads(told.stdout)
    assert 0 < document["p50_ms"] <= document["p90_ms"] <= document["p99_ms"] <= document["max_ms"]
    return document


def test_bench_measures_singles_of_the_services_own_or_of_ones_own(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    for words in ((), ("0.png", "--fit")):
        document = measured(mnistified, *words, "--connections", 2)
        assert (document["connections"], document["failed"]) == (2, {})
        assert document["images_per_s"] == pytest.approx(document["answers"] / document["seconds"], rel=0.01)


def test_bench_measures_jobs_of_an_array(mnistified: Command, test_set: Split) -> None:
    np.save(mnistified.cwd / "many.npy", test_set.images[:100])
    document = measured(mnistified, "many.npy")
    assert document["images"] == 100 * document["answers"] > 0
    lines = mnistified("bench", "many.npy", "--seconds", 0.2).stdout.decode().splitlines()
    assert "images/s" in lines[0]
    assert lines[1].startswith("p50 ")


@pytest.mark.parametrize(
    ("words", "exit_code", "reason"),
    [
        (["--seconds", "0"], 2, "more than 0 seconds"),
        (["--connections", "0"], 2, "1 connection or more"),
        (["a.npy", "a.npy"], 2, "given by itself"),
        (["nosuch.png"], 2, "nosuch.png"),
        (["--url", "http://127.0.0.1:9", "--retries", "0"], 4, "refused"),
    ],
)
def test_what_bench_cannot_measure_is_told(mnistified: Command, words: list[str], exit_code: int, reason: str) -> None:
    (mnistified.cwd / "a.npy").write_bytes(b"\x93NUMPY")
    told = mnistified("bench", *words)
    assert (told.returncode, told.stdout) == (exit_code, b"")
    assert reason in told.stderr.decode()


def test_what_is_refused_under_load_ends_bench_with_an_exit_code_of_its_own(mnistified: Command) -> None:
    (mnistified.cwd / "bad.png").write_bytes(b"no image")
    told = mnistified("bench", "bad.png", "--seconds", 0.2, "--connections", 1)
    assert told.returncode == 4
    assert b" \xc3\x97 400" in told.stdout

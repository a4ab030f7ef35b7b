"""The closed loop of `mnistified bench`, against a server of fixed replies and against the service."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistified import Unreachable
from mnistified.http.load import CLOSED, NO_ANSWER, NOT_CONNECTED, Load, closed_loop, percentile
from shared.data.dataset import Split
from tests.client.command import Command
from tests.client.http.replies import reply, serving

SECONDS = 0.3


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_the_share_of_values_up_to_the_percentile_is_large_enough(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_an_empty_list_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        percentile([], 0.5)


def load_of(*replies: bytes, connections: int = 4, patient: bool = False, drain_s: float = 0.0) -> Load:
    with serving(*replies) as server:
        return closed_loop(server.url, "/", [b"one"], connections, SECONDS, patient=patient, drain_s=drain_s)


def test_answers_refusals_and_failures_are_counted_separately() -> None:
    load = load_of(reply(200), reply(429), reply(503), reply(500))
    assert len(load.latencies_s) >= 4
    assert set(load.refused) == {"429", "503"}
    assert set(load.failed) == {"500"}
    assert len(load.refused_s) == load.refused.total()
    assert SECONDS <= load.seconds < 30


def test_the_images_are_sent_in_turn_with_the_key() -> None:
    with serving(reply(200)) as server:
        closed_loop(server.url, "/classify?model=cnn", [b"one", b"two"], 1, 0.1, key="s3cret")
    assert [request[-3:] for request in server.received[:3]] == [b"one", b"two", b"one"]
    assert server.received[0].startswith(b"POST /classify?model=cnn HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer s3cret\r\n" in server.received[0]


def test_a_connection_that_breaks_is_a_failure_and_is_replaced() -> None:
    load = load_of(reply(200), b"")
    assert set(load.failed) == {CLOSED}
    assert len(load.latencies_s) > 4


def test_a_loop_ends_early_once_no_connection_can_be_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as threads:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        threads.submit(answer_once_and_close, listening)
        load = closed_loop(url, "/", [b"one"], 1, 30.0)
    assert (len(load.latencies_s), dict(load.failed)) == (1, {CLOSED: 1, NOT_CONNECTED: 1})
    assert load.seconds < 30


def answer_once_and_close(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        listening.close()
        connection.recv(65536)
        connection.sendall(reply(200))
        connection.recv(65536)


def test_a_patient_connection_waits_for_as_long_as_retry_after_says() -> None:
    assert load_of(reply(429, "retry-after: 60\r\n"), patient=True, drain_s=30).refused == {"429": 4}
    assert load_of(reply(429, "retry-after: 1\r\n")).refused["429"] > 4


def test_answers_that_arrive_after_the_end_count_if_the_loop_waits_for_them() -> None:
    half = reply(200)[:-2]
    assert load_of(half, connections=2).failed == {}
    assert load_of(half, connections=2, drain_s=0.1).failed == {NO_ANSWER: 2}
    load = load_of(reply(200), connections=2, drain_s=30)
    assert load.failed == {}
    assert load.seconds < 30


def test_a_service_that_does_not_listen_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        closed_loop("http://127.0.0.1:9", "/", [b"one"], 1, 1.0)


def measured(mnistified: Command, *words: object) -> dict[str, Any]:
    result = mnistified("bench", *words, "--seconds", 0.5, "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    assert 0 < document["p50_ms"] <= document["p90_ms"] <= document["p99_ms"] <= document["max_ms"]
    return document


@pytest.mark.slow
def test_bench_sends_test_images_or_the_given_images(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    for words in ((), ("0.png", "--fit")):
        document = measured(mnistified, *words, "--connections", 2)
        assert (document["connections"], document["refused"], document["failed"]) == (2, {}, {})
        assert document["images_per_s"] == pytest.approx(document["answers"] / document["seconds"], rel=0.01)


@pytest.mark.slow
def test_bench_measures_jobs_of_an_array(mnistified: Command, test_set: Split) -> None:
    np.save(mnistified.cwd / "many.npy", test_set.images[:100])
    document = measured(mnistified, "many.npy")
    assert document["images"] == 100 * document["answers"] > 0
    lines = mnistified("bench", "many.npy", "--seconds", 0.2).stdout.decode().splitlines()
    assert "images/s" in lines[0]
    assert lines[1].startswith("p50 ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "exit_code", "reason"),
    [
        (["--seconds", "0"], 2, "--seconds must be more than 0"),
        (["--connections", "0"], 2, "--connections 1 or more"),
        (["a.npy", "a.npy"], 2, "expected a single archive"),
        (["nosuch.png"], 2, "nosuch.png"),
        (["--url", "http://127.0.0.1:9", "--retries", "0"], 4, "refused"),
    ],
)
def test_bench_refuses_invalid_arguments(mnistified: Command, words: list[str], exit_code: int, reason: str) -> None:
    (mnistified.cwd / "a.npy").write_bytes(b"\x93NUMPY")
    result = mnistified("bench", *words)
    assert (result.returncode, result.stdout) == (exit_code, b"")
    assert reason in result.stderr.decode()


@pytest.mark.slow
def test_bench_fails_if_there_is_no_answer(mnistified: Command) -> None:
    (mnistified.cwd / "bad.png").write_bytes(b"no image")
    result = mnistified("bench", "bad.png", "--seconds", 1, "--connections", 1)
    assert result.returncode == 4
    assert b" \xc3\x97 400" in result.stdout

"""The parts of a request's time, read from the reply."""

from typing import Any

import pytest

from benchmarks.load.probe import MAX_LOAD_SHARE, Sample, middle_half, parts_of, pause_s


def sample(client_ms: float, elapsed_ms: float = 4.0, **debug: Any) -> Sample:
    return Sample(client_ms, {"elapsed_time_ms": elapsed_ms, "debug": {"probabilities": [], **debug}}, 0.0)


def test_parts_add_up_to_what_the_client_saw() -> None:
    parts = parts_of([sample(5.0, queue_ms=1.0, model_ms=2.0)], decode_ms=0.25)
    assert parts is not None
    assert (parts.socket_ms, parts.decode_ms, parts.queue_ms, parts.model_ms) == (1.0, 0.25, 1.0, 2.0)
    assert parts.reply_ms == pytest.approx(0.75)


def test_the_slowest_and_the_fastest_quarter_do_not_count() -> None:
    samples = [sample(client_ms, queue_ms=1.0, model_ms=2.0) for client_ms in (500.0, 5.0, 7.0, 4.1)]
    parts = parts_of(samples, decode_ms=0.0)
    assert parts is not None
    assert parts.socket_ms == pytest.approx(2.0)


def test_a_reply_without_times_has_no_parts() -> None:
    assert parts_of([sample(5.0)], decode_ms=0.1) is None


@pytest.mark.parametrize("connections", [1, 16, 256])
@pytest.mark.parametrize("latency_s", [0.0005, 0.05, 2.0])
def test_the_probe_adds_little_to_the_load(latency_s: float, connections: int) -> None:
    share = latency_s / (latency_s + pause_s(latency_s, connections)) / connections
    assert share <= MAX_LOAD_SHARE * 1.0001


def test_the_middle_half_leaves_out_both_tails() -> None:
    assert middle_half([(8.0,), (1.0,), (2.0,), (3.0,)]) == [(2.0,), (3.0,)]
    assert middle_half([(1.0,)]) == [(1.0,)]

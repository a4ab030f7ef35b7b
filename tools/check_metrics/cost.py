"""`python -m tools.check_metrics.cost`: the cost of metrics for one request of the fast path, in CPU time of its
thread.
"""

import time
import timeit
from collections.abc import Callable

from api.metrics import Metrics

TIMES = 50_000  # per measurement; includes folding into histograms as often as it happens
ROUNDS = 9

metrics = Metrics()


def ns(statement: Callable[[], object]) -> float:
    """Return the time of one call in the fastest round: other processes can only add to it."""
    return min(timeit.repeat(statement, number=TIMES, repeat=ROUNDS, timer=time.thread_time)) / TIMES * 1e9


def nothing() -> None:
    pass


def main() -> None:
    empty_ns = ns(nothing)
    parts = {
        "decoded: its clock and its list": ns(decode),
        "answered: its clock, its list, three histograms": ns(answer),
        "request counted by method, route and status": ns(request),
        "accepted, once for all that are written together": ns(accept),
    }
    for what, took_ns in parts.items():
        print(f"{took_ns - empty_ns:6.0f} ns  {what}")
    print(f"{sum(parts.values()) - len(parts) * empty_ns:6.0f} ns  together")


def decode() -> None:
    started_s = time.perf_counter()
    metrics.decoded(time.perf_counter() - started_s)


def answer() -> None:
    started_s = time.perf_counter()
    metrics.answered([time.perf_counter() - started_s], 0.3, 0.2)


def request() -> None:
    metrics.count_request("POST", "/mnist/classify", 200, None)


def accept() -> None:
    metrics.accepted["cnn@1", "interactive"] += 1


if __name__ == "__main__":
    main()

"""The metrics of this API process since it started. Only the event loop's thread may update them.

The fast path appends its measurements to a list, and the histograms take many of them at a time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import get_args

import numpy as np
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from shared.errors import Reason, RequestError, Unavailable
from shared.telemetry.prometheus import SECONDS, Histogram, counter, histogram

BUFFER_RESULTS = 512  # adding this many to the histograms takes 0.1 ms
PARTS = ("decode", "queue", "model", "reply")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # all other methods
NO_ROUTE = "none"
NO_STATUS = 0  # the client disconnected before the response


class Metrics:
    """Counters and histograms. Clients cannot create series: labels are our own words, route templates and versions."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        # The refusals start at 0: an alert would not see a series that begins at 1 as an increase.
        self.fast_answers = 0
        self.refusals: Counter[str] = Counter(dict.fromkeys(get_args(Reason), 0))
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.unreadable: Counter[tuple[str, str]] = Counter()
        self._parts = {part: Histogram(SECONDS) for part in PARTS}
        self._answers = Histogram(SECONDS)
        self._decoded_s: list[float] = []
        self._answered_s: list[float] = []
        self._answered_ms: list[tuple[int, float, float]] = []  # per batch: images, queue and model

    def count_request(self, method: str, route: str, status: int, reason: Reason | None = None, times: int = 1) -> None:
        """Count a request, or several. `route` is a path template, `reason` the reason of a 429 or 503."""
        key = (method if method in METHODS else OTHER, route, status)
        self.requests[key] = self.requests.get(key, 0) + times
        if reason is not None:
            self.refusals[reason] += 1

    def count_unparsed(self, error: RequestError) -> None:
        """Count bytes that were refused before they became a request."""
        reason = error.reason if isinstance(error, Unavailable) else None
        self.count_request(OTHER, NO_ROUTE, error.status, reason)

    def decoded(self, seconds: float) -> None:
        """Record the time that it took to decode an image file."""
        self._decoded_s.append(seconds)
        if len(self._decoded_s) >= BUFFER_RESULTS:
            self._fold()

    def answered(self, seconds: Sequence[float], queue_ms: float, model_ms: float) -> None:
        """Record the times from the pixels of single images, which were in one batch, to their results."""
        self._answered_s += seconds
        self._answered_ms.append((len(seconds), queue_ms, model_ms))
        if len(self._answered_s) >= BUFFER_RESULTS:
            self._fold()

    def families(self) -> Iterable[Metric]:
        """Yield the metrics for Prometheus."""
        yield counter(
            "mnistified_requests",
            "How did requests to this API process end? By status (0: the client left) and route (none: unknown path)",
            ("method", "route", "status"),
            {(method, route, str(status)): count for (method, route, status), count in self.requests.items()},
        )
        yield CounterMetricFamily(
            "mnistified_fast_answers",
            "How many requests did the fast path of this API process answer? The rest took the general path",
            value=self.fast_answers,
        )
        yield counter(
            "mnistified_refusals",
            "How many requests did this API process refuse with 429 or 503, and why?",
            ("reason",),
            {(reason,): count for reason, count in self.refusals.items()},
        )
        yield counter(
            "mnistified_accepted_images",
            "How many images has this API process put into the queue?",
            ("version", "lane"),
            self.accepted,
        )
        yield counter(
            "mnistified_unreadable_images",
            "How many images of jobs could this API process not read? They never enter the queue",
            ("version", "lane"),
            self.unreadable,
        )
        yield from self._durations()

    def _durations(self) -> Iterable[Metric]:
        self._fold()
        yield histogram(
            "mnistified_answer_seconds",
            "How long does a single image take from its pixels to its result?",
            (),
            {(): self._answers},
        )
        yield histogram(
            "mnistified_answer_part_seconds",
            "Where does the time of a single image go? decode, queue (until its batch starts), "
            "model (its batch), reply (the rest)",
            ("part",),
            {(part,): self._parts[part] for part in PARTS},
        )

    def _fold(self) -> None:
        decoded_s, self._decoded_s = self._decoded_s, []
        seconds, self._answered_s = np.array(self._answered_s), []
        images, queue_ms, model_ms = np.array(self._answered_ms).reshape(-1, 3).T
        self._answered_ms = []
        self._parts["decode"].add_many(np.array(decoded_s))
        queue_s, model_s = np.repeat((queue_ms, model_ms), images.astype(int), axis=1) / 1e3
        self._answers.add_many(seconds)
        self._parts["queue"].add_many(queue_s)
        self._parts["model"].add_many(model_s)
        self._parts["reply"].add_many(np.maximum(0.0, seconds - queue_s - model_s))

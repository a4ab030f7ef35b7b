"""What this API process has counted since it started: the event loop's own, and made for the hot path.

What is measured is put on a list, and goes into its histogram many at a time.
"""

from collections import Counter
from collections.abc import Iterable
from typing import get_args

import numpy as np
from prometheus_client.metrics_core import Metric

from shared.errors import Reason, RequestError, Unavailable
from shared.telemetry.prometheus import SECONDS, Histogram, counter, histogram

GATHERED = 512  # answers; folding them takes a tenth of a millisecond
PARTS = ("decode", "queue", "model", "reply")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # methods, of which clients know many more
NO_ROUTE = "none"
NO_STATUS = 0  # the client had gone before there was one


class Metrics:
    """Labels are route templates, versions of the registry and words of ours: no client can make a series."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        self.refusals: Counter[str] = Counter(dict.fromkeys(get_args(Reason), 0))  # so that the first one is a change
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.unreadable: Counter[tuple[str, str]] = Counter()
        self._parts = {part: Histogram(SECONDS) for part in PARTS}
        self._answers = Histogram(SECONDS)
        self._decoded_s: list[float] = []
        self._answered: list[float] = []  # three numbers of each

    def count_request(self, method: str, route: str, status: int, reason: Reason | None = None) -> None:
        """`route` is its template; `reason` says why it was refused, where it was with 429 or 503."""
        key = (method if method in METHODS else OTHER, route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        if reason is not None:
            self.refusals[reason] += 1

    def count_unparsed(self, error: RequestError) -> None:
        """What was refused before it was a request."""
        reason = error.reason if isinstance(error, Unavailable) else None
        self.count_request(OTHER, NO_ROUTE, error.status, reason)

    def decoded(self, seconds: float) -> None:
        """An image file became pixels."""
        self._decoded_s.append(seconds)
        if len(self._decoded_s) >= GATHERED:
            self._fold()

    def answered(self, seconds: float, queue_ms: float, model_ms: float) -> None:
        """A single image got its answer, so long after its pixels were there."""
        self._answered += (seconds, queue_ms, model_ms)
        if len(self._answered) >= 3 * GATHERED:
            self._fold()

    def families(self) -> Iterable[Metric]:
        """For Prometheus."""
        self._fold()
        yield counter(
            "mnistified_requests",
            "How many requests came to this API process, and how did they end? By method, route and status (0: the "
            "client left before; no route: none such)",
            ("method", "route", "status"),
            {(method, route, str(status)): count for (method, route, status), count in self.requests.items()},
        )
        yield counter(
            "mnistified_refusals",
            "How many requests were refused with 429 or 503 by this API process, and why?",
            ("reason",),
            {(reason,): count for reason, count in self.refusals.items()},
        )
        yield counter(
            "mnistified_accepted_images",
            "How many images come in? Put into the queue by this API process",
            ("version", "lane"),
            self.accepted,
        )
        yield counter(
            "mnistified_unreadable_images",
            "How many images of jobs could not be read by this API process? They never come to the queue",
            ("version", "lane"),
            self.unreadable,
        )
        yield histogram(
            "mnistified_answer_seconds",
            "How long does a client wait for one image? From its pixels to its answer, of singles by this API process",
            (),
            {(): self._answers},
        )
        yield histogram(
            "mnistified_answer_part_seconds",
            "Where does the time of one image go? Of singles: decode (file to pixels), queue (until its batch starts), "
            "model (its batch), reply (the rest: into Redis, results, back)",
            ("part",),
            {(part,): self._parts[part] for part in PARTS},
        )

    def _fold(self) -> None:
        decoded_s, self._decoded_s = self._decoded_s, []
        answered, self._answered = self._answered, []
        self._parts["decode"].add_many(np.array(decoded_s))
        seconds, queue_ms, model_ms = np.array(answered).reshape(-1, 3).T
        queue_s, model_s = queue_ms / 1e3, model_ms / 1e3
        self._answers.add_many(seconds)
        self._parts["queue"].add_many(queue_s)
        self._parts["model"].add_many(model_s)
        self._parts["reply"].add_many(np.maximum(0.0, seconds - queue_s - model_s))

"""Histograms, the buckets that workers and the API share, and metrics in the form of the Prometheus client."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

# Decoding an image takes about 20 µs, a response 1 ms, and a wait up to 30 s (SYNC_WAIT_S). Bounds grow by factors of
# about two, which limits the error of a quantile.
SECONDS = (
    *(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
# Engines are calibrated at powers of two. MAX_BATCH_IMAGES is 256 by default, and at most 4096.
BATCH_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Histogram:
    """`counts[i]` counts the values up to `bounds[i]` and above `bounds[i-1]`. The last count has no upper bound."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def add_many(self, values: npt.NDArray[np.float64]) -> None:
        """Add each value once."""
        counted = np.bincount(np.searchsorted(self.bounds, values), minlength=len(self.counts))
        self.counts = [before + more for before, more in zip(self.counts, counted.tolist(), strict=True)]
        self.sum += float(values.sum())


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """Return the quantile at `share`, interpolated between two bounds, or None if there are no values.

    Values above the last bound count as that bound.
    """
    wanted = share * sum(counts)
    if not wanted:
        return None
    low, seen = 0.0, 0
    for bound, count in zip(bounds, counts, strict=False):
        if seen + count >= wanted:
            return low + (bound - low) * (wanted - seen) / count
        low, seen = bound, seen + count
    return low


Labels = TypeVar("Labels", bound=tuple[str, ...])  # label values, in the order of the label names


class Families(Collector):
    """The metrics of one scrape, in the form that the functions of the Prometheus client need."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def counter(name: str, question: str, names: Sequence[str], counts: Mapping[Labels, float]) -> Metric:
    """Make a counter of label values. `name` has no `_total`: the client appends it. `names` are the label names.

    One number without labels is the client's own `CounterMetricFamily` or `GaugeMetricFamily`.
    """
    return _filled(CounterMetricFamily(name, question, labels=names), counts)


def gauge(name: str, question: str, names: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    return _filled(GaugeMetricFamily(name, question, labels=names), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[Labels, float]) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def histogram(name: str, question: str, names: Sequence[str], histograms: Mapping[Labels, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, question, labels=names)
    for labels, one in histograms.items():
        bounds = [*map(floatToGoString, one.bounds), "+Inf"]
        cumulated = np.cumsum(one.counts).tolist()
        family.add_metric(labels, list(zip(bounds, cumulated, strict=True)), one.sum)
    return family


def process_families() -> Iterable[Metric]:
    """Return the Prometheus client's own metrics of this process: CPU time, memory, open files and start time."""
    return ProcessCollector(registry=None).collect()

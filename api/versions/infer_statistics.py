"""Statistics of the v2 API by model version, since the start of this process, for Triton's statistics extension."""

import time
from dataclasses import dataclass, field
from typing import Any

from shared.contract.model_ref import ModelRef


@dataclass(slots=True)
class Duration:
    count: int = 0
    ns: int = 0

    def add(self, duration_s: float) -> None:
        self.count += 1
        self.ns += int(duration_s * 1e9)


@dataclass(slots=True)
class VersionStatistics:
    """The statistics of a version. `inferences` counts images, `success` and `fail` count requests."""

    inferences: int = 0
    last_inference_ms: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    parse: Duration = field(default_factory=Duration)
    answer: Duration = field(default_factory=Duration)
    write: Duration = field(default_factory=Duration)

    def add(self, images: int, parse_s: float, answer_s: float, write_s: float) -> None:
        """Add a successful request."""
        self.inferences += images
        self.last_inference_ms = int(time.time() * 1e3)
        self.success.add(parse_s + answer_s + write_s)
        self.parse.add(parse_s)
        self.answer.add(answer_s)
        self.write.add(write_s)

    def as_json(self, ref: ModelRef) -> dict[str, Any]:
        """Return a row of `model_stats`. `compute_infer` includes the time in the queue, which is not measured here."""
        none = Duration()
        return {
            "name": ref.name,
            "version": str(ref.version),
            "last_inference": self.last_inference_ms,
            "inference_count": self.inferences,
            "execution_count": self.success.count,
            "inference_stats": {
                "success": self.success,
                "fail": self.fail,
                "queue": none,
                "compute_input": self.parse,
                "compute_infer": self.answer,
                "compute_output": self.write,
                "cache_hit": none,
                "cache_miss": none,
            },
            "response_stats": {},
            "batch_stats": [],
            "memory_usage": [],
        }

"""What came through the v2 door, by model version, since this process started: Triton's statistics extension."""

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

    def as_json(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass(slots=True)
class VersionStatistics:
    """`inferences` counts images, `requests` requests."""

    inferences: int = 0
    last_inference_ms: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    parse: Duration = field(default_factory=Duration)
    answer: Duration = field(default_factory=Duration)
    write: Duration = field(default_factory=Duration)

    def add(self, images: int, parse_s: float, answer_s: float, write_s: float) -> None:
        """One request that was answered."""
        self.inferences += images
        self.last_inference_ms = int(time.time() * 1e3)
        self.success.add(parse_s + answer_s + write_s)
        self.parse.add(parse_s)
        self.answer.add(answer_s)
        self.write.add(write_s)

    def as_json(self, ref: ModelRef) -> dict[str, Any]:
        """A row of `model_stats`. Queue and model are one number, `compute_infer`: batches form elsewhere."""
        none = Duration().as_json()
        return {
            "name": ref.name,
            "version": str(ref.version),
            "last_inference": self.last_inference_ms,
            "inference_count": self.inferences,
            "execution_count": self.success.count,
            "inference_stats": {
                "success": self.success.as_json(),
                "fail": self.fail.as_json(),
                "queue": none,
                "compute_input": self.parse.as_json(),
                "compute_infer": self.answer.as_json(),
                "compute_output": self.write.as_json(),
                "cache_hit": none,
                "cache_miss": none,
            },
            "response_stats": {},
            "batch_stats": [],
            "memory_usage": [],
        }

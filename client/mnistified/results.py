"""What the service answers, as values. Fields that a service does not send are None; those that we do not know stay
in `raw`, so that a client goes on with a newer service."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnistified import html

FINAL_STATES = ("done", "done_with_errors", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Result:
    """Of one image. `probabilities` are ten, by digit; `elapsed_time_ms` is the time inside the service.

    `image` is the file that was sent, for a notebook to show; `fitted` the PNG of 28×28 that `fit` has made of it.
    """

    prediction: int
    probabilities: tuple[float, ...]
    model: str | None
    id: str | None
    elapsed_time_ms: float | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    image: bytes | None = field(default=None, repr=False, compare=False)
    fitted: bytes | None = field(default=None, repr=False, compare=False)

    @classmethod
    def read(cls, raw: Mapping[str, Any], image: bytes | None = None) -> "Result":
        return cls(
            prediction=raw["prediction"],
            probabilities=tuple(raw["debug"]["probabilities"]),
            model=raw.get("model"),
            id=raw.get("id"),
            elapsed_time_ms=raw.get("elapsed_time_ms"),
            raw=raw,
            image=image,
            fitted=base64.b64decode(raw["fitted"]) if "fitted" in raw else None,
        )

    def _repr_html_(self) -> str:
        return html.result(self.prediction, self.probabilities, self.fitted or self.image, self.model)


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a job. `state` is `queued`, `done`, `failed`, `expired` or `cancelled`.

    `prediction` and `probabilities` are None unless it is `done`; `error` says why it failed.
    """

    index: int
    name: str | None
    state: str
    prediction: int | None
    probabilities: tuple[float, ...] | None
    error: str | None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "Item":
        probabilities = raw.get("probabilities")
        return cls(
            index=raw["index"],
            name=raw.get("name"),
            state=raw["state"],
            prediction=raw.get("prediction"),
            probabilities=None if probabilities is None else tuple(probabilities),
            error=raw.get("error"),
        )


@dataclass(frozen=True, slots=True)
class JobState:
    """`state` is `queued` or `running`, and finally `done`, `done_with_errors`, `expired` or `cancelled`.

    `counts` are of images in a final state; at the end they add up to `total`.
    """

    id: str
    state: str
    total: int
    counts: Mapping[str, int]
    model: str | None
    elapsed_s: float | None
    eta_s: float | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "JobState":
        return cls(
            id=raw["id"],
            state=raw["state"],
            total=raw.get("total") or 0,
            counts=raw.get("counts", {}),
            model=raw.get("model"),
            elapsed_s=raw.get("elapsed_s"),
            eta_s=raw.get("eta_s"),
            raw=raw,
        )

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def finished(self) -> int:
        """How many images are in a final state."""
        return sum(self.counts.values())

    def _repr_html_(self) -> str:
        return html.job(self.id, self.state, self.finished, self.total, self.eta_s)

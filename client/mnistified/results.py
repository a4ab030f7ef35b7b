"""The answers of the service. Missing fields are None, and unknown fields of newer services remain in `raw`."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mnistified import html

FINAL_STATES = ("done", "done_with_errors", "failed", "expired", "cancelled")


class Best(NamedTuple):
    """One of the best labels of an image."""

    prediction: int
    label: str
    probability: float


class Guess(NamedTuple):
    """A likely label of an unsure image, and its probability. The guess of a number has a `text` instead."""

    prediction: int | None
    confidence: float
    text: str | None = None


class Digit(NamedTuple):
    """A digit of a number. `box` is (left, top, width, height) in pixels of the picture as it was sent.

    `alternatives` are other digits that it may be, with their probabilities.
    """

    digit: int
    box: tuple[int, int, int, int]
    confidence: float
    alternatives: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an image. `probabilities` has one value per label. `elapsed_time_ms` is the time in the service.

    `label` is the name of the prediction, and `confidence` the probability of the best label. `best` has the best
    labels if the request named a model. Of a model with many labels, it has no `probabilities`.

    `state` is `done` or `unsure`. An unsure image has no `prediction` and the best `guesses` instead. `confident` says
    whether the score reaches the threshold; without one, it is None.

    `image` is the uploaded file, for display in notebooks. `fitted` is the PNG of 28×28 pixels that `fit` made of it.
    `stage` is the network of a cascade that decided, counted from 1.

    A number (`fit="number"`) has no `prediction` and no `probabilities`. Its `text` is None if it is unsure,
    `confidence` is the probability of the whole number, and `digits` are those of the best guess.
    """

    prediction: int | None
    probabilities: tuple[float, ...]
    model: str | None
    id: str | None
    elapsed_time_ms: float | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    image: bytes | None = field(default=None, repr=False, compare=False)
    fitted: bytes | None = field(default=None, repr=False, compare=False)
    state: str = "done"
    confident: bool | None = None
    guesses: tuple[Guess, ...] = ()
    stage: int | None = None
    text: str | None = None
    confidence: float | None = None
    digits: tuple[Digit, ...] = ()
    label: str | None = None
    best: tuple[Best, ...] = ()

    @classmethod
    def read(cls, raw: Mapping[str, Any], image: bytes | None = None) -> "Result":
        probabilities = tuple(raw.get("debug", {}).get("probabilities") or raw.get("probabilities") or ())
        return cls(
            prediction=raw["prediction"] if "debug" in raw else None,
            probabilities=probabilities,
            model=raw.get("model"),
            id=raw.get("id"),
            elapsed_time_ms=raw.get("elapsed_time_ms"),
            raw=raw,
            image=image,
            fitted=base64.b64decode(raw["fitted"]) if "fitted" in raw else None,
            state=raw.get("state", "done"),
            stage=raw.get("debug", {}).get("stage"),
            **_answer(raw),
        )

    def _repr_html_(self) -> str:
        rows = [(best.label, best.probability) for best in self.best]
        rows = rows or [(str(digit), share) for digit, share in enumerate(self.probabilities)]
        answer = self.label if self.text is None else self.text
        return html.result(answer, rows, self.fitted or self.image, self.model)


@dataclass(frozen=True, slots=True)
class Item:
    """An image of a job. `state` is `queued`, `done`, `unsure`, `failed`, `expired` or `cancelled`.

    `prediction` is None unless `state` is `done`, and `probabilities` are None unless it is `done` or `unsure`. `error`
    is the reason of a failure. The other fields are those of `Result`.
    """

    index: int
    name: str | None
    state: str
    prediction: int | None
    probabilities: tuple[float, ...] | None
    error: str | None
    confident: bool | None = None
    guesses: tuple[Guess, ...] = ()
    stage: int | None = None
    text: str | None = None
    confidence: float | None = None
    digits: tuple[Digit, ...] = ()
    label: str | None = None
    best: tuple[Best, ...] = ()

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
            stage=raw.get("stage"),
            **_answer(raw),
        )


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job: `queued` or `running`, and finally `done`, `done_with_errors`, `failed`, `expired` or
    `cancelled`. `reason` says why a job is `failed`, which means that the service has lost images of it.

    `counts` has the number of images in each final state. At the end, the sum is `total`.
    """

    id: str
    state: str
    total: int
    counts: Mapping[str, int]
    model: str | None
    elapsed_s: float | None
    eta_s: float | None
    reason: str | None
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
            reason=raw.get("reason"),
            raw=raw,
        )

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def finished(self) -> int:
        """The number of images in a final state."""
        return sum(self.counts.values())

    def _repr_html_(self) -> str:
        return html.job(self.id, self.state, self.finished, self.total, self.eta_s)


class JobHandle:
    """The part that `Job` and `AsyncJob` share. `state` is the last known state of the job."""

    state: JobState

    @property
    def id(self) -> str:
        return self.state.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state.state} {self.state.finished}/{self.state.total}>"

    def _repr_html_(self) -> str:
        return self.state._repr_html_()


def _answer(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a single image and an item of a job share.

    Requests that name no model have digits for labels. Only numbers have `text` and `digits`.
    """
    prediction = raw.get("prediction")
    guesses = raw.get("guesses", ())
    return {
        "confident": raw.get("confident"),
        "guesses": tuple(Guess(guess.get("prediction"), guess["confidence"], guess.get("text")) for guess in guesses),
        "label": raw.get("label", None if prediction is None else str(prediction)),
        "best": tuple(Best(best["prediction"], best["label"], best["probability"]) for best in raw.get("best", ())),
        "confidence": raw.get("confidence"),
        "text": raw.get("text"),
        "digits": tuple(_digit(digit) for digit in raw.get("digits", ())),
    }


def _digit(raw: Mapping[str, Any]) -> Digit:
    alternatives = tuple((other["digit"], other["confidence"]) for other in raw["alternatives"])
    left, top, width, height = raw["box"]
    return Digit(raw["digit"], (left, top, width, height), raw["confidence"], alternatives)

"""The JSON of classification results. mypy checks the code that builds it, and `/openapi.json` is generated from it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from api.queue.answers.layers import Input, Layer, Png
from shared.contract.block import FinalState
from shared.contract.job import CallbackStatus, Counts, JobState
from shared.images import Probabilities
from shared.shapes import CLASSES

AnswerState = Literal["done", "unsure"]
ItemState = Literal["queued"] | FinalState
Label = Annotated[int, msgspec.Meta(ge=0)]  # position of a label
Stage = Annotated[int, msgspec.Meta(ge=1, description="of a cascade: the network that decided, counted from 1")]
OfEachDigit = Annotated[Probabilities, msgspec.Meta(extra_json_schema={"minItems": CLASSES, "maxItems": CLASSES})]
Version = Annotated[str, msgspec.Meta(examples=["cnn@1"])]  # `name@version`
RequestId = Annotated[str, msgspec.Meta(description="`X-Request-ID` of the request that created the job")]


class BestLabel(TypedDict):
    """One of the best labels of an image."""

    prediction: Label
    label: str
    probability: float


class Guess(TypedDict):
    """A likely label of an unsure image."""

    prediction: Label
    confidence: float
    label: NotRequired[str]


class Answer(TypedDict):
    """The answer for one image. `state` and `guesses` are there if answers may be unsure."""

    prediction: Label | None
    state: NotRequired[AnswerState]
    confident: NotRequired[bool | None]
    guesses: NotRequired[list[Guess]]


class LabelledAnswer(Answer):
    """An answer with the names of the labels. Of a model with many labels, `probabilities` is null."""

    label: str | None
    confidence: float
    probabilities: Probabilities | None


class Processing(TypedDict):
    """The processing of an image."""

    stage: NotRequired[Stage]
    batch_images: int
    queue_ms: float
    model_ms: float
    worker: str
    attempt: int


class DigitProcessing(Processing):
    """The processing of an image of a digit, and the probability of each digit."""

    probabilities: OfEachDigit


class Reply(TypedDict):
    """The fields of every reply to a single request."""

    elapsed_time_ms: float
    model: Version
    id: str


class ReplyExtras(TypedDict, total=False):
    """The fields that a route adds to a reply."""

    dataset: str
    index: int
    advice: str
    fitted: Png
    layers: list[Layer] | None
    layers_error: str
    input: Input


class Prediction(Answer, Reply):
    """The reply for one image of a digit."""

    debug: DigitProcessing


class LabelledPrediction(LabelledAnswer, Reply):
    """The reply for one image by any version."""

    best: list[BestLabel]
    debug: Processing


class Alternative(TypedDict):
    """Another digit that a digit may be."""

    digit: int
    confidence: float


class NumberDigit(TypedDict):
    """A digit of a number. `box` is (left, top, width, height) in pixels of the picture."""

    digit: int
    box: tuple[int, int, int, int]
    confidence: float
    alternatives: list[Alternative]


class NumberGuess(TypedDict):
    """A likely text of a number."""

    text: str
    confidence: float


class NumberAnswer(TypedDict):
    """The number in a picture. `text` is null if it is unsure."""

    text: str | None
    state: AnswerState
    confident: bool
    confidence: float
    digits: list[NumberDigit]
    guesses: list[NumberGuess]


class Number(NumberAnswer, Reply):
    """The reply for the number in a picture."""


class Item(TypedDict):
    """An image of a job. Items of numbers have `text` and `digits`."""

    index: int
    name: str | None
    state: ItemState
    prediction: Label | None
    probabilities: Probabilities | None
    error: str | None
    stage: NotRequired[Stage]
    confident: NotRequired[bool | None]
    guesses: NotRequired[Sequence[Any]]  # Guess or NumberGuess
    label: NotRequired[str | None]
    confidence: NotRequired[float | None]
    best: NotRequired[list[BestLabel]]
    text: NotRequired[str | None]
    digits: NotRequired[list[NumberDigit]]


class Items(TypedDict):
    """A page of items. `next` is the path of the next page."""

    items: list[Item]
    next: str | None


class Links(TypedDict):
    """The paths of a job and of its items."""

    self: str
    items: str


class Accepted(TypedDict):
    """A job whose images are all in Redis."""

    id: str
    state: JobState
    total: int | None
    model: str
    links: Links


class Job(TypedDict):
    """A job, or a single image that timed out."""

    id: str
    state: JobState
    total: int | None
    counts: Counts
    model: str
    progress: Annotated[float, msgspec.Meta(ge=0, le=1)]
    elapsed_s: NotRequired[float]
    eta_s: float | None
    request_id: RequestId
    reason: NotRequired[str | None]
    callback: NotRequired[CallbackStatus | None]
    links: Links

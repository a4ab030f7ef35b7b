"""The structure that says what a classification request asks for."""

from dataclasses import dataclass

from api.http.parameters import Maps
from shared.config.api_keys import ApiKey
from shared.contract.entry import NO_ORIGIN, Origin
from shared.contract.lane import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyRequest:
    """Everything that a classification request asks for, except its images.

    `model` is `name@version`. `model_query` is the text of `?model=`, which can mean another version later.
    Images without an answer expire after `timeout_s`. A request with `maps` is verbose and has one image.
    Answers whose score is below `accept` are unsure; see `Entry.accept`. The `origin` of a job always has a request id.
    """

    model: str
    model_query: str = ""
    caller: ApiKey
    origin: Origin = NO_ORIGIN
    lane: Lane = "interactive"
    wait_s: float = 0.0
    timeout_s: float | None = None
    maps: Maps | None = None
    fit: bool = False
    accept: float | None = None
    show: bool = False
    callback_url: str | None = None

    @property
    def verbose(self) -> bool:
        return self.maps is not None

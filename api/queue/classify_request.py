"""The structure that says what a classification request asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from api.http.parameters import Maps
from shared.config.api_keys import ApiKey
from shared.contract.entry import FORMAT, FORMATS, NO_ORIGIN, THRESHOLD_OF_CARD, Origin, fits_format_1
from shared.contract.lane import Lane
from shared.contract.model_spec import MNIST_SPEC, ModelSpec, Resize
from shared.numbers.roster import Roster

Fit = Literal["", "digit", "number"]  # the object that `?fit=` finds in a picture of any size
NUMBERS_PER_CHUNK = 2  # pictures; each has two views of up to MAX_WINDOWS images


def accept_of_version(spec: ModelSpec, accept: float | None) -> float | None:
    """Return the threshold of a request to the routes of versions: by default that of the version, if it has one."""
    return THRESHOLD_OF_CARD if spec.acceptance and accept is None else accept


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyRequest:
    """Everything that a classification request asks for, except its images.

    `model` is `name@version`, and `spec` is what its card says about images and labels. `fit` is for the routes under
    `/mnist`, and `resize` for the routes of versions: both say what happens to pictures of another size, and both can
    be `digit`. `model_query` is the text of `?model=`, which can mean another version later.
    Images without an answer expire after `timeout_s`. A request with `maps` is verbose and has one image.
    Answers whose score is below `accept` are unsure; see `Entry.accept`. The `roster` has the valid strings of numbers,
    from `?among=`. The `origin` of a job always has a request id. `top` is the number of best labels that the results
    have, 0 for the usual number, and None for results without names of labels.
    """

    model: str
    spec: ModelSpec = MNIST_SPEC
    resize: Resize = "exact"
    top: int | None = None
    model_query: str = ""
    caller: ApiKey
    origin: Origin = NO_ORIGIN
    lane: Lane = "interactive"
    wait_s: float = 0.0
    timeout_s: float | None = None
    maps: Maps | None = None
    fit: Fit = ""
    roster: Roster | None = None
    accept: float | None = None
    show: bool = False
    callback_url: str | None = None

    @property
    def entry_format(self) -> int:
        """Return the oldest format for entries of the request that says everything about their answers."""
        return FORMAT if self.spec.has_scores_or_stages else 1

    @property
    def formats(self) -> Sequence[int]:
        """Return the formats in which the request can be written."""
        fits = fits_format_1(self.spec.shape, self.top, self.accept, numbers=self.fit == "number")
        return FORMATS if fits else (FORMAT,)

    @property
    def verbose(self) -> bool:
        return self.maps is not None

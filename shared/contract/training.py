"""A training: its hash `keys.training`, with the parameters that the API validates and the trainer's records.

Nothing here needs TensorFlow.
"""

from typing import Annotated, Literal, get_args

import msgspec

from shared.contract.codecs import HashCodec

Network = Literal["cnn", "cnn-small", "cnn-first", "cnn-deep", "cnn-wide", "cnn-wide5", "seed"]
NETWORK_NAMES: tuple[Network, ...] = get_args(Network)
TrainingState = Literal["queued", "running", "published", "refused", "failed", "cancelled"]
Number = int | float


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`floor` is the minimum accuracy for the quality gate; None means the gate's own. `limit_images` None means all.

    `promote` decides whether a version that has passed the gate becomes only the `candidate`, or the `champion` too.
    """

    network: Network = "cnn"
    epochs: Annotated[int, msgspec.Meta(ge=1, le=500)] = 60
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 128
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    augment: bool = True
    limit_images: Annotated[int, msgspec.Meta(ge=10, le=60_000)] | None = None  # a tenth is held out
    floor: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    promote: Literal["never", "if_passed"] = "never"


class Progress(msgspec.Struct, frozen=True):
    """The progress of the stage `train`. Epochs and steps count from 1.

    `val_accuracy` is null except at the end of an epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None
    accuracy: float | None
    val_accuracy: float | None
    eta_s: float


class CheckResult(msgspec.Struct, frozen=True):
    """The result of one check of the quality gate. `champion` is the champion's value."""

    name: str
    passed: bool
    sentence: str
    measured: Number | None = None
    bound: Number | None = None
    champion: Number | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The result of the quality gate."""

    passed: bool
    checks: tuple[CheckResult, ...]
    champion: str | None = None


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """A training. Times are unix time. `trainer` and `attempt` are those of the last attempt."""

    id: str
    model: str
    state: TrainingState
    stage: str | None = None
    progress: Progress | None = None
    verdict: Verdict | None = None
    version: str | None = None
    promotion: str | None = None
    reason: str | None = None
    log: tuple[str, ...] | None = None
    parameters: Parameters
    attempt: int = 0
    trainer: str | None = None
    created_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    key: str  # name of the API key that requested the training
    publishing: int | None = None  # version number that the training was published as, or was about to be


TRAINING_CODEC = HashCodec(Training, "a training", json_fields=("parameters", "progress", "verdict", "log"))


def parse_parameters(model: str, body: bytes) -> Parameters:
    """Read a JSON object. The default of `network` is the model's own network, if there is one of that name.

    Raises msgspec.DecodeError, a msgspec.ValidationError if the JSON is valid.
    """
    given = msgspec.json.decode(body, type=Parameters)
    if model not in NETWORK_NAMES or "network" in msgspec.json.decode(body, type=dict[str, msgspec.Raw]):
        return given
    return msgspec.structs.replace(given, network=model)

"""The parameters of a training: the API validates them, and the trainer runs them. Nothing here needs TensorFlow."""

from typing import Annotated, Literal, get_args

import msgspec

Network = Literal["cnn", "cnn-small", "cnn-wide", "cnn-wide5", "seed"]
NETWORK_NAMES: tuple[Network, ...] = get_args(Network)
QUEUED, CANCELLED = "queued", "cancelled"


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


def parse_parameters(model: str, body: bytes) -> Parameters:
    """Read a JSON object. The default of `network` is the model's own network, if there is one of that name.

    Raises msgspec.DecodeError, a msgspec.ValidationError if the JSON is valid.
    """
    given = msgspec.json.decode(body, type=Parameters)
    if model not in NETWORK_NAMES or "network" in msgspec.json.decode(body, type=dict[str, msgspec.Raw]):
        return given
    return msgspec.structs.replace(given, network=model)

"""The dead letter: an image that was moved to the dead-letter stream because workers died while they ran it.

On its stream, `keys.DEAD_LETTERS`, it has the fields of an entry: `h`, a JSON header, and `x`, the pixels.
"""

import msgspec

from shared.contract.codecs import JsonCodec
from shared.contract.lane import Lane


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dead letter. It has either `single`, the id of a single image, or the id of a `job`. `at_ms` is unix time."""

    model: str
    lane: Lane
    client: str  # name of the API key
    reason: str
    attempts: int
    at_ms: int
    position: int  # the place of the image in its entry
    request_id: str | None = None
    single: str | None = None
    job: str | None = None
    chunk: int | None = None  # number of the chunk of `job`


DEAD_LETTER_CODEC = JsonCodec(DeadLetter, "a dead letter")

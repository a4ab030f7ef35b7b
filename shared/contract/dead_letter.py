"""The dead letter: an image that was moved aside because workers died while they ran it.

On its stream, `keys.DEAD_LETTERS`, it has the fields of an entry: `h`, a JSON header, and `x`, the pixels.
"""

import msgspec

from shared.contract.json_codec import JsonCodec
from shared.contract.lane import Lane


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The header of a dead letter. It has either `single`, the id of a single image, or a `job` and its `chunk`.

    `client` is the name of the API key, `at_ms` is unix time, `position` is the place in the entry.
    """

    model: str
    lane: Lane
    client: str
    reason: str
    attempts: int
    at_ms: int
    position: int
    request_id: str | None = None
    single: str | None = None
    job: str | None = None
    chunk: int | None = None


DEAD_LETTER_CODEC = JsonCodec(DeadLetter, "a dead letter")

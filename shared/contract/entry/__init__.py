"""The entry of a stream: the images of one or many requests for one model version.

On the stream an entry is two fields: `h`, a JSON header, and `x`, the pixels of the images one after the other. An
entry of singles has a reply channel. `chunk` is the number of the chunk of the job `uid` that the entry is. A verbose
entry has one image, and the outputs of the model's layers are kept along with its result. Images whose request has an
id or a trace have an origin.

Every release keeps the fields of `Envelope`, so that the images of an entry can fail with a reason even if nobody reads
its format. A new format gets a new number. Format 2 adds `shape`, `top`, `accept` and `items`. A worker answers an
entry of format 1 with a block of format 1, because the API that wrote it reads no other.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from shared.images import Images, images_from_pixels
from shared.shapes import MNIST_SHAPE, Shape

FORMAT = 2  # the newest format; an entry is written in the oldest one that says everything
FORMATS = (1, 2)  # the formats that this release reads
MAX_ENTRY_IMAGES = 4096
ENTRY_BYTES = 512 << 10  # pixels of an entry, unless one image has more
THRESHOLD_OF_CARD = -1.0  # value of `accept`: the threshold of the version
OVERHEAD_BYTES = 256  # size of an entry on its stream without pixels: the header, and what Redis adds
REQUEST_ID = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Origin(NamedTuple):
    """The id that the request of an image brought, and the W3C `traceparent` of its span. Either may be empty."""

    request_id: str = ""
    traceparent: str = ""


NO_ORIGIN = Origin()


class Entry(msgspec.Struct, frozen=True):
    """`model` is `name@version`. Times are unix time. `deadlines_ms` is empty, or has one per image, 0 for none.

    `client` is the name of the API key of the request, empty without API keys. `origins` is by position. A chunk of a
    job has at most one origin, at 0, for all of its images. `top` is the number of best labels that the request wants,
    0 for the usual number. `accept` is the threshold from which an answer is accepted: THRESHOLD_OF_CARD for the
    version's own, 0 for every answer, and None if the request has no threshold. `items` is for a chunk of numbers:
    the number of images of each item. An item has one state. `format` of an entry that was read is the one in which it
    was written. `format` of a new entry is the oldest one that can hold its answers.
    """

    uid: str
    model: str
    pixels: bytes | bytearray | memoryview
    accepted_us: int
    reply: str = ""
    chunk: int | None = None
    deadlines_ms: tuple[int, ...] = ()
    client: str = ""
    verbose: bool = False
    origins: Mapping[int, Origin] = msgspec.field(default_factory=dict)
    shape: Shape = MNIST_SHAPE
    top: int = 0
    accept: float | None = None
    items: tuple[int, ...] = ()
    format: int = FORMAT

    @property
    def image_bytes(self) -> int:
        """Return the number of bytes of one image."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def count(self) -> int:
        height, width, channels = self.shape
        return len(self.pixels) // (height * width * channels)

    @property
    def fits_format_1(self) -> bool:
        """Return whether format 1 says everything about the entry."""
        return fits_format_1(self.shape, self.top, self.accept, numbers=bool(self.items))

    @property
    def queued_bytes(self) -> int:
        """Return the bytes by which the entry counts in the limit of its lane."""
        return len(self.pixels) + OVERHEAD_BYTES

    @property
    def images(self) -> Images:
        """Return a view of the pixels as uint8[N,height,width], or uint8[N,height,width,3]."""
        return images_from_pixels(self.pixels, self.shape)

    def origin(self, position: int) -> Origin:
        """Return the origin of the image at `position`."""
        return self.origins.get(position if self.chunk is None else 0, NO_ORIGIN)

    def request_id(self, position: int) -> str:
        """Return the id that the request of an image brought, or else the id of the image or of its job."""
        own = f"{self.uid}-{position}" if self.chunk is None else self.uid
        return (self.origins and self.origin(position).request_id) or own


def fits_format_1(shape: Shape, top: int | None, accept: float | None, *, numbers: bool) -> bool:
    """Return whether format 1 says everything about an entry with these fields. `numbers` are its items."""
    return shape == MNIST_SHAPE and not top and accept is None and not numbers


def images_per_entry(image_bytes: int, max_images: int) -> int:
    """Return how many images an entry takes: up to `max_images`, and about ENTRY_BYTES, but at least one."""
    return max(1, min(max_images, ENTRY_BYTES // image_bytes))

"""The keys of the API's clients, as the setting API_KEYS has them: hashed, with a limit or two.

`alice:<sha256 of the key, hex>:images_per_s=500:max_queued_images=20000 ops:<sha256>:admin`, parted by spaces. A key is
random and long (`python -m deploy.api_key` makes one), so a plain hash keeps it: there is nothing to guess.
"""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LIMIT = re.compile(r"(images_per_s|max_queued_images)=([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`images_per_s` and `max_queued_images` are 0 where there is no limit. `sha256` is in hex."""

    name: str
    sha256: str
    admin: bool = False
    images_per_s: int = 0
    max_queued_images: int = 0


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Raises ValueError, naming the key by its place and name, never by what may be a secret."""
    keys = tuple(_parse(number, part) for number, part in enumerate(text.split(), 1))
    if len({key.name for key in keys}) != len(keys):
        raise ValueError("two keys have the same name")
    if len({key.sha256 for key in keys}) != len(keys):
        raise ValueError("two keys have the same hash")
    return keys


def _parse(number: int, text: str) -> ApiKey:
    name, _, rest = text.partition(":")
    sha256, *options = rest.split(":")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"key {number} has no name: expected name:sha256[:admin][:images_per_s=N][:max_queued_images=N]"
        )
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"key {name!r}: expected the SHA-256 of the key in 64 hex digits, never the key itself")
    limits: dict[str, int] = {}
    for option in options:
        limit = _LIMIT.fullmatch(option)
        if limit:
            limits[limit[1]] = int(limit[2])
        elif option != "admin":
            raise ValueError(f"key {name!r}: an option is admin, images_per_s=N or max_queued_images=N")
    return ApiKey(name, sha256, "admin" in options, **limits)

"""The setting API_KEYS: names, hashes and limits of the clients' API keys, separated by spaces.

`alice:<sha256 of the key, hex>:images_per_s=500:max_queued_images=20000 ops:<sha256>:admin`. A key is long and random
(`python -m deploy.api_key` makes one), so an unsalted hash protects it.
"""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LIMIT = re.compile(r"(images_per_s|max_queued_images)=([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The hash (in hex) and the permissions of one key. A limit of 0 means no limit."""

    name: str
    sha256: str
    admin: bool = False
    images_per_s: int = 0
    max_queued_images: int = 0


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Read the setting. Raises ValueError with the number or name of the invalid key, never with a possible secret."""
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
            raise ValueError(f"key {name!r}: expected the options admin, images_per_s=N or max_queued_images=N")
    return ApiKey(name, sha256, "admin" in options, **limits)

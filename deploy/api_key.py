"""`python -m deploy.api_key NAME`: create a key for a client of the API, and its entry for the setting API_KEYS."""

import argparse
import secrets
import sys
from hashlib import sha256

from shared.config.api_keys import parse_api_keys

KEY_BYTES = 32


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.api_key", description=__doc__)
    parser.add_argument("name", help="name of the client: a-z, 0-9 and -, at most 32 characters")
    parser.add_argument("--admin", action="store_true", help="give the key admin rights")
    parser.add_argument(
        "--images-per-s", type=int, metavar="N", help="maximum of images per second (default: no limit)"
    )
    parser.add_argument(
        "--max-queued-images", type=int, metavar="N", help="maximum of queued images (default: no limit)"
    )
    arguments = parser.parse_args()
    key = secrets.token_urlsafe(KEY_BYTES)
    try:
        entry = api_keys_entry(
            arguments.name, key, arguments.admin, arguments.images_per_s, arguments.max_queued_images
        )
    except ValueError as error:
        sys.exit(f"api_key: {error}")
    print(f"key for the client, shown only this once:\n{key}\nentry for API_KEYS (separated by spaces):\n{entry}")


def api_keys_entry(name: str, key: str, admin: bool, images_per_s: int | None, max_queued_images: int | None) -> str:
    """Return the entry, which has only a hash of `key`. Raises ValueError if the setting would refuse it."""
    options = ["admin"] if admin else []
    options += [
        f"{limit}={value}"
        for limit, value in (("images_per_s", images_per_s), ("max_queued_images", max_queued_images))
        if value is not None
    ]
    entry = ":".join([name, sha256(key.encode()).hexdigest(), *options])
    parse_api_keys(entry)
    return entry


if __name__ == "__main__":
    main()

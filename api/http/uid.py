"""Random ids for requests, entries, jobs and trainings."""

import secrets

UID_CHARS = 16


def new_uid() -> str:
    """Return 16 random hexadecimal digits."""
    return secrets.token_hex(UID_CHARS // 2)

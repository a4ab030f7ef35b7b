"""Random ids for requests, entries, jobs and trainings."""

import os

UID_CHARS = 16


def new_uid() -> str:
    """Return 16 random hexadecimal digits."""
    return os.urandom(UID_CHARS // 2).hex()

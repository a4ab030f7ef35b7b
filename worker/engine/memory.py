"""The memory that this process uses."""

import os
from pathlib import Path

STATM = Path("/proc/self/statm")


def rss_bytes() -> int | None:
    """Return the resident set size. Returns None on systems other than Linux."""
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")

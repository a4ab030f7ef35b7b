"""How much memory this process holds."""

import os
from pathlib import Path

STATM = Path("/proc/self/statm")


def rss_bytes() -> int | None:
    """None where the system does not say, as any but Linux."""
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
